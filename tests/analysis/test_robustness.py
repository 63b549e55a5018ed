"""Effective robustness against NumPy's least squares, and what its intervals cover."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import linregress, norm

from tests.analysis.runs import (
    made_predictions,
    write_baselines,
    write_matched_run,
    write_run,
)
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.robustness import (
    Line,
    effective_robustness,
    fit_line,
    from_scale,
    robustness,
    to_scale,
)
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.errors import InputError

X = np.array([0.42, 0.55, 0.61, 0.7, 0.83])
Y = np.array([0.2, 0.31, 0.33, 0.47, 0.6])


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))


def expit(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_scales_are_the_textbooks():
    assert to_scale(X, "logit") == pytest.approx(logit(X))
    assert to_scale(X, "probit") == pytest.approx(norm.ppf(X))
    for scale in ("logit", "probit"):
        assert from_scale(to_scale(X, scale), scale) == pytest.approx(X)


@pytest.mark.parametrize("scale", ["logit", "probit"])
def test_the_line_is_scipys(scale: str):
    line = fit_line(X, Y, scale)  # type: ignore[arg-type]
    forward = logit if scale == "logit" else norm.ppf
    wanted = linregress(forward(X), forward(Y))
    assert (line.w, line.b) == pytest.approx((wanted.slope, wanted.intercept))
    assert line.r_squared == pytest.approx(wanted.rvalue**2)
    backward = expit if scale == "logit" else norm.cdf
    promised = backward(wanted.slope * forward(X) + wanted.intercept)
    assert effective_robustness(X, Y, line) == pytest.approx(Y - promised)


def test_exact_values():
    line = fit_line(X, expit(0.8 * logit(X) - 0.5))
    assert (line.w, line.b, line.r_squared) == pytest.approx((0.8, -0.5, 1.0))
    assert effective_robustness(X, line(X), line) == pytest.approx(np.zeros(5), abs=1e-12)
    identity = Line("logit", 1.0, 0.0, 1.0)
    assert effective_robustness(np.array([0.8]), np.array([0.7]), identity) == pytest.approx([-0.1])


@given(
    x=arrays(np.float64, 6, elements=st.floats(0.05, 0.95), unique=True),
    w=st.floats(0.2, 2),
    b=st.floats(-1, 1),
    bonus=st.floats(0, 0.02),
)
def test_models_on_the_line_have_none_and_a_bonus_is_it(
    x: np.ndarray, w: float, b: float, bonus: float
):
    if np.ptp(x) < 1e-3:
        return
    line = fit_line(x, expit(w * logit(x) + b))
    promised = line(x)
    assert effective_robustness(x, promised + bonus, line) == pytest.approx(np.full(6, bonus))


def test_what_has_no_line_is_refused():
    with pytest.raises(InputError, match="reference: expected accuracies between 0 and 1"):
        fit_line(np.array([0.0, 0.5]), np.array([0.1, 0.2]))
    with pytest.raises(InputError, match="shift: expected accuracies between 0 and 1"):
        fit_line(np.array([0.2, 0.5]), np.array([0.1, 1.0]))
    with pytest.raises(InputError, match="two different accuracies"):
        fit_line(np.array([0.5, 0.5]), np.array([0.1, 0.2]))


@pytest.fixture
def run(tmp_path: Path) -> StoredRun:
    sets = [
        made_predictions("test", 400, signal=(1.0, 2.5)),
        made_predictions("sketch", 300, role="shift", signal=(1.5, 1.0)),
        made_predictions("clean", 50, role="shift", signal=(30.0, 30.0)),
    ]
    return StoredRun.load(write_run(tmp_path / "run", sets))


def test_the_analysis(run: StoredRun, tmp_path: Path):
    file = write_baselines(tmp_path / "b.csv", ["test", "sketch", "clean"])
    rows = robustness(run, AnalysisOptions(baselines=file, samples=400))
    table = np.genfromtxt(file, delimiter=",", skip_header=1)[:, 1:]
    wanted = linregress(logit(table[:, 0]), logit(table[:, 1]))
    found = {
        (row["metric"], row["alpha"]): row
        for row in rows
        if (row["dataset"], row["group"]) == ("sketch", "logit")
    }
    given = [row for row in rows if row["metric"] == "baseline_accuracy"]
    sketch = [row["value"] for row in given if row["dataset"] == "sketch"]
    assert sketch == pytest.approx(table[:, 1])
    assert len(given) == 2 * 2 * 8
    assert found["baseline_slope", None]["value"] == pytest.approx(wanted.slope)
    assert found["baseline_slope", None]["n"] == 8
    accuracy = {name: run.predictions[name].correct.mean(axis=1) for name in ("test", "sketch")}
    rho = accuracy["sketch"] - expit(wanted.slope * logit(accuracy["test"]) + wanted.intercept)
    at = [found["effective_robustness", alpha] for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert [row["value"] for row in at] == pytest.approx(rho)
    assert {(row["n"], row["other"], row["seed"]) for row in at} == {(300, "test", 0)}
    gains = [r for r in rows if (r["metric"], r["group"], r["dataset"]) ==
             ("effective_robustness_gain", "logit", "sketch")]  # fmt: skip
    assert {row["other"] for row in gains} == {"zero_shot", "fine_tuned"}
    for row in gains:
        end = 0 if row["other"] == "zero_shot" else 4
        assert row["value"] == pytest.approx(rho[2] - rho[end])
    assert {row["group"] for row in rows if row["metric"] == "effective_robustness"} == {
        "logit",
        "probit",
    }


def test_an_accuracy_of_1_has_an_interval_with_a_width(run: StoredRun, tmp_path: Path):
    file = write_baselines(tmp_path / "b.csv", ["test", "sketch", "clean"])
    rows = robustness(run, AnalysisOptions(baselines=file, samples=400))
    clean = [r for r in rows if (r["dataset"], r["metric"], r["group"], r["alpha"]) ==
             ("clean", "effective_robustness", "logit", 0.5)]  # fmt: skip
    assert run.predictions["clean"].correct.all()
    (row,) = clean
    assert row["ci_low"] is not None
    assert row["value"] - row["ci_low"] > 0.02


def test_intervals_cover_the_truth(tmp_path: Path):
    # Right at random with known probabilities, and baselines without any scatter.
    rng = np.random.default_rng(0)
    x = np.linspace(0.3, 0.9, 12)
    lines = [f"m{k},{a:.6f},{expit(logit(a) - 0.5):.6f}" for k, a in enumerate(x)]
    file = tmp_path / "b.csv"
    file.write_text("\n".join(["model,test,sketch", *lines]))
    truth = 0.6 - expit(logit(np.array(0.7)) - 0.5)
    covered = []
    for place in range(30):
        sets = []
        for name, role, share in (("test", "reference", 0.7), ("sketch", "shift", 0.6)):
            each = made_predictions(name, 200, role=role, alphas=(0.0,))  # type: ignore[arg-type]
            each.correct[0] = rng.random(200) < share
            sets.append(each)
        stored = StoredRun.load(write_run(tmp_path / str(place), sets, chosen=0.0))
        rows = robustness(stored, AnalysisOptions(baselines=file, samples=100, seed=place))
        (row,) = [r for r in rows if (r["metric"], r["group"]) == ("effective_robustness", "logit")]
        assert row["ci_low"] is not None
        assert row["ci_high"] is not None
        covered.append(row["ci_low"] <= truth <= row["ci_high"])
    assert 0.85 <= np.mean(covered) <= 1.0


def test_shifts_without_a_column_are_said(
    run: StoredRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = write_baselines(tmp_path / "b.csv", ["test", "sketch"])
    rows = robustness(run, AnalysisOptions(baselines=file, samples=50))
    assert {row["dataset"] for row in rows} == {"sketch", "test"}
    assert "clean: left out" in caplog.text
    other = write_baselines(tmp_path / "other.csv", ["tests", "sketch"])
    with pytest.raises(InputError, match=r"no column 'test'. Did you mean 'tests'"):
        robustness(run, AnalysisOptions(baselines=other))
    with pytest.raises(InputError, match="give a table of them: --baselines CSV"):
        robustness(run, AnalysisOptions())


def test_shifts_are_set_against_their_matched_reference(tmp_path: Path):
    sets = [
        made_predictions("imagenet-val"),
        made_predictions("mine", role="shift"),
        made_predictions("its classes", role="matched_reference"),
    ]
    run = StoredRun.load(write_matched_run(tmp_path / "run", sets, {"mine": "its classes"}))
    file = write_baselines(tmp_path / "b.csv", ["its classes", "mine"])
    rows = robustness(run, AnalysisOptions(baselines=file, samples=50))
    rhos = [row for row in rows if row["metric"] == "effective_robustness"]
    assert {(row["dataset"], row["other"]) for row in rhos} == {("mine", "its classes")}
    (share,) = [row for row in rows if row["metric"] == "share_of_classes"]
    assert (share["dataset"], share["other"]) == ("mine", "its classes")
    assert (share["value"], share["n"]) == (1.0, 4)


def test_rows_say_that_a_shift_has_fewer_classes_than_its_axis(tmp_path: Path):
    few = made_predictions("few", role="shift")
    few = dataclasses.replace(few, labels=np.where(few.labels < 3, few.labels, -1).astype(np.int32))
    run = StoredRun.load(write_run(tmp_path / "run", [made_predictions("test"), few]))
    file = write_baselines(tmp_path / "b.csv", ["test", "few"])
    rows = robustness(run, AnalysisOptions(baselines=file, samples=50))
    (share,) = [row for row in rows if row["metric"] == "share_of_classes"]
    assert (share["dataset"], share["other"]) == ("few", "test")
    assert (share["value"], share["n"]) == (0.75, 4)


def test_without_a_shift_there_is_nothing_to_set_against(tmp_path: Path):
    sets = [made_predictions("test"), made_predictions("ours", role="matched_reference")]
    run = StoredRun.load(write_run(tmp_path / "run", sets))
    file = write_baselines(tmp_path / "b.csv", ["test", "ours"])
    with pytest.raises(InputError, match="there is no shifted test set; add one"):
        robustness(run, AnalysisOptions(baselines=file))


def test_baselines_on_no_line_are_said(
    run: StoredRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    lines = [f"m{k},{0.3 + k / 20},{0.5 + (k % 2) / 4}" for k in range(8)]
    file = tmp_path / "b.csv"
    file.write_text("\n".join(["model,test,sketch", *lines]))
    robustness(run, AnalysisOptions(baselines=file, samples=20))
    assert caplog.text.count("sketch: the baselines hardly lie on a line") == 1


def test_points_beyond_the_baselines_are_said(
    run: StoredRun, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = tmp_path / "b.csv"
    for low, said in ((0.01, 0), (0.97, 1)):
        lines = [f"m{k},{low + k * (0.99 - low) / 8},{0.4 + k / 20}" for k in range(9)]
        file.write_text("\n".join(["model,test,sketch", *lines]))
        caplog.clear()
        robustness(run, AnalysisOptions(baselines=file, samples=20))
        assert caplog.text.count("their line is extrapolated there") == said
