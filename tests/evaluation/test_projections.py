"""Every way of evaluating a projected set, against NumPy's maximum over the mapped logits."""

from __future__ import annotations

import dataclasses
import functools
import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jaxtyping import Float
from PIL import Image

from tests.evaluation.conftest import moved
from tests.helpers.tiny import tiny_clip, tiny_images
from wiseft_jax.clip.classifier import Classifier, make_classifier
from wiseft_jax.clip.logit_classifier import LogitClassifier
from wiseft_jax.clip.towers import VISION_KEYS
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.projection import NO_CLASS, Projection
from wiseft_jax.core.scoring import SetScoring
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.data.transforms import EvalTransform
from wiseft_jax.evaluation.candidates import Candidate
from wiseft_jax.evaluation.comparison import evaluate_models
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.curve_result import Curve
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.evaluation.per_example import predictors
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.evaluation.racing import race
from wiseft_jax.evaluation.racing_live import LiveRace
from wiseft_jax.evaluation.racing_models import LiveModels
from wiseft_jax.evaluation.sweep import sweep
from wiseft_jax.weights.interpolate import lerp

HEAD = tuple(f"row {number}" for number in range(12))
SIZE, COUNT = 16, 40
GRID = (0.0, 0.2, 0.5, 0.75, 1.0)
CLEAR = 2e-4
"""Back-ends agree within rounding: on predictions whose margin is above this."""
KINDS: dict[str, dict[str, Any]] = {
    "subset": {"members": [[7], [2], [11], [0]]},
    "max": {"members": [[5, 1], [3], [0, 4, 9, 10]]},
    "with a logit that is 0, and a class that is never": {
        "members": [[5, 1], [], [8, 9], [6, 11]],
        "never": [3],
    },
    "among all rows": {"members": [[5, 1, 2], [3], [0, 4]], "all_rows": True},
}


@dataclasses.dataclass
class Ends:
    classifier: Classifier
    theta_0: Any
    theta_1: Any
    known: dict[Any, np.ndarray] = dataclasses.field(default_factory=dict)

    def logits(self, dataset: Dataset, alpha: float) -> Float[np.ndarray, "N K"]:
        key = dataset.name, alpha
        if key not in self.known:
            theta = lerp(self.theta_0, self.theta_1, alpha)
            self.known[key] = np.asarray(self.run(theta, pixels(self.classifier)))
        return self.known[key]

    @functools.cached_property
    def run(self) -> Any:
        return jax.jit(self.classifier.logits)


def pixels(classifier: Classifier) -> np.ndarray:
    transform = EvalTransform(classifier.preprocess)
    return np.stack([transform(Image.fromarray(image)) for image in tiny_images(COUNT)])


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    clip = tiny_clip(tmp_path_factory.mktemp("clip"), vision_layers=1)
    kernel = np.random.default_rng(1).standard_normal((16, len(HEAD))).astype(np.float32)
    encoder = {key: clip.params[key] for key in VISION_KEYS}
    classifier = make_classifier(clip, HEAD, ("{}",))
    # Features of random weights are much alike: without their mean, classes differ.
    run = jax.jit(classifier.features)
    features = np.array(run({"encoder": encoder}, pixels(classifier)))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    bias = -(features.mean(axis=0) @ (30 * kernel)).astype(np.float32)
    theta_0 = {"encoder": encoder, "head": {"kernel": 30 * kernel, "bias": bias}}
    return Ends(classifier, theta_0, moved(theta_0, 0.3))


def projected(kind: str, **options: Any) -> Dataset:
    facts = KINDS[kind]
    names = tuple(f"class {label}" for label in range(len(facts["members"])))
    made = Projection.of(class_names=names, head_names=HEAD, **facts)
    labels = np.random.default_rng(7).integers(0, len(names), COUNT)
    labels[3] = -1
    data = array_dataset(tiny_images(COUNT), labels, names, name=kind)
    return dataclasses.replace(data, projection=made, **options)


def by_class(kind: str, logits: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N C"]:
    """The logits of the classes; of all rows together, no class's are the last."""
    facts = KINDS[kind]
    found = np.full((len(logits), len(facts["members"])), -1e10)
    for label, rows in enumerate(facts["members"]):
        if label not in facts.get("never", ()):
            found[:, label] = logits[:, rows].max(axis=1) if rows else 0
    if not facts.get("all_rows"):
        return found
    free = [row for row in range(len(HEAD)) if not any(row in own for own in facts["members"])]
    return np.concatenate([found, logits[:, free].max(axis=1, keepdims=True)], axis=1)


def expected(kind: str, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class, margin and entropy, from the logits of the classes."""
    z = by_class(kind, logits).astype(np.float64)
    top1 = z.argmax(axis=1)
    ordered = np.sort(z, axis=1)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    entropy = -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=1)
    lost = top1 == len(KINDS[kind]["members"])
    return np.where(lost, NO_CLASS, top1), ordered[:, -1] - ordered[:, -2], entropy


def check(kind: str, ends: Ends, data: Dataset, found: Any, atol: float = 1e-4) -> None:
    for place, alpha in enumerate(found.alphas):
        top1, margin, entropy = expected(kind, ends.logits(data, alpha))
        clear = margin > CLEAR
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(found.top1[place][clear], top1[clear])
        np.testing.assert_allclose(found.margin[place], margin, atol=atol)
        np.testing.assert_allclose(found.entropy[place], entropy, atol=atol)
        right = (top1 == data.labels) & (data.labels >= 0)
        np.testing.assert_array_equal(found.correct[place][clear], right[clear])
    assert len(np.unique(found.top1)) >= 3


SLOWLY = [pytest.param(backend, marks=pytest.mark.slow) for backend in ("vmap", "sharded")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["map", "delta", *SLOWLY])
def test_back_ends_predict_the_greatest_class(ends: Ends, kind: str, backend: str):
    data = projected(kind)
    options = {"batch_size": SIZE, "backend": backend, "keep_logits": True}
    args = (ends.classifier, ends.theta_0, ends.theta_1)
    found = sweep(*args, [data], GRID, **options).predictions[kind]
    check(kind, ends, data, found)
    logits = found.logits
    assert logits is not None
    assert logits.shape == (len(GRID), COUNT, len(data.class_names))
    own = by_class(kind, ends.logits(data, GRID[1]))[:, : len(data.class_names)]
    np.testing.assert_allclose(logits[1], own, atol=1e-4)


def head_only(ends: Ends) -> Ends:
    theta_1 = ends.theta_0 | {"head": ends.theta_1["head"]}
    return Ends(ends.classifier, ends.theta_0, theta_1)


@pytest.mark.parametrize("kind", KINDS)
def test_lines_of_a_head_predict_the_greatest_class(ends: Ends, kind: str):
    pair, data = head_only(ends), projected(kind)
    args = (pair.classifier, pair.theta_0, pair.theta_1, [data])
    found = sweep(*args, GRID, backend="linear", batch_size=SIZE).predictions[kind]
    check(kind, pair, data, found)
    exact = curve(*args, GRID, batch_size=SIZE).curves[kind]
    check(kind, pair, data, exact.predictions)
    assert exact.certain.all()
    check_continuum(kind, pair, data, exact)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exact", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_continuous_curves_predict_the_greatest_class(ends: Ends, kind: str, exact: bool):
    data = projected(kind)
    args = (ends.classifier, ends.theta_0, ends.theta_1, [data], GRID)
    found = curve(*args, config=CurveConfig(exact=exact), batch_size=SIZE).curves[kind]
    sure = found.certain | found.direct
    assert sure.mean() > 0.9
    assert sure.all() or not exact
    for place, alpha in enumerate(GRID):
        top1, margin, _ = expected(kind, ends.logits(data, alpha))
        clear = sure[place] & (margin > CLEAR)
        np.testing.assert_array_equal(found.predictions.top1[place][clear], top1[clear])
        off = np.abs(found.predictions.margin[place] - margin)
        assert (off <= 2 * found.estimate + 1e-4).all()
    check_continuum(kind, ends, data, found)


def check_continuum(kind: str, ends: Ends, data: Dataset, found: Curve) -> None:
    """Follow each example's changes, and compare with the class at points between them."""
    crossings, labels = found.crossings, data.labels
    assert len(crossings) > 3
    assert (crossings.before != crossings.after).all()
    places = np.linspace(0.03, 0.97, 7)
    for alpha in places:
        top1, margin, _ = expected(kind, ends.logits(data, alpha))
        below = [np.flatnonzero(crossings.example == example) for example in range(COUNT)]
        at = []
        for example, own in enumerate(below):
            passed = own[crossings.alpha[own] < alpha]
            if len(passed):
                at.append(crossings.after[passed[-1]])
            elif len(own):
                at.append(crossings.before[own[0]])
            else:
                at.append(found.predictions.top1[0, example])
        clear = margin > 2 * found.estimate + 1e-3
        np.testing.assert_array_equal(np.array(at)[clear], top1[clear])
        steps, hits = crossings.steps(int(found.hits[0]), labels)
        counted = int(hits[np.searchsorted(steps, alpha) - 1]) if (steps < alpha).any() else None
        right = (top1 == labels) & (labels >= 0)
        if counted is not None:
            assert abs(counted - int(right.sum())) <= int(np.sum(~clear))


def test_swaps_between_rows_of_a_class_are_no_flips(ends: Ends):
    names = ("all", "one")
    made = Projection.of([list(range(11)), [11]], names, HEAD)
    data = array_dataset(tiny_images(COUNT), np.zeros(COUNT, np.int32), names, name="merged")
    data = dataclasses.replace(data, projection=made)
    args = (ends.classifier, ends.theta_0, ends.theta_1)
    found = curve(*args, [data], GRID, batch_size=SIZE).curves["merged"]
    rows = array_dataset(tiny_images(COUNT), np.zeros(COUNT, np.int32), HEAD, name="rows")
    apart = curve(*args, [rows], GRID, batch_size=SIZE).curves["rows"]
    between = apart.crossings
    kept = (between.before == 11) != (between.after == 11)
    assert 0 < kept.sum() < len(between) / 2
    np.testing.assert_allclose(found.crossings.alpha, between.alpha[kept], atol=1e-6)


@pytest.mark.slow
def test_curves_of_logits_predict_the_greatest_class(ends: Ends):
    def logits_fn(params: Any, images: Any) -> Any:
        return ends.classifier.logits(params, images)

    preprocess = ends.classifier.preprocess
    classifier = LogitClassifier(class_names=HEAD, preprocess=preprocess, logits_fn=logits_fn)
    pair = Ends(classifier, {"encoder": ends.theta_0}, {"encoder": ends.theta_1})
    for kind in ("max", "with a logit that is 0, and a class that is never"):
        data = projected(kind)
        args = (classifier, pair.theta_0, pair.theta_1, [data], GRID)
        found = curve(*args, batch_size=SIZE).curves[kind]
        check_continuum(kind, pair, data, found)


@pytest.mark.parametrize("kind", ["max", "among all rows"])
def test_single_models_and_single_images_predict_the_greatest_class(ends: Ends, kind: str):
    data = projected(kind)
    alone = evaluate(ends.classifier, ends.theta_0, data, batch_size=SIZE)
    check(kind, ends, data, alone)
    models = [Candidate("a", ends.classifier, ends.theta_0)]
    models.append(Candidate("b", ends.classifier, ends.theta_1))
    both = evaluate_models(models, data, batch_size=SIZE)
    np.testing.assert_array_equal(both[0].top1, alone.top1)
    wanted, margin, _ = expected(kind, ends.logits(data, 1.0))
    clear = margin > CLEAR
    np.testing.assert_array_equal(both[1].top1[0][clear], wanted[clear])
    args = (ends.classifier, ends.theta_0, ends.theta_1)
    found = predictors(*args, {kind: data}, batch_size=SIZE)[kind](np.ones(COUNT))
    np.testing.assert_array_equal(found[clear], wanted[clear])


def test_races_count_the_greatest_class(ends: Ends):
    data = projected("max")
    args = (ends.classifier, ends.theta_0, ends.theta_1)
    swept = sweep(*args, [data], GRID, backend="map", batch_size=SIZE).predictions["max"]
    live = LiveRace(*args, data, GRID)
    everything = RaceConfig(neighbours=False, confidence=0.999999)
    found = race(live, len(GRID), live.order(seed=0), everything)
    assert found.hits[found.winner] == swept.correct.sum(axis=1).max()
    models = [Candidate(f"{at:g}", ends.classifier, lerp(*args[1:], at)) for at in (0.0, 1.0)]
    others = LiveModels(models, data, batch_size=SIZE)
    result = race(others, 2, others.order(seed=0), everything)
    np.testing.assert_array_equal(result.hits, swept.correct[[0, -1]].sum(axis=1))


def test_a_logit_that_is_not_finite_counts_where_its_row_does(ends: Ends):
    kernel = np.array(ends.theta_0["head"]["kernel"])
    kernel[:, 2] = np.nan  # a row that no class of "max" has
    broken = ends.theta_0 | {"head": {**ends.theta_0["head"], "kernel": kernel}}
    data = projected("max")
    found = evaluate(ends.classifier, broken, data, batch_size=SIZE)
    whole = evaluate(ends.classifier, ends.theta_0, data, batch_size=SIZE)
    np.testing.assert_array_equal(found.correct, whole.correct)
    np.testing.assert_array_equal(found.margin, whole.margin)
    lost = evaluate(ends.classifier, broken, projected("subset"), batch_size=SIZE)
    assert lost.entropy is not None
    assert not lost.correct.any()
    assert np.isnan(lost.margin).all()
    np.testing.assert_allclose(lost.entropy, np.log(4), rtol=1e-6)


@pytest.mark.parametrize("how", ["direct", "curve", "lines"])
def test_another_class_that_is_right_too_counts_as_the_label(ends: Ends, how: str):
    pair = head_only(ends) if how == "lines" else ends
    plain = projected("max")
    accepted = tuple(
        (int(label), 1) if at % 2 else (int(label),) for at, label in enumerate(plain.labels)
    )
    data = dataclasses.replace(plain, accepted=accepted)
    args = (pair.classifier, pair.theta_0, pair.theta_1, [data], GRID)
    result = sweep(*args, batch_size=SIZE, backend="map")
    if how != "direct":
        result = curve(*args, batch_size=SIZE, config=CurveConfig(exact=True))
    found = result.predictions["max"]
    for place, alpha in enumerate(GRID):
        top1, margin, _ = expected("max", pair.logits(data, alpha))
        right = [
            p in own and data.labels[at] >= 0
            for at, (p, own) in enumerate(zip(top1, accepted, strict=True))
        ]
        clear = margin > CLEAR
        np.testing.assert_array_equal(found.correct[place][clear], np.array(right)[clear])
        np.testing.assert_array_equal(
            found.correct[place], found.top1[place] == np.where(data.labels < 0, -9, data.labels)
        )
    if how != "direct":
        each = result.curves["max"]
        places = np.searchsorted(each.points, GRID)
        np.testing.assert_array_equal(each.hits[places], found.correct.sum(axis=1))
        _, hits = each.crossings.steps(int(each.hits[0]), data.labels)
        assert hits[-1] == each.hits[-1]


def test_rows_have_each_metric_and_curves_a_band(ends: Ends):
    groups = np.arange(COUNT, dtype=np.int32) % 3
    sets = tuple(np.arange(start, start + 4) for start in range(4, COUNT, 4))
    scoring = SetScoring(("worst_region", "pm0", "pm10", "macro_f1"), ("x", "y", "z"), groups, sets)
    data = projected("max", scoring=scoring)
    args = (ends.classifier, ends.theta_0, ends.theta_1, [data], GRID)
    direct = sweep(*args, batch_size=SIZE, backend="map")
    found = curve(*args, batch_size=SIZE, config=CurveConfig(exact=True))
    for result in (direct, found):
        metrics = [row["metric"] for row in result.rows]
        assert {name: metrics.count(name) for name in metrics} == dict.fromkeys(
            ("top1", "worst_region", "pm0", "pm10", "macro_f1"), len(GRID)
        )
        for row in result.rows:
            each = result.predictions["max"]
            right = each.correct[GRID.index(row["alpha"])]
            if row["metric"] == "pm10":
                assert row["value"] == np.mean([right[own].all() for own in sets])
                assert row["n"] == len(sets)
            if row["metric"] == "worst_region":
                counted = data.labels >= 0
                shares = [right[counted & (groups == group)].mean() for group in range(3)]
                assert row["value"] == min(shares)
                assert row.get("group") == "xyz"[int(np.argmin(shares))]
    loose = CurveConfig(safety=30, tol=0.95, audit=0)
    unsure = curve(*args, batch_size=SIZE, config=loose).curves["max"]
    banded = [row for row in unsure.rows() if row["method"] == "curve"]
    assert banded
    for row in banded:
        assert row["metric"] != "macro_f1"
        assert row.get("band_low", 2.0) <= row["value"] <= row.get("band_high", -1.0)
    whole = [row for row in banded if row["metric"] == "pm10"]
    assert any(row.get("band_low", 2.0) < row.get("band_high", -1.0) for row in whole)


def test_a_projection_from_other_classes_is_refused(ends: Ends):
    data = projected("max")
    other = dataclasses.replace(ends.classifier, class_names=tuple(reversed(HEAD)))
    with pytest.raises(InputError, match="mapped from those of another classifier"):
        evaluate(other, ends.theta_0, data)


def test_frames_that_cannot_be_read_take_their_sets_with_them(
    ends: Ends, caplog: pytest.LogCaptureFixture
):
    sets = (np.array([0, 1, 2]), np.array([4, 5]), np.array([6]))
    data = projected("max", scoring=SetScoring(("pm0", "pm10"), frame_sets=sets))
    kept = data.subset(np.delete(np.arange(COUNT), 5))
    with caplog.at_level(logging.WARNING):
        found = evaluate(ends.classifier, ends.theta_0, kept, batch_size=SIZE)
    assert "max: 1 of 3 sets of frames aren't whole" in caplog.text
    rows = {row["metric"]: row for row in found.rows()}
    whole = [found.correct[0][[0, 1, 2]].all(), found.correct[0][5]]
    assert (rows["pm10"]["value"], rows["pm10"]["n"]) == (np.mean(whole), 2)


def test_stored_predictions_have_the_scoring(ends: Ends, tmp_path: Path):
    groups = np.arange(COUNT, dtype=np.int32) % 2
    scoring = SetScoring(("worst_region", "pm10"), ("x", "y"), groups, (np.arange(4, 8),))
    data = projected("among all rows", scoring=scoring)
    found = evaluate(ends.classifier, ends.theta_0, data, batch_size=SIZE)
    again = Predictions.load(found.save(tmp_path))
    assert again.rows("h") == found.rows("h")
    assert len(again.rows()) == 3
    np.testing.assert_array_equal(again.top1, found.top1)
