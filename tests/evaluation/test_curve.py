"""The continuous curve against direct evaluation: pairs of several distances, and a barrier."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, Tiny, dataset
from wiseft_jax.clip.classifier import head_logits
from wiseft_jax.core.curve_rows import read_curve_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.data.source import array_dataset
from wiseft_jax.evaluation import audit_draw, curve_pass
from wiseft_jax.evaluation.batch_curve import CHEAPER
from wiseft_jax.evaluation.config import PAPER_ALPHAS
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.sweep import SweepResult, sweep
from wiseft_jax.weights.interpolate import lerp

GRID = tuple(step / 20 for step in range(21))
DISTANCES = {"weak": 0.05, "medium": 0.3, "strong": 1.0}
SIZE = 16


def moved(theta: Any, distance: float, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)

    def move(leaf: np.ndarray) -> np.ndarray:
        noise = rng.standard_normal(leaf.shape).astype(np.float32)
        return leaf + np.float32(distance) * np.std(leaf) * noise

    return jax.tree_util.tree_map(move, theta)


def both(
    tiny: Tiny, distance: float, config: CurveConfig, grid: tuple[float, ...] = GRID, **options: Any
) -> tuple[SweepResult, SweepResult]:
    ends = tiny.theta_0, moved(tiny.theta_0, distance)
    data = [dataset(45, "test"), dataset(23, "shift", role="shift")]
    options = {"batch_size": SIZE, **options}
    found = curve(tiny.classifier, *ends, data, grid, config=config, **options)
    return found, sweep(tiny.classifier, *ends, data, grid, **options)


@pytest.mark.parametrize("distance", DISTANCES)
def test_exact_counts_are_those_of_direct_evaluation(tiny: Tiny, distance: str) -> None:
    found, direct = both(tiny, DISTANCES[distance], CurveConfig(exact=True))
    for name, expected in direct.predictions.items():
        each = found.curves[name]
        assert each.exact
        np.testing.assert_array_equal(each.predictions.correct, expected.correct)
        np.testing.assert_array_equal(each.predictions.top1, expected.top1)
        assert each.audit.mismatches == 0
    values = [(row["dataset"], row["alpha"], row["value"], row["n"]) for row in found.rows]
    assert values == [(row["dataset"], row["alpha"], row["value"], row["n"]) for row in direct.rows]


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("exact", [False, True])
def test_entropies_are_those_of_direct_evaluation(tiny: Tiny, distance: str, exact: bool) -> None:
    """An entropy moves by less than the largest error of a logit, with three classes."""
    found, direct = both(tiny, DISTANCES[distance], CurveConfig(exact=exact))
    for name, expected in direct.predictions.items():
        each = found.curves[name]
        entropy = each.predictions.entropy
        assert entropy is not None
        assert expected.entropy is not None
        assert entropy.shape == expected.entropy.shape == each.predictions.top1.shape
        off = np.abs(entropy - expected.entropy)
        assert (off <= 1e-4 + each.estimate[None]).all()
        assert (off[each.direct] < 1e-4).all()
        assert np.ptp(entropy) > 0.1


@pytest.mark.parametrize("distance", DISTANCES)
def test_no_prediction_called_certain_is_wrong(tiny: Tiny, distance: str) -> None:
    found, direct = both(tiny, DISTANCES[distance], CurveConfig(tol=0.01, audit=0))
    for name, expected in direct.predictions.items():
        each = found.curves[name]
        wrong = each.predictions.top1 != expected.top1
        assert not (wrong & each.certain).any()
        assert not each.direct[each.trusted[None] & np.ones_like(each.direct)].any()


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_band_holds_the_truth(tiny: Tiny, distance: str) -> None:
    found, direct = both(tiny, DISTANCES[distance], CurveConfig(max_nodes=5, audit=0))
    for name, expected in direct.predictions.items():
        each = found.curves[name]
        places = np.searchsorted(each.points, GRID)
        truth = expected.correct.sum(axis=1)
        assert (each.low[places] <= truth).all()
        assert (truth <= each.high[places]).all()
        for row, place in zip(each.rows(), places, strict=True):  # what was run has no band
            low, high = each.low[place] / each.n, each.high[place] / each.n
            band = (row.get("band_low", low), row.get("band_high", high))
            assert band == (low, high)
            assert ("band_low" in row) == (row["method"] == "curve") or low == high
        assert (each.low <= each.hits).all()
        assert (each.hits <= each.high).all()


def test_a_weak_pair_takes_five_nodes_and_a_strong_one_more(tiny: Tiny) -> None:
    weak, _ = both(tiny, DISTANCES["weak"], CurveConfig())
    strong, _ = both(tiny, DISTANCES["strong"], CurveConfig(tol=0.01))
    assert set(weak.curves["test"].nodes) == {5}
    assert max(strong.curves["test"].nodes) == 17
    assert weak.curves["test"].summary()["passes_saved"] > 10


def test_uncertain_predictions_are_evaluated_where_that_is_cheaper_than_nodes(tiny: Tiny) -> None:
    found, direct = both(tiny, DISTANCES["strong"], CurveConfig(audit=0))
    surer, _ = both(tiny, DISTANCES["strong"], CurveConfig(tol=0.01, audit=0))
    each, other = found.curves["test"], surer.curves["test"]
    assert each.note == CHEAPER
    assert each.passes < other.passes
    assert each.exact
    np.testing.assert_array_equal(each.predictions.top1, direct.predictions["test"].top1)


@pytest.mark.parametrize("grid", [GRID, PAPER_ALPHAS], ids=len)
def test_a_barrier_is_said_and_evaluated_directly(
    tiny: Tiny, caplog: pytest.LogCaptureFixture, grid: tuple[float, ...]
) -> None:
    with caplog.at_level(logging.WARNING):
        found, direct = both(tiny, 8.0, CurveConfig(exact=True), grid)
    for name, expected in direct.predictions.items():
        each = found.curves[name]
        rough = int(np.sum(~each.trusted))
        assert rough >= SIZE
        assert each.direct[:, ~each.trusted].all()
        np.testing.assert_array_equal(each.predictions.top1, expected.top1)
        between = np.setdiff1d(np.arange(len(each.points)), np.searchsorted(each.points, grid))
        assert (each.high[between] - each.low[between] >= rough).all()
        assert f"{name}: {rough} of {each.n} examples aren't smooth along alpha" in caplog.text
    assert "a loss barrier?" in caplog.text


def test_alphas_beyond_the_ends_widen_the_nodes(tiny: Tiny) -> None:
    grid = (-0.5, 0.0, 0.4, 1.0, 1.5)
    found, direct = both(tiny, 0.3, CurveConfig(exact=True), grid)
    for name, expected in direct.predictions.items():
        each = found.curves[name]
        assert (each.points[0], each.points[-1]) == (-0.5, 1.5)
        np.testing.assert_array_equal(each.predictions.top1, expected.top1)


def test_the_ends_override_a_wide_polynomial(tiny: Tiny) -> None:
    """Too few nodes for the interval: between them wrong, at 0 and 1 exact nevertheless."""
    config = CurveConfig(max_nodes=5, audit=0, tol=0.99)
    found, direct = both(tiny, 1.0, config, (-1.0, 0.0, 1.0, 2.0))
    for name, expected in direct.predictions.items():
        np.testing.assert_array_equal(found.curves[name].predictions.top1[1:3], expected.top1[1:3])


def test_a_mismatch_of_the_audit_doubles_the_nodes(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An estimate that is far too small: the audit must notice, and more nodes mend it."""
    honest = curve_pass.evaluate_batch

    def reckless(*args: Any) -> Any:
        batch = honest(*args)
        return dataclasses.replace(batch, certain=np.ones_like(batch.certain))

    monkeypatch.setattr(curve_pass, "evaluate_batch", reckless)
    config = CurveConfig(max_nodes=5, audit=1, tol=0.99)
    with caplog.at_level(logging.WARNING):
        found, direct = both(tiny, 2.0, config, GRID[::3])
    assert "reading again with direct evaluation" in caplog.text
    each = found.curves["test"]
    np.testing.assert_array_equal(each.predictions.top1, direct.predictions["test"].top1)
    assert not each.trusted.any()
    ((sampled, mismatches),) = each.audit.failed
    assert 0 < mismatches <= sampled
    assert each.summary()["failed_audits"] == [[sampled, mismatches]]
    assert each.note.startswith("the audit failed at every level")
    assert "a loss barrier?" not in caplog.text


def test_what_an_audit_found_before_more_nodes_is_kept_and_each_reading_draws_anew(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = curve_pass.evaluate_batch
    names: list[tuple[str, int]] = []
    stream = audit_draw.numpy_stream

    def reckless_at_first(job: Any, *args: Any) -> Any:
        batch = honest(job, *args)
        if job.least > 5:
            return batch
        return dataclasses.replace(batch, certain=np.ones_like(batch.certain))

    def recorded(seed: int, name: str, step: int = 0) -> Any:
        names.append((name, step))
        return stream(seed, name, step)

    monkeypatch.setattr(curve_pass, "evaluate_batch", reckless_at_first)
    monkeypatch.setattr(audit_draw, "numpy_stream", recorded)
    found, _ = both(tiny, 2.0, CurveConfig(audit=1, tol=0.99), GRID[::3])
    each = found.curves["test"]
    assert len(each.audit.failed) >= 1
    assert each.audit.mismatches == 0
    assert each.note == ""
    drawn = [name for name in names if "/test" in name[0]]
    assert len(drawn) == len(set(drawn))


def test_the_most_accurate_alpha_may_be_the_best(tiny: Tiny) -> None:
    found, _ = both(tiny, 1.0, CurveConfig(exact=True))
    each = found.predictions["test"]
    most = each.alphas[int(each.correct.sum(axis=1).argmax())]
    assert most in found.possible_best("test")
    assert set(found.possible_best("test")) <= set(GRID)


def test_a_curve_is_repeatable_bit_for_bit(tiny: Tiny) -> None:
    first, _ = both(tiny, 0.3, CurveConfig())
    second, _ = both(tiny, 0.3, CurveConfig())
    for name, one in first.curves.items():
        two = second.curves[name]
        np.testing.assert_array_equal(one.predictions.margin, two.predictions.margin)
        np.testing.assert_array_equal(one.crossings.alpha, two.crossings.alpha)
        np.testing.assert_array_equal(one.direct, two.direct)


def test_eight_devices_give_the_predictions_of_one(tiny: Tiny) -> None:
    one, _ = both(
        tiny,
        0.3,
        CurveConfig(exact=True),
        mesh=jax.sharding.Mesh(
            np.array(jax.devices()[:1]).reshape(1, 1, 1), ("data", "fsdp", "alpha")
        ),
    )
    eight, _ = both(tiny, 0.3, CurveConfig(exact=True), mesh=MeshConfig(data=4, fsdp=2))
    for name, each in one.curves.items():
        np.testing.assert_array_equal(
            each.predictions.correct, eight.curves[name].predictions.correct
        )


def test_crossings_are_where_direct_predictions_change(tiny: Tiny) -> None:
    found, _ = both(tiny, 0.3, CurveConfig(tol=0))
    each = found.curves["test"]
    assert len(each.crossings) > 3
    theta_1 = moved(tiny.theta_0, 0.3)
    data = dataset(45, "test")
    logits = jax.jit(
        lambda alpha, image: tiny.classifier.logits(lerp(tiny.theta_0, theta_1, alpha), image[None])
    )
    for place in range(0, len(each.crossings), 3):
        crossing = {name: values[place] for name, values in each.crossings.arrays().items()}
        image = np.asarray(data.source.read(int(crossing["example"])))
        size = tiny.classifier.preprocess.size
        if image.shape[:2] != (size, size):
            pytest.fail("the test's images are the model's size")
        below, above = (
            int(np.argmax(logits(np.float32(crossing["alpha"] + step), image)[0]))
            for step in (-2e-3, 2e-3)
        )
        assert (below, above) == (crossing["before"], crossing["after"])


@pytest.mark.parametrize(
    ("distance", "config"),
    [
        (0.3, CurveConfig(audit=0)),
        (1.0, CurveConfig(exact=True, tol=0.9, max_nodes=5)),
        (8.0, CurveConfig()),
    ],
)
def test_steps_agree_with_the_tabulated_curve(
    tiny: Tiny, distance: float, config: CurveConfig
) -> None:
    """Also where the model's own answers replace the polynomial's, and past a barrier."""
    found, _ = both(tiny, distance, config)
    each = found.curves["test"]
    labels = each.predictions.labels
    places, hits = each.crossings.steps(int(each.hits[0]), labels)
    index = np.searchsorted(places, each.points, side="right") - 1
    stepped = np.where(index < 0, each.hits[0], hits[np.maximum(index, 0)])
    np.testing.assert_array_equal(stepped, each.hits)


def test_nan_features_are_certain_of_nothing(tiny: Tiny) -> None:
    theta_1 = jax.tree_util.tree_map(np.copy, moved(tiny.theta_0, 0.1))
    theta_1["head"]["kernel"][0, 0] = np.nan
    found = curve(tiny.classifier, tiny.theta_0, theta_1, [dataset(9, "nine")], (0.0, 0.5, 1.0))
    each = found.curves["nine"]
    assert not each.certain[1:].any()
    assert each.predictions.correct[1:].sum() == 0


@pytest.mark.parametrize("exact", [False, True])
def test_steps_and_flips_know_what_is_not_finite(tiny: Tiny, exact: bool) -> None:
    """The head at alpha = 1 is NaN: what is right at 0 is lost, nothing is won, steps add up."""
    theta_1 = jax.tree_util.tree_map(np.copy, moved(tiny.theta_0, 0.1))
    theta_1["head"]["kernel"][0, 0] = np.nan
    ends, data, grid = (tiny.theta_0, theta_1), [dataset(9, "nine")], (0.0, 0.5, 1.0)
    data[0].labels[3] = -1
    config = CurveConfig(exact=exact, audit=0)
    each = curve(tiny.classifier, *ends, data, grid, config=config).curves["nine"]
    direct = sweep(tiny.classifier, *ends, data, grid).predictions["nine"]
    np.testing.assert_array_equal(each.predictions.correct, direct.correct)
    right = int(direct.correct[0].sum())
    assert right > 0
    lost, won = each.crossings.flips(each.predictions.labels)
    assert (len(lost), len(won)) == (right, 0)
    _, hits = each.crossings.steps(int(each.hits[0]), each.predictions.labels)
    assert hits[-1] == each.hits[-1] == 0
    assert each.best()[0] == right


def test_images_that_cannot_be_read_are_left_out(tiny: Tiny, tmp_path: Any) -> None:
    size = tiny.classifier.preprocess.size
    images = np.random.default_rng(0).integers(0, 256, (10, size, size, 3), np.uint8)
    labels = np.arange(10) % 3
    labels[4] = -1
    data = array_dataset(images, labels, NAMES, name="ten", split="test", role="reference")
    found = curve(tiny.classifier, tiny.theta_0, moved(tiny.theta_0, 0.1), [data], GRID)
    assert found.curves["ten"].n == 9
    assert all(row["n"] == 9 for row in found.rows)


def test_the_best_alphas_are_intervals_of_the_continuum(tiny: Tiny) -> None:
    found, _ = both(tiny, 0.3, CurveConfig())
    each = found.curves["test"]
    most, intervals = each.best()
    assert most >= each.hits.max()
    for low, high in intervals:
        inside = (each.points > low) & (each.points < high)
        assert (each.hits[inside] == most).all()


def test_saved_curves_can_be_read_again(tiny: Tiny, tmp_path: Any) -> None:
    found, direct = both(tiny, 0.3, CurveConfig())
    found.save(tmp_path)
    stored = {row["dataset"]: row for row in read_curve_rows(tmp_path)}
    for name, each in found.curves.items():
        assert stored[name]["hits"] == each.hits.tolist()
        assert stored[name]["n"] == each.n
        assert len(stored[name]["lost"]) + len(stored[name]["won"]) <= len(each.crossings)
    direct.save(tmp_path)
    assert read_curve_rows(tmp_path) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("tol", 1.0), ("safety", 0.5), ("points", 1), ("audit", -1.0)],
)
def test_options_out_of_range_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"sweep\.curve\.{field}: expected"):
        CurveConfig(**{field: value})


def test_bfloat16_says_where_its_noise_stops_the_nodes(
    tiny: Tiny, caplog: pytest.LogCaptureFixture
) -> None:
    tower = tiny.classifier.tower.with_dtype("bfloat16")
    low = dataclasses.replace(tiny.classifier, tower=tower)
    ends = tiny.theta_0, moved(tiny.theta_0, 0.05)
    data = [dataset(45, "test")]
    with caplog.at_level(logging.INFO):
        found = curve(low, *ends, data, GRID, config=CurveConfig(tol=0), batch_size=SIZE)
    each = found.curves["test"]
    assert "at the noise floor of rounded products" in caplog.text
    assert each.trusted.all()
    assert (each.certain | each.direct).all()
    assert found.float32 is not None
    assert found.backend is not None


def test_features_then_head_are_the_logits(tiny: Tiny) -> None:
    images = dataset(4, "four").source
    batch = np.stack([np.asarray(images.read(index)) for index in range(4)])
    features = tiny.classifier.features(tiny.theta_0, batch)
    np.testing.assert_array_equal(
        head_logits(tiny.theta_0["head"], features), tiny.classifier.logits(tiny.theta_0, batch)
    )
