"""Both observations and the barriers, against loops and a plain bootstrap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest
from sklearn.metrics import log_loss

from tests.analysis.runs import ALPHAS, made_predictions, predictions_of, write_run
from wiseft_jax.analysis.landscape import along_the_line, landscape
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError


def rows_of(tmp_path: Path, *sets, **options) -> dict[tuple[str, float | None], AnalysisRow]:
    run = StoredRun.load(write_run(tmp_path, list(sets)))
    rows = along_the_line(run, AnalysisOptions(**options))
    return {(row["metric"], row["alpha"]): row for row in rows}


def of_right(right: np.ndarray):
    """Return predictions that are right where an array says so."""
    labels = np.zeros(right.shape[1], np.int32)
    logits = np.zeros((*right.shape, 2), np.float32)
    logits[..., 0] = np.where(right, 1, -1)
    return predictions_of("test", logits, labels, ALPHAS, keep_logits=False)


def test_exact_values():
    found = landscape(
        np.array([-0.5, 0.0, 0.25, 0.5, 1.0, 1.5]),
        np.array([0.0, 0.6, 0.5, 0.9, 0.8, 0.0]),
        higher_is_better=True,
    )
    assert found.alphas.tolist() == [0, 0.25, 0.5, 1]
    assert found.gains == pytest.approx([0, -0.15, 0.2, 0])
    assert (found.barrier, found.barrier_alpha) == pytest.approx((0.15, 0.25))
    loss = landscape(np.array([0, 0.5, 1]), np.array([1.0, 3.0, 2.0]), higher_is_better=False)
    assert (loss.barrier, loss.barrier_alpha) == (1.5, 0.5)
    for alphas in ([0.0, 0.5], [0.5, 1.0], [0.0]):
        with pytest.raises(InputError, match="expected 0 and 1 among them"):
            landscape(np.array(alphas), np.zeros(len(alphas)), higher_is_better=True)


@given(values=arrays(np.float64, 6, elements=st.floats(0, 1)))
def test_gains_are_0_at_the_ends_and_turn_with_the_sign(values: np.ndarray):
    alphas = np.linspace(0, 1, 6)
    found = landscape(alphas, values, higher_is_better=True)
    assert (found.gains[0], found.gains[-1]) == (0, 0)
    wanted = [
        v - ((1 - a) * values[0] + a * values[-1]) for a, v in zip(alphas, values, strict=True)
    ]
    assert found.gains == pytest.approx(wanted, abs=1e-12)
    assert found.barrier == pytest.approx(max(0, *(-each for each in wanted)), abs=1e-12)
    turned = landscape(alphas, -values, higher_is_better=False)
    assert turned.gains == pytest.approx(found.gains)
    linear = landscape(alphas, 3 - 2 * alphas, higher_is_better=True)
    assert linear.barrier == pytest.approx(0, abs=1e-12)


def test_the_analysis_of_accuracies(tmp_path: Path):
    predictions = made_predictions("test", 80, unlabelled=3)
    found = rows_of(tmp_path, predictions, samples=500)
    accuracy = predictions.correct[:, 3:].mean(axis=1)
    chord = (1 - np.array(ALPHAS)) * accuracy[0] + np.array(ALPHAS) * accuracy[-1]
    for place in (1, 2, 3):
        row = found["accuracy_above_chord", ALPHAS[place]]
        assert row["value"] == pytest.approx(accuracy[place] - chord[place])
        assert (row["n"], row["seed"]) == (77, 0)
    (first,) = [row for (metric, _), row in found.items() if metric == "observation_1"]
    assert first["value"] == pytest.approx((accuracy - chord)[1:-1].min())
    (second,) = [row for (metric, _), row in found.items() if metric == "observation_2"]
    assert second["value"] == pytest.approx(accuracy[1:-1].max() - max(accuracy[0], accuracy[-1]))
    (barrier,) = [row for (metric, _), row in found.items() if metric == "barrier_accuracy"]
    assert barrier["value"] == pytest.approx(max(0, (chord - accuracy).max()))


def test_the_interval_is_the_plain_bootstraps(tmp_path: Path):
    predictions = made_predictions("test", 120, keep_logits=False)
    row = rows_of(tmp_path, predictions, samples=4000)["accuracy_above_chord", 0.25]
    by_example = predictions.correct[1] - 0.75 * predictions.correct[0]
    by_example = by_example - 0.25 * predictions.correct[4]
    rng = np.random.default_rng(5)
    drawn = by_example[rng.integers(120, size=(4000, 120))].mean(axis=1)
    wanted = np.quantile(drawn, [0.025, 0.975])
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(wanted, abs=0.006)


def test_a_path_below_the_chord_is_found(tmp_path: Path):
    right = np.ones((5, 60), bool)
    right[2, :25] = False
    found = rows_of(tmp_path, of_right(right))
    first = found["observation_1", 0.5]
    assert first["value"] == pytest.approx(-25 / 60)
    assert first["p_value"] is not None
    assert first["p_value"] < 0.01
    assert found["barrier_accuracy", 0.5]["value"] == pytest.approx(25 / 60)
    (second,) = [row for (metric, _), row in found.items() if metric == "observation_2"]
    assert second["p_value"] == 1


def test_a_path_above_both_ends_is_found(tmp_path: Path):
    right = np.zeros((5, 60), bool)
    right[0, :30] = right[4, 30:] = right[2] = True
    found = rows_of(tmp_path, of_right(right))
    second = found["observation_2", 0.5]
    assert second["value"] == 0.5
    assert second["p_value"] == pytest.approx(3 * binomtest(0, 30).pvalue)
    first = found["observation_1", 0.25]
    assert first["value"] == -0.5  # nothing is right at 0.25


def test_what_never_changes_is_no_violation(tmp_path: Path):
    found = rows_of(tmp_path, of_right(np.ones((5, 30), bool)))
    assert found["observation_1", 0.25]["p_value"] == 1
    assert found["observation_2", 0.25]["p_value"] == 1
    assert found["barrier_accuracy", 0.0]["value"] == 0
    fallen = np.ones((5, 30), bool)
    fallen[1] = False
    found = rows_of(tmp_path / "fallen", of_right(fallen), samples=99)
    assert found["observation_1", 0.25]["p_value"] == pytest.approx(0.01)


def test_the_p_value_of_the_chord_is_seldom_small_without_a_violation(tmp_path: Path):
    rng = np.random.default_rng(0)
    p_values = []
    for place in range(25):
        right = rng.random((5, 80)) < 0.7
        found = rows_of(tmp_path / str(place), of_right(right), samples=100)
        p_values += [row["p_value"] for (m, _), row in found.items() if m == "observation_1"]
    assert np.mean(np.array(p_values) < 0.1) < 0.25


def test_the_analysis_of_losses(tmp_path: Path):
    predictions = made_predictions("test", 50)
    found = rows_of(tmp_path, predictions, samples=300)
    assert predictions.logits is not None
    exact = predictions.logits.astype(float)
    shares = np.exp(exact) / np.exp(exact).sum(axis=2, keepdims=True)
    losses = [log_loss(predictions.labels, each, labels=range(4)) for each in shares]
    assert [found["loss", alpha]["value"] for alpha in ALPHAS] == pytest.approx(losses)
    chord = losses[0] + (losses[-1] - losses[0]) * np.array(ALPHAS)
    assert found["loss_above_chord", 0.5]["value"] == pytest.approx(chord[2] - losses[2])
    # Losses of a mixture of logits are convex: the path is never above the chord.
    assert [row["value"] for (m, _), row in found.items() if m == "barrier_loss"] == [0]


def test_sets_that_lack_an_alpha_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    sets = [made_predictions("test"), made_predictions("short", alphas=(0.0, 1.0))]
    run = StoredRun.load(write_run(tmp_path, sets))
    rows = along_the_line(run, AnalysisOptions(samples=50))
    assert {row["dataset"] for row in rows} == {"test"}
    assert "short: left out, its alphas aren't 0, 1 and others between" in caplog.text
