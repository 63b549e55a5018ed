"""CKA of every pair of layers: the terms, the minibatches, the rows, and what is left out."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.layers_of_run import layer_features, stored_run
from wiseft_jax.analysis.layer_features import missing_features, why_stale
from wiseft_jax.analysis.layer_similarity import (
    hsic_of_pairs,
    interval_of,
    layer_similarity,
    layer_terms,
    minibatches,
    similarity_rows,
)
from wiseft_jax.analysis.linear_cka import centred_gram, minibatch_cka, unbiased_hsic
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.jackknife import jackknife


def test_terms_of_all_pairs_are_those_of_one_pair_at_a_time():
    rng = np.random.default_rng(0)
    x, y = (
        [centred_gram(rng.standard_normal((9, width))) for width in widths]
        for widths in ((2, 5, 12), (3, 4))
    )
    found = hsic_of_pairs(np.stack(x), np.stack(y))
    expected = [[unbiased_hsic(k, other) for other in y] for k in x]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_cka_of_two_layers_is_minibatch_cka_of_the_same_batches():
    features = layer_features(count=100)
    x, y = (tuple(features.at(alpha).values()) for alpha in (0.0, 1.0))
    batches = minibatches(100, seed=3)
    assert len(batches) == 6
    terms = layer_terms(x, y, batches)
    for row, column in itertools.product(range(len(x)), range(len(y))):
        expected = minibatch_cka((x[row][at], y[column][at]) for at in batches)
        assert terms.cka(row, column).value == pytest.approx(expected, rel=1e-10)


def test_the_interval_is_the_jackknife_over_minibatches():
    features = layer_features(count=200)
    x, y = (tuple(features.at(alpha).values()) for alpha in (0.0, 1.0))
    batches = minibatches(200, seed=0)
    found = layer_terms(x, y, batches).cka(0, 1)
    without = [
        minibatch_cka((x[0][at], y[1][at]) for at in [*batches[:out], *batches[out + 1 :]])
        for out in range(len(batches))
    ]
    count = len(batches)
    error = np.sqrt((count - 1) / count * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert found.standard_error == pytest.approx(error, rel=1e-9)
    assert found.groups == count == 12


@pytest.mark.parametrize(("count", "parts"), [(4, 1), (31, 1), (32, 2), (2000, 20), (330, 20)])
def test_minibatches_are_even_and_hold_every_example_once(count: int, parts: int):
    batches = minibatches(count, seed=1)
    sizes = [len(batch) for batch in batches]
    assert len(batches) == parts
    assert max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert any(
        not np.array_equal(a, b) for a, b in zip(batches, minibatches(count, seed=2), strict=True)
    )


def test_too_few_images_are_refused():
    with pytest.raises(InputError, match="at least 4 images, found 3"):
        minibatches(3, seed=0)


def test_rows_have_every_pair_of_models_and_layers():
    features = layer_features(count=100)
    rows = similarity_rows(features, "hash", seed=7)
    pairs = {(row["alpha"], row["other"]) for row in rows}
    assert pairs == {(0.0, "alpha 0.4"), (0.0, "alpha 1"), (0.4, "alpha 1")}
    cells = [row for row in rows if row["metric"] == "minibatch_cka" and row["alpha"] == 0.4]
    layers = features.layers
    assert [row["group"] for row in cells] == [f"{a}:{b}" for a in layers for b in layers]
    assert {(row["n"], row["seed"], row["config_hash"]) for row in rows} == {(100, 7, "hash")}
    assert {row["dataset"] for row in rows} == {"test"}


def test_the_complement_is_of_the_last_layer_and_its_interval_is_turned():
    rows = similarity_rows(layer_features(count=100), "hash")
    last = next(row for row in rows if row["group"] == "features:features")
    complement = next(row for row in rows if row["metric"] == "cka_complement")
    assert complement["group"] == "features"
    assert complement["value"] == pytest.approx(1 - last["value"])
    assert last["ci_low"] is not None
    assert last["ci_high"] is not None
    assert complement["ci_low"] == pytest.approx(1 - last["ci_high"])
    assert complement["ci_high"] == pytest.approx(1 - last["ci_low"])
    assert complement["ci_low"] < complement["value"] < complement["ci_high"]  # type: ignore


def test_models_that_differ_more_are_less_alike():
    rows = similarity_rows(layer_features(count=200), "hash")
    found = {row["other"]: row["value"] for row in rows if row["metric"] == "cka_complement"
             if row["alpha"] == 0.0}  # fmt: skip
    assert found["alpha 1"] > found["alpha 0.4"] > 0


def test_one_minibatch_has_no_interval_and_says_so(caplog: pytest.LogCaptureFixture):
    rows = similarity_rows(layer_features(count=30), "hash")
    assert {row["ci_low"] for row in rows} == {None}
    assert "32 give one" in caplog.text


def test_a_layer_that_does_not_vary_is_named():
    features = layer_features(count=40, constant="block_0")
    with pytest.raises(InputError, match="layers embedding and block_0: y: expected features that"):
        similarity_rows(features, "hash")


def test_a_stored_run_is_analysed(tmp_path: Path):
    run = stored_run(tmp_path)
    with pytest.raises(InputError, match=r"wiseft report .* --analyses cka"):
        layer_similarity(run, AnalysisOptions())
    assert missing_features(run).endswith("wiseft report RUN --analyses cka")
    layer_features(count=70).save(run.path)
    assert missing_features(run) == ""
    rows = layer_similarity(run, AnalysisOptions(seed=5))
    assert rows == similarity_rows(layer_features(count=70), run.config_hash, 5)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ends": {"theta_0": "a", "theta_1": "other"}}, r"other ends \(theta_1 differ\)"),
        ({"alphas": (0.0, 0.3, 1.0)}, "of alpha 0 0.3 1, and the run's models are 0 0.4 1"),
        ({"ids": "gone"}, "images that the set doesn't have any more"),
    ],
)
def test_features_of_something_else_are_left_out(
    tmp_path: Path, changes: dict, why: str, caplog: pytest.LogCaptureFixture
):
    run = stored_run(tmp_path)
    features = layer_features(count=70, **changes)
    assert why_stale(layer_features(count=70), run) == ""
    features.save(run.path)
    with pytest.raises(InputError, match="no features of its models' layers are stored"):
        layer_similarity(run, AnalysisOptions())
    assert re.search(f"features of test are left out: .*{why}", caplog.text)


def test_no_interval_of_one_group():
    assert interval_of(jackknife(lambda places: 1.0, 1)) is None
