"""Diversity against loops, scikit-learn, scipy, and exact values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics import cohen_kappa_score

from tests.analysis.runs import made_predictions, write_run
from wiseft_jax.analysis.diversity import (
    diversity,
    kappa_complement,
    kappa_interval,
    kl_by_example,
    kl_divergence,
    prediction_diversity,
)
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.jackknife import jackknife

CLASSES = arrays(np.int64, st.shared(st.integers(1, 40), key="n"), elements=st.integers(0, 4))


def by_loop(f: np.ndarray, g: np.ndarray, labels: np.ndarray) -> float:
    pairs = [(a == y, b == y) for a, b, y in zip(f, g, labels, strict=True) if y >= 0]
    return sum(right_f != right_g for right_f, right_g in pairs) / len(pairs)


@given(f=CLASSES, g=CLASSES, labels=CLASSES)
def test_prediction_diversity_is_the_loops_and_symmetric(
    f: np.ndarray, g: np.ndarray, labels: np.ndarray
):
    value = prediction_diversity(f, g, labels)
    assert value == pytest.approx(by_loop(f, g, labels))
    assert value == prediction_diversity(g, f, labels)
    assert prediction_diversity(f, f, labels) == 0
    assert value <= np.mean(f != g) + 1e-12  # only where they disagree


def test_prediction_diversity_exactly():
    labels = np.array([0, 1, 2, 3, -1])
    f, g = np.array([0, 1, 0, 0, 0]), np.array([0, 0, 2, 1, 1])
    assert prediction_diversity(f, g, labels) == 0.5
    with pytest.raises(InputError, match="expected at least one, found none"):
        prediction_diversity(f, g, np.full(5, -1))


@given(f=CLASSES, g=CLASSES)
def test_kappas_complement_is_scikit_learns(f: np.ndarray, g: np.ndarray):
    value = kappa_complement(f, g)
    if len(np.unique([f, g])) == 1:
        assert value == 0
    else:
        assert value == pytest.approx(1 - cohen_kappa_score(f, g))
    assert value == pytest.approx(kappa_complement(g, f))
    assert kappa_complement(f, f) == 0
    assert value >= 0


def test_kappas_complement_exactly():
    assert kappa_complement(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])) == 1.0
    assert kappa_complement(np.array([0, 1]), np.array([1, 0])) == 2.0  # never, where chance is 1/2
    assert kappa_complement(np.array([2, 2]), np.array([2, 2])) == 0.0  # p_e = p_o = 1
    # p_o = 35 / 50, p_e = 1 / 2: kappa = 0.4 (the textbook example).
    f = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    g = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert kappa_complement(f, g) == pytest.approx(0.6)
    with pytest.raises(InputError, match="found none"):
        kappa_complement(np.zeros(0, int), np.zeros(0, int))


def test_kappas_interval_is_nearly_the_jackknifes():
    rng = np.random.default_rng(0)
    f = rng.integers(3, size=300)
    g = np.where(rng.random(300) < 0.7, f, rng.integers(3, size=300))
    whole = jackknife(lambda places: 1 - float(cohen_kappa_score(f[places], g[places])), 300)
    value, interval = kappa_interval(f, g)
    assert value == pytest.approx(whole.value)
    assert interval == pytest.approx((whole.low, whole.high), abs=2e-3)
    assert kappa_interval(np.array([1, 1]), np.array([1, 1])) == (0.0, None)


def test_kl_is_scipys_and_not_symmetric():
    rng = np.random.default_rng(0)
    f, g = 20 * rng.normal(size=(2, 50, 6)).astype(np.float32)
    wanted = entropy(softmax(f.astype(float), axis=1), softmax(g.astype(float), axis=1), axis=1)
    assert kl_by_example(f, g) == pytest.approx(wanted)
    assert kl_divergence(f, g) == pytest.approx(wanted.mean())
    assert kl_divergence(f, g) != pytest.approx(kl_divergence(g, f))


@given(
    f=arrays(np.float64, (3, 4), elements=st.floats(-30, 30)),
    g=arrays(np.float64, (3, 4), elements=st.floats(-30, 30)),
    shift=st.floats(-100, 100),
)
def test_kl_is_no_less_than_0_and_blind_to_a_shift(f: np.ndarray, g: np.ndarray, shift: float):
    assert (kl_by_example(f, g) >= 0).all()
    assert kl_by_example(f, f + shift) == pytest.approx(np.zeros(3), abs=1e-9)


def test_kl_exactly_and_what_it_refuses():
    f = np.log(np.array([[0.5, 0.5]]))
    g = np.log(np.array([[0.9, 0.1]]))
    assert kl_divergence(f, g) == pytest.approx(0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1))
    never = np.array([[0.0, 0.0, -1e10]])
    assert kl_divergence(never, never + 1) == pytest.approx(0)
    with pytest.raises(InputError, match="expected finite numbers"):
        kl_divergence(np.array([[0.0, np.nan]]), f)
    with pytest.raises(InputError, match="found none"):
        kl_divergence(f[:0], f[:0])


def test_the_analysis_counts_labelled_examples_and_pairs(tmp_path: Path):
    predictions = made_predictions("night", 45, role="shift", unlabelled=5)
    run = StoredRun.load(write_run(tmp_path, [predictions]))
    rows = diversity(run, AnalysisOptions())
    ends = [row for row in rows if row["group"] == "zero_shot/fine_tuned"]
    found = {row["metric"]: row for row in ends}
    f, g = predictions.top1[0], predictions.top1[4]
    counted = predictions.labels >= 0
    assert found["prediction_diversity"]["value"] == by_loop(f, g, predictions.labels)
    assert {row["n"] for row in rows} == {40}
    assert found["kappa_complement"]["value"] == pytest.approx(
        1 - cohen_kappa_score(f[counted], g[counted])
    )
    assert predictions.logits is not None
    assert found["kl_divergence"]["value"] == pytest.approx(
        kl_divergence(predictions.logits[0][counted], predictions.logits[4][counted])
    )
    groups = {row["group"] for row in rows if row["metric"] == "kl_divergence"}
    assert len(groups) == 6  # three pairs, both ways
    assert len({row["group"] for row in rows if row["metric"] == "prediction_diversity"}) == 3


def test_an_end_that_is_chosen_is_not_a_model_of_its_own(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path, chosen=1.0))
    rows = diversity(run, AnalysisOptions())
    groups = {row["group"] for row in rows if row["metric"] == "prediction_diversity"}
    assert groups == {"zero_shot/fine_tuned"}


def test_divergences_leave_out_examples_without_finite_logits(tmp_path: Path):
    predictions = made_predictions("test", 30)
    assert predictions.logits is not None
    predictions.logits[0, :3] = np.nan
    rows = diversity(StoredRun.load(write_run(tmp_path, [predictions])), AnalysisOptions())
    n = {row["group"]: row["n"] for row in rows if row["metric"] == "kl_divergence"}
    assert n["zero_shot/fine_tuned"] == 27
    assert n["merged/fine_tuned"] == 30
