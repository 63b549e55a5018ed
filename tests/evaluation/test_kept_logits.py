"""Which logits are stored, and that every way of evaluating a set stores the same."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, Tiny, dataset, moved
from wiseft_jax.clip.logit_classifier import LogitClassifier
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.projection import NEVER, Projection
from wiseft_jax.core.softmax import softmax_entropy
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation import kept_logits as choosing
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.kept_logits import (
    end_places,
    kept_logits,
    logit_alphas,
    places_by_call,
    with_kept,
)
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.sweep import SweepResult, sweep
from wiseft_jax.weights.interpolate import lerp

GRID = (0.0, 0.15, 0.5, 0.8, 1.0)
MEMBERS = ((2, 0), (), (1,), (2,))
"""Rows of the head that each class of the projected set has; the logit of one without is 0, and the
last class is never predicted."""
SLOW = pytest.mark.slow


def plain() -> Dataset:
    return dataset(21, "plain")


def projected() -> Dataset:
    """A set whose classes are two of the head's together, one that is 0, one alone, and none."""
    names = ("ends", "nothing", "middle", "never")
    made = Projection.of(MEMBERS, names, NAMES, never=[3])
    return dataclasses.replace(dataset(13, "projected"), class_names=names, projection=made)


def images_of(data: Dataset) -> np.ndarray:
    return np.asarray(data.source.images)  # type: ignore[attr-defined]


def by_hand(tiny: Tiny, theta_1: Any, data: Dataset) -> np.ndarray:
    run = jax.jit(tiny.classifier.logits)
    thetas = [lerp(tiny.theta_0, theta_1, alpha) for alpha in GRID]
    logits = np.stack([np.asarray(run(theta, images_of(data))) for theta in thetas])
    if data.projection is None:
        return logits
    none = np.zeros(logits.shape[:2], np.float32)
    by_class = [logits[..., rows].max(axis=-1) if rows else none for rows in MEMBERS[:-1]]
    by_class.append(np.full_like(none, NEVER))
    return np.stack(by_class, axis=-1)


def ends_of(tiny: Tiny, way: str) -> tuple[Any, Any]:
    """Return an end that a few nodes are enough for, or another head alone."""
    theta_1 = moved(tiny.theta_0, 0.03)
    if way.startswith("linear"):
        theta_1 = {"encoder": tiny.theta_0["encoder"], "head": moved(tiny.theta_1["head"], 0.3)}
    return tiny.theta_0, theta_1


def run(tiny: Tiny, way: str, keep: Any, data: list[Dataset], **options: Any) -> SweepResult:
    args: Any = (tiny.classifier, *ends_of(tiny, way), data, GRID)
    if way == "curve of logits":
        run_logits = tiny.classifier.logits

        def logits(variables: Any, images: Any) -> Any:
            return run_logits(variables, images)

        model = LogitClassifier(NAMES, tiny.classifier.preprocess, logits_fn=logits)
        args = (model, *({"encoder": theta} for theta in args[1:3]), data, GRID)
    if "curve" in way:
        config = CurveConfig(tol=1e-6, audit=0)
        return curve(*args, config=config, batch_size=8, keep_logits=keep, **options)
    return sweep(*args, backend=way, batch_size=8, keep_logits=keep, **options)


def assert_themselves(found: Predictions) -> None:
    """Check that classes, margins and entropies are those of the logits."""
    assert found.logits is not None
    assert found.logits.dtype == np.float32
    for place, alpha in enumerate(found.alphas):
        logits = found.logits_at(alpha)
        ordered = np.sort(logits, axis=1)
        np.testing.assert_array_equal(found.top1[place], logits.argmax(axis=1))
        np.testing.assert_allclose(found.margin[place], ordered[:, -1] - ordered[:, -2], atol=2e-5)
        assert found.entropy is not None
        np.testing.assert_allclose(found.entropy[place], softmax_entropy(logits), atol=1e-5)


QUICK = ("map", "linear", "curve", "linear curve")
WAYS = (*QUICK, "delta", "curve of logits")


@pytest.mark.parametrize(
    ("way", "devices"),
    [
        *((way, 1) for way in QUICK),
        *(pytest.param(way, 1, marks=SLOW) for way in WAYS if way not in QUICK),
        *(pytest.param(way, 8, marks=SLOW) for way in (*WAYS, "vmap", "sharded")),
    ],
)
def test_every_way_stores_the_same_logits(tiny: Tiny, way: str, devices: int) -> None:
    sets = [plain(), projected()]
    found = run(tiny, way, "all", sets, mesh=make_mesh(devices))
    for data in sets:
        predictions = found.predictions[data.name]
        expected = by_hand(tiny, ends_of(tiny, way)[1], data)
        assert predictions.logits is not None
        assert predictions.logit_alphas is None
        assert predictions.logits.shape == expected.shape
        np.testing.assert_allclose(predictions.logits, expected, rtol=0, atol=1e-4)
        assert np.ptp(predictions.logits, axis=0).max() > 1e-2
        assert_themselves(predictions)


@pytest.mark.parametrize("way", [pytest.param("map", marks=SLOW), "curve", "linear curve"])
def test_the_ends_alone_are_those_of_all(tiny: Tiny, way: str, one_device: Any) -> None:
    sets = [plain(), projected()]
    every, ends = (run(tiny, way, keep, sets, mesh=one_device) for keep in ("all", "ends"))
    none = run(tiny, way, "none", sets, mesh=one_device)
    for name, found in ends.predictions.items():
        assert found.logits is not None
        assert found.logit_alphas == (0.0, 1.0)
        assert found.logits.base is None or found.logits.base.nbytes == found.logits.nbytes
        for alpha in (0.0, 1.0):
            expected = every.predictions[name].logits_at(alpha)
            np.testing.assert_array_equal(found.logits_at(alpha), expected)
        np.testing.assert_array_equal(found.top1, every.predictions[name].top1)
        assert none.predictions[name].logits is None
        np.testing.assert_array_equal(found.top1, none.predictions[name].top1)


def test_pairs_that_are_evaluated_have_the_models_own_logits(tiny: Tiny, one_device: Any) -> None:
    data = [dataset(29, "test")]
    options: dict[str, Any] = {"mesh": one_device, "batch_size": 8}
    args: list[Any] = [tiny.classifier, tiny.theta_0, moved(tiny.theta_0, 1.0), data]
    grid = tuple(step / 10 for step in range(11))
    config = CurveConfig(exact=True, max_nodes=5)
    found = curve(*[*args, grid], config=config, keep_logits="all", **options).curves["test"]
    direct = sweep(*[*args, grid], keep_logits="all", **options).predictions["test"]
    assert found.predictions.logits is not None
    assert direct.logits is not None
    assert 0.02 < found.direct.mean() < 0.98
    off = np.abs(found.predictions.logits - direct.logits).max(axis=-1)
    assert off[found.direct].max() < 1e-4
    assert off[[0, -1]].max() < 1e-4
    assert off[~found.direct].max() > 1e-3  # where a polynomial of 5 nodes isn't enough
    assert_themselves(found.predictions)


def test_logits_beyond_the_ends_are_those_of_the_models(tiny: Tiny, one_device: Any) -> None:
    grid = (-0.5, 0.0, 0.4, 1.0, 1.5)
    options: dict[str, Any] = {"mesh": one_device, "batch_size": 8}
    args: Any = (tiny.classifier, *ends_of(tiny, "curve"), [dataset(11, "test")], grid)
    direct = sweep(*args, keep_logits="all", **options).predictions["test"]
    found = curve(*args, config=CurveConfig(tol=1e-6), keep_logits="all", **options)
    for alpha in grid:
        own = found.predictions["test"].logits_at(alpha)
        np.testing.assert_allclose(own, direct.logits_at(alpha), rtol=0, atol=1e-4)
    ends = curve(*args, config=CurveConfig(), keep_logits="ends", **options).predictions["test"]
    assert ends.logit_alphas == (0.0, 1.0)
    np.testing.assert_allclose(ends.logits_at(1.0), direct.logits_at(1.0), atol=1e-5)


def test_ends_may_come_in_different_calls_of_the_step(tiny: Tiny, one_device: Any) -> None:
    grid = tuple(np.linspace(0, 1, 40).tolist())
    args: list[Any] = [tiny.classifier, tiny.theta_0, tiny.theta_1, [dataset(3, "test")]]
    options: Any = {"batch_size": 8, "keep_logits": "ends", "mesh": one_device, "backend": "map"}
    many, few = (sweep(*[*args, alphas], **options).predictions["test"] for alphas in (grid, GRID))
    assert many.logits is not None
    assert few.logits is not None
    assert many.logit_alphas == few.logit_alphas == (0.0, 1.0)
    np.testing.assert_array_equal(many.logits, few.logits)


def test_auto_goes_by_the_size_of_each_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = 4 * len(NAMES)  # bytes of an example at one alpha
    monkeypatch.setattr(choosing, "ALL_BYTES", 10 * one * len(GRID))
    monkeypatch.setattr(choosing, "ENDS_BYTES", 30 * one * 2)
    sets = [dataset(count, f"of {count}") for count in (10, 11, 30, 31)]
    with caplog.at_level(logging.INFO):
        found = kept_logits("auto", GRID, sets)
    assert [*found.values()] == [(0, 1, 2, 3, 4), (0, 4), (0, 4), ()]
    (line,) = caplog.messages
    assert "at every alpha: of 10 (0.00057 MiB); at the ends alone: of 11, of 30 (" in line
    assert "nowhere: of 31 (0 MiB of 0.0018 MiB)" in line
    assert "(sweep.keep_logits auto: up to 0.00057 MiB a set, and for both ends" in line
    assert [*kept_logits("auto", (0.25, 0.5, 0.75), sets[2:]).values()] == [(), ()]


def test_what_is_asked_for_is_kept_whatever_its_size(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choosing, "ALL_BYTES", 0)
    monkeypatch.setattr(choosing, "ENDS_BYTES", 0)
    with caplog.at_level(logging.INFO):
        assert kept_logits("none", GRID, [plain()]) == {"plain": ()}
    assert caplog.messages == []
    with caplog.at_level(logging.INFO):
        assert kept_logits("all", GRID, [plain()]) == {"plain": (0, 1, 2, 3, 4)}
        assert kept_logits("ends", GRID[:3], [plain()]) == {"plain": (0,)}
        assert kept_logits("ends", GRID[1:3], [plain()]) == {"plain": ()}
    assert "ends; neither 0 nor 1 is on the grid" in caplog.messages[-1]


def test_ends_are_found_as_float32_sees_them() -> None:
    assert end_places((-1.0, 0.0, 0.5, 0.9999999999999999)) == (1, 3)
    assert end_places((0.25, 0.5)) == ()
    assert logit_alphas((0, 1), (0.0, 1.0)) is None
    assert logit_alphas((0, 2), (0.0, 0.5, 1.0)) == (0.0, 1.0)


def test_places_are_split_over_the_calls() -> None:
    assert places_by_call((0, 3, 4, 6), [3, 3, 1]) == [[0], [0, 1], [0]]
    assert places_by_call((), [2]) == [[]]


def test_only_what_is_kept_stays_of_a_call() -> None:
    logits = jax.numpy.arange(24.0).reshape(4, 2, 3)
    outputs = {"top1": np.zeros((4, 2)), "logits": logits}
    assert with_kept(outputs, []).keys() == {"top1"}
    np.testing.assert_array_equal(with_kept(outputs, [0, 3])["logits"], logits[np.array([0, 3])])
    assert with_kept(outputs, range(4))["logits"] is logits
