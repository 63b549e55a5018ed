"""Ensembles of outputs: against NumPy, exact at ends and ties, and as rows of a stored run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from wiseft_jax.analysis.ensembles import (
    KINDS,
    can_be_mixed,
    ensemble_right,
    ensembles,
    output_ensemble,
    probability_ensemble,
)
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.paired import holm, mcnemar
from wiseft_jax.core.paired_intervals import correlations_of, interval_of_mean, newcombe
from wiseft_jax.evaluation.predictions import Predictions

ALPHAS = (0.0, 0.25, 0.5, 1.0)
MIXERS = {"output": output_ensemble, "probability": probability_ensemble}


def random_logits(seed: int, count: int = 60, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = 3 * rng.normal(size=(2, count, classes)).astype(np.float32)
    return drawn[0], drawn[1]


def stored(name: str, split: str, role: str, seed: int, **changes: Any) -> Predictions:
    """Return predictions whose merged weights are others than the ensemble."""
    ends = random_logits(seed)
    middle = random_logits(seed + 100)
    logits = np.stack([ends[0], middle[0], middle[1], ends[1]])
    labels = np.random.default_rng(seed + 200).integers(0, 5, 60).astype(np.int32)
    labels[:3] = -1
    top1 = logits.argmax(2).astype(np.int32)
    fields = {
        "dataset": name,
        "split": split,
        "role": role,
        "alphas": ALPHAS,
        "top1": top1,
        "correct": (top1 == labels) & (labels >= 0),
        "margin": np.ones(top1.shape, np.float32),
        "labels": labels,
        "ids": tuple(map(str, range(60))),
        "logits": logits,
    }
    return Predictions(**(fields | changes))


def run_of(*sets: Predictions) -> StoredRun:
    rows = [row for each in sets for row in each.rows("abc")]
    return StoredRun(Path("run"), rows, {s.dataset: s for s in sets}, {"alpha": 0.5}, "abc", ())


def test_formulas_against_scipy():
    ends = random_logits(0)
    for alpha in (0.0, 0.3, 1.0):
        exact = [end.astype(np.float64) for end in ends]
        wanted = (1 - alpha) * exact[0] + alpha * exact[1]
        np.testing.assert_allclose(output_ensemble(*ends, alpha), wanted, rtol=1e-14)
        found = probability_ensemble(*ends, alpha)
        wanted = (1 - alpha) * softmax(exact[0], 1) + alpha * softmax(exact[1], 1)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)


def test_an_infinite_logit_of_the_other_end_leaves_an_end_alone():
    ends = random_logits(1)
    ends[1][0, 0] = -np.inf
    np.testing.assert_array_equal(output_ensemble(*ends, 0.0), ends[0])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_right_is_the_largest_of_the_mixture(kind: Any):
    ends, alphas = random_logits(2), np.linspace(0, 1, 21)
    labels = np.random.default_rng(3).integers(0, 5, 60)
    right = ensemble_right(kind, *ends, labels, alphas)
    for alpha, found in zip(alphas, right, strict=True):
        wanted = MIXERS[kind](*ends, alpha).argmax(1) == labels
        np.testing.assert_array_equal(found, wanted)


def test_confident_models_outvote_in_logits_and_count_one_vote_in_probabilities():
    """Logits 100 against 10: the confident one wins in logits; at 0.4 its probability doesn't."""
    logits_0, logits_1 = np.array([[10.0, 0.0]]), np.array([[0.0, 100.0]])
    label = np.array([1])
    assert ensemble_right("output", logits_0, logits_1, label, [0.4]).all()
    assert not ensemble_right("probability", logits_0, logits_1, label, [0.4]).any()


def test_unknown_kinds_and_missing_labels_are_refused():
    ends = random_logits(4)
    with pytest.raises(InputError, match="kind of ensemble"):
        ensemble_right("outputs", *ends, np.zeros(60, int), [0.5])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="labels: expected classes"):
        ensemble_right("output", *ends, np.full(60, -1), [0.5])


def test_rows_of_a_run_against_counting():
    sets = [stored("test", "test", "reference", 5), stored("a", "test", "shift", 6)]
    sets.append(stored("b", "test", "shift", 7))
    rows = ensembles(run_of(*sets), AnalysisOptions(samples=200))
    assert {row["config_hash"] for row in rows} == {"abc"}
    for kind in KINDS:
        gains = []
        for each in sets:
            known = each.labels >= 0
            for place, alpha in enumerate(ALPHAS):
                mixed = MIXERS[kind](each.logits_at(0.0), each.logits_at(1.0), alpha).argmax(1)
                own = (mixed == each.labels)[known]
                merged = each.correct[place][known]
                of = [r for r in rows if (r["dataset"], r["alpha"]) == (each.dataset, alpha)]
                row = next(r for r in of if r["metric"] == f"{kind}_ensemble")
                assert (row["value"], row["n"]) == (own.mean(), 57)
                assert (row["ci_low"], row["ci_high"]) == clopper_pearson(int(own.sum()), 57)
                if alpha in (0.0, 1.0):  # one model, by construction
                    assert np.array_equal(own, merged)
                    assert all("gain" not in r["metric"] for r in of)
                    continue
                gain = next(r for r in of if r["metric"] == f"{kind}_ensemble_gain")
                assert gain["value"] == pytest.approx(own.mean() - merged.mean())
                assert gain["p_value"] == mcnemar(merged, own).p_value
                assert (gain["ci_low"], gain["ci_high"]) == newcombe(merged, own)
                assert gain["ci_low"] < gain["value"] < gain["ci_high"]
                gains.append(gain)
        wanted = holm([each["p_value"] for each in gains])
        assert [each["p_holm"] for each in gains] == wanted.tolist()
        mean = [r for r in rows if r["group"] == "mean of shifts" and kind in r["metric"]]
        assert {row["dataset"] for row in mean} == {None}
        assert [row["alpha"] for row in mean] == [0.25, 0.5]
        for row in mean:
            own = [g["value"] for g in gains if g["role"] == "shift" and g["alpha"] == row["alpha"]]
            assert row["value"] == pytest.approx(np.mean(own))
            assert row["n"] == 2 * 57
            moved, ends = [], []
            for each in sets[1:]:
                known, place = each.labels >= 0, ALPHAS.index(row["alpha"])
                mixed = MIXERS[kind](each.logits_at(0.0), each.logits_at(1.0), row["alpha"])
                pair = each.correct[place][known], (mixed.argmax(1) == each.labels)[known]
                moved.append(pair[1].astype(float) - pair[0])
                ends.append(newcombe(*pair))
            related = correlations_of(moved, ["other", "images"])  # of other labels
            wanted = interval_of_mean([float(d.mean()) for d in moved], ends, related)
            assert (row["ci_low"], row["ci_high"]) == pytest.approx(wanted)
            assert row["ci_low"] < row["value"] < row["ci_high"]


def test_a_set_and_its_copy_are_no_surer_than_one():
    one = stored("a", "test", "shift", 6)
    copy = dataclasses.replace(one, dataset="b")
    gains = [r for r in ensembles(run_of(one, copy)) if r["metric"] == "output_ensemble_gain"]
    for alpha in (0.25, 0.5):
        own, _, mean = (row for row in gains if row["alpha"] == alpha)
        assert (mean["ci_low"], mean["ci_high"]) == pytest.approx((own["ci_low"], own["ci_high"]))


def test_linear_models_gain_nothing():
    """Where logits are linear in alpha the ensemble of logits is the ensemble of weights."""
    each = stored("test", "test", "reference", 8)
    ends = each.logits_at(0.0), each.logits_at(1.0)
    logits = np.stack([output_ensemble(*ends, alpha) for alpha in ALPHAS]).astype(np.float32)
    top1 = logits.argmax(2).astype(np.int32)
    correct = (top1 == each.labels) & (each.labels >= 0)
    linear = stored("test", "test", "reference", 8, logits=logits, top1=top1, correct=correct)
    rows = ensembles(run_of(linear), AnalysisOptions(samples=10))
    gains = [row["value"] for row in rows if row["metric"] == "output_ensemble_gain"]
    assert gains == [0.0, 0.0]  # at the alphas between


def test_sets_that_cant_be_mixed_are_left_out_aloud(caplog: pytest.LogCaptureFixture):
    without = stored("bare", "test", "shift", 9, logits=None)
    other = stored("other", "test", "shift", 10)
    top1 = other.top1.copy()
    top1[0] = 4 - top1[0]
    projected = stored("projected", "test", "shift", 10, top1=top1)
    assert [can_be_mixed(each) for each in (without, other, projected)] == [False, True, False]
    assert "bare: left out, its logits at alpha 0 are not stored" in caplog.text
    assert "projected: left out, its predictions are not the largest" in caplog.text
    rows = ensembles(run_of(without, other, projected), AnalysisOptions(samples=10))
    assert {row["dataset"] for row in rows} == {"other"}
