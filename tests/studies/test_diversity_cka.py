"""The CKA complement of groups of pairs: against minibatch CKA one by one, and its interval."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.analysis.layer_similarity import minibatches
from wiseft_jax.analysis.linear_cka import cka, minibatch_cka, ratio_of_sums, unbiased_hsic
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.jackknife import jackknife
from wiseft_jax.studies.diversity_cka import MOST_BATCHES, cka_groups
from wiseft_jax.studies.diversity_measures import GroupMeasure


def features(count: int, noise: dict[str, float], seed: int = 0) -> dict[str, np.ndarray]:
    """Return models that see the same 5 numbers of an image, with noise of their own."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(count, 5)) * [3, 2, 1, 1, 1]
    return {
        name: (shared + own * rng.normal(size=shared.shape)).astype(np.float32)
        for name, own in noise.items()
    }


def measured(found: dict[str, np.ndarray], groups: dict, samples: int = 500):
    return cka_groups(found, groups, samples=samples, seed=3, stream="test")


def interval(found: GroupMeasure) -> tuple[float, float]:
    low, high = np.quantile(found.drawn, [0.025, 0.975])
    return float(low), float(high)


def test_values_are_means_of_one_minus_minibatch_cka():
    models = features(170, {"a": 0.0, "b": 1.0, "c": 2.0})
    pairs = [("a", "b"), ("a", "c")]
    found = measured(models, {"ends": pairs, "none": []})
    assert [*found] == ["ends"]
    places = minibatches(170, 3, most=MOST_BATCHES)
    assert len(places) == 10
    wanted = [
        1 - minibatch_cka((models[f][each], models[g][each]) for each in places) for f, g in pairs
    ]
    assert found["ends"].pairs == pytest.approx(wanted)
    assert found["ends"].value == pytest.approx(np.mean(wanted))
    assert wanted[0] < wanted[1]


def test_the_interval_is_as_wide_as_the_jackknifes_over_minibatches():
    models = features(400, {"a": 0.0, "b": 1.5})
    found = measured(models, {"ends": [("a", "b")]}, samples=4000)["ends"]
    x, y = models["a"].astype(float), models["b"].astype(float)
    terms = np.array(
        [
            [unbiased_hsic(f @ f.T, g @ g.T) for f, g in ((x[p], y[p]), (x[p], x[p]), (y[p], y[p]))]
            for p in minibatches(400, 3, most=MOST_BATCHES)
        ]
    )
    whole = jackknife(lambda at: 1 - ratio_of_sums(*terms[at].sum(0).tolist()), len(terms))
    assert whole.low is not None
    assert whole.high is not None
    low, high = interval(found)
    assert found.value == pytest.approx(whole.value)
    assert high - low == pytest.approx(whole.high - whole.low, rel=0.15)


def test_intervals_cover_what_many_images_say():
    truth = 1 - cka(*features(40_000, {"a": 0.0, "b": 1.5}, seed=99).values())
    covered = 0
    for seed in range(100):
        models = features(160, {"a": 0.0, "b": 1.5}, seed)
        low, high = interval(measured(models, {"ends": [("a", "b")]}, samples=200)["ends"])
        covered += low <= truth <= high
    assert covered >= 88


def test_what_is_equal_up_to_a_rotation_has_none_and_what_is_unrelated_nearly_one():
    models = features(320, {"a": 0.5})
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    models |= {"same": models["a"].copy(), "turned": (3 * models["a"] @ rotation + 5)}
    models["other"] = np.random.default_rng(2).normal(size=(320, 9)).astype(np.float32)
    pairs = {name: [("a", name)] for name in ("same", "turned", "other")}
    found = measured(models, pairs)
    assert found["same"].value == 0
    assert not found["same"].drawn.any()
    assert found["turned"].value == pytest.approx(0, abs=1e-5)
    low, high = interval(found["other"])
    assert low < 1 < high + 0.02


def test_groups_are_drawn_together():
    models = features(170, {"a": 0.0, "b": 1.0})
    found = measured(models, {"one": [("a", "b")], "two": [("b", "a")]})
    np.testing.assert_allclose(found["one"].drawn, found["two"].drawn, rtol=1e-9)


def varying_in(models: dict[str, np.ndarray], batches: int) -> dict[str, np.ndarray]:
    """Return models of which "b" varies in so many of the minibatches alone."""
    flat = np.ones_like(models["b"])
    for each in minibatches(len(flat), 3, most=MOST_BATCHES)[:batches]:
        flat[each] = models["b"][each]
    return models | {"b": flat}


def test_draws_in_which_features_do_not_vary_are_left_out_and_counted(
    caplog: pytest.LogCaptureFixture,
):
    models = features(85, {"a": 0.0, "b": 1.0, "c": 0.5})
    assert len(minibatches(85, 3, most=MOST_BATCHES)) == 5
    groups = {"ends": [("a", "b"), ("a", "c")], "tuned": [("b", "c")]}
    measured(models, groups)
    assert caplog.text == ""
    found = measured(varying_in(models, 2), groups)
    left_out = int(np.isnan(found["ends"].drawn).sum())
    assert 0.04 < left_out / 500 < 0.13  # 0.6^5 of the draws have none of the two: 0.078
    ends, tuned = (np.isnan(each.drawn) for each in found.values())
    np.testing.assert_array_equal(ends, tuned)
    said = f"test: CKA: {left_out} draws of 500 are left out of its intervals"
    assert [record.getMessage()[: len(said)] for record in caplog.records] == [said]
    low, high = np.nanquantile(found["ends"].drawn, [0.025, 0.975])
    assert low < found["ends"].value < high
    apart = measured(varying_in(models, 2), {"other": [("a", "c")]})  # which "b" isn't in
    assert np.isfinite(apart["other"].drawn).all()


def test_features_that_vary_in_no_draw_are_refused():
    models = varying_in(features(85, {"a": 0.0, "b": 1.0}), 1)

    def draw_once(times: int) -> None:
        for time in range(times):  # the minibatch is in two draws of three
            cka_groups(models, {"ends": [("a", "b")]}, samples=1, seed=3, stream=f"set {time}")

    with pytest.raises(InputError, match="found none of 1: a model's features don't vary"):
        draw_once(20)


def test_features_that_do_not_vary_are_refused():
    models = features(170, {"a": 0.0}) | {"flat": np.ones((170, 5), np.float32)}
    with pytest.raises(InputError, match="expected features that vary"):
        measured(models, {"ends": [("a", "flat")]})
