"""Calibration against loops, scikit-learn, scipy, and exact values."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss

from tests.analysis.runs import CLASSES, made_predictions, write_run
from wiseft_jax.analysis.calibration import (
    best_temperature,
    calibration,
    calibration_error_interval,
    expected_calibration_error,
    probability_scores,
)
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.errors import InputError


def by_loop(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    edges = np.linspace(0, 1, bins + 1)
    error = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if low == 0:
            inside |= confidence == 0
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return error


COUNT = st.shared(st.integers(1, 60), key="n")


@given(
    confidence=arrays(np.float64, COUNT, elements=st.floats(0, 1)),
    correct=arrays(np.bool_, COUNT),
    bins=st.integers(1, 20),
)
def test_the_error_is_the_loops(confidence: np.ndarray, correct: np.ndarray, bins: int):
    near = np.abs(confidence * bins - np.rint(confidence * bins)) < 1e-9
    confidence = np.where(near, 0.4999 / bins, confidence)  # rounding decides at an edge
    value = expected_calibration_error(confidence, correct, bins)
    assert value == pytest.approx(by_loop(confidence, correct, bins))
    assert abs(confidence.mean() - correct.mean()) - 1e-12 <= value <= 1
    if bins == 1:
        assert value == pytest.approx(abs(confidence.mean() - correct.mean()))


def test_the_error_exactly():
    assert expected_calibration_error(np.array([0.9, 0.9]), np.array([True, False])) == (
        pytest.approx(0.4)
    )
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == 0
    # 0.2 is the upper edge of the third of 15 bins, with 0.15; 0.21 is in the next.
    confidence, correct = np.array([0.2, 0.15, 0.21]), np.array([True, False, False])
    assert expected_calibration_error(confidence, correct) == pytest.approx((0.65 + 0.21) / 3)
    for wrong in (np.zeros(0), np.array([1.5]), np.array([np.nan])):
        with pytest.raises(InputError, match="confidence: expected"):
            expected_calibration_error(wrong, np.ones(len(wrong), bool))
    with pytest.raises(InputError, match="bins: expected at least 1"):
        expected_calibration_error(np.ones(1), np.ones(1, bool), 0)


def test_the_errors_interval_is_the_plain_bootstraps():
    rng = np.random.default_rng(0)
    confidence = rng.beta(5, 2, size=400)
    correct = rng.random(400) < confidence - 0.25
    low, high = calibration_error_interval(confidence, correct, samples=4000, seed=0, stream="x")
    drawn = []
    for _ in range(600):
        pick = rng.integers(400, size=400)
        drawn.append(by_loop(confidence[pick], correct[pick]))
    value = by_loop(confidence, correct)
    wanted = 2 * value - np.quantile(drawn, [0.975, 0.025])
    assert (low, high) == pytest.approx(wanted, abs=0.008)


@pytest.mark.parametrize(("shift", "least"), [(0.0, 0.95), (0.05, 0.85)])
def test_the_errors_interval_covers_it_also_where_it_is_0(shift: float, least: float):
    rng = np.random.default_rng(2)
    covered = []
    for repetition in range(100):
        confidence = rng.beta(8, 1, size=500)
        correct = rng.random(500) < np.maximum(confidence - shift, 0)
        low, high = calibration_error_interval(
            confidence, correct, samples=200, seed=repetition, stream="coverage"
        )
        covered.append(low <= shift <= high)
    assert np.mean(covered) >= least


def test_scores_are_scikit_learns():
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(80, 5)).astype(np.float32)
    labels = rng.integers(5, size=80)
    p = softmax(logits.astype(float) / 1.7, axis=1)
    found = probability_scores(logits, labels, logits.argmax(1) == labels, 1.7)
    assert found.nll.mean() == pytest.approx(log_loss(labels, p, labels=range(5)))
    assert found.brier == pytest.approx(((p - np.eye(5)[labels]) ** 2).sum(axis=1))
    assert found.confidence == pytest.approx(p.max(axis=1))


def test_classes_that_are_never_predicted_have_no_share():
    logits = np.array([[1.0, 0.0, -1e10]], np.float32)
    found = probability_scores(logits, np.array([0]), np.array([True]))
    assert found.confidence[0] == pytest.approx(1 / (1 + np.exp(-1.0)))
    temperature, _ = best_temperature(np.repeat(logits, 4, 0), np.array([0, 0, 0, 1]))
    assert temperature == pytest.approx(1 / np.log(3))


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0, 100.0])
def test_the_best_temperature_is_scipys(scale: float):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(200, 4))
    labels = np.array([rng.choice(4, p=softmax(2 * row)) for row in logits])
    logits = (scale * logits).astype(np.float32)

    def loss(log_t: float) -> float:
        return log_loss(labels, softmax(logits.astype(float) / np.exp(log_t), axis=1))

    wanted = np.exp(minimize_scalar(loss, bracket=(-2, 5), tol=1e-10).x)
    value, interval = best_temperature(logits, labels)
    assert value == pytest.approx(wanted, rel=1e-5)
    assert interval is not None
    assert interval[0] < scale / 2 < interval[1]  # the truth


def test_the_temperatures_interval_covers():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(80):
        logits = rng.normal(size=(60, 3))
        labels = np.array([rng.choice(3, p=softmax(row / 0.5)) for row in logits])
        interval = best_temperature(logits, labels)[1]
        assert interval is not None
        covered.append(interval[0] <= 0.5 <= interval[1])
    assert 0.88 <= np.mean(covered) <= 1.0


def test_extreme_temperatures_have_no_interval():
    logits = np.array([[2.0, 0.0], [1.0, 0.0]])
    cold, none = best_temperature(logits, np.array([0, 0]))
    assert cold < 1e-4
    assert none is None
    hot, none = best_temperature(logits, np.array([1, 1]))
    assert hot > 1e4
    assert none is None
    with pytest.raises(InputError, match="found none"):
        best_temperature(logits[:0], np.zeros(0, int))


def test_the_analysis(tmp_path: Path):
    sets = [
        made_predictions("validation", 60, split="validation", signal=(1.0, 2.0)),
        made_predictions("sketch", 45, role="shift", unlabelled=5),
    ]
    run = StoredRun.load(write_run(tmp_path, sets))
    rows = calibration(run, AnalysisOptions(samples=200))
    found = {(row["dataset"], row["metric"], row["alpha"]): row for row in rows}
    held, sketch = sets
    assert held.logits is not None
    assert sketch.logits is not None
    logits, labels = sketch.logits[1, 5:], sketch.labels[5:]
    p = softmax(logits.astype(float), axis=1)
    assert found["sketch", "nll", 0.25]["value"] == pytest.approx(
        log_loss(labels, p, labels=range(len(CLASSES)))
    )
    assert found["sketch", "nll", 0.25]["n"] == 40
    right = p.argmax(axis=1) == labels
    assert found["sketch", "ece", 0.25]["value"] == pytest.approx(by_loop(p.max(axis=1), right))
    by = best_temperature(held.logits[1], held.labels)[0]
    assert found["validation", "temperature", 0.25]["value"] == by
    scaled = softmax(logits.astype(float) / by, axis=1)
    assert found["sketch", "ece_scaled", 0.25]["value"] == pytest.approx(
        by_loop(scaled.max(axis=1), right)
    )
    assert ("validation", "ece_scaled", 0.25) not in found  # fitted there: no test
    assert len(rows) == 5 * (4 + 6)


def test_examples_without_finite_logits_are_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    predictions = made_predictions("test", 30)
    assert predictions.logits is not None
    predictions.logits[2, :4] = np.inf
    rows = calibration(StoredRun.load(write_run(tmp_path, [predictions])), AnalysisOptions())
    n = {row["alpha"]: row["n"] for row in rows}
    assert (n[0.5], n[0.25]) == (26, 30)
    assert "the logits of 4 examples are not finite at alpha 0.5" in caplog.text
