"""What is kept on other label sets, against counts and a plain bootstrap."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.runs import ALPHAS, HASH, made_predictions, write_run
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.other_sets import ability_kept, other_sets
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.analysis.table import analyse
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.paired import mcnemar
from wiseft_jax.core.results import write_rows
from wiseft_jax.evaluation.predictions import Predictions, save_predictions


def with_others(path: Path, *sets: Predictions, config_hash: str = HASH) -> StoredRun:
    run = write_run(path)
    save_predictions(run / "other_sets", sets)
    rows = [row for each in sets for row in each.rows(config_hash)]
    write_rows(run / "other_sets" / "results.jsonl", rows)
    return StoredRun.load(run)


def test_ability_kept_exactly():
    before, after = np.array([True, True, False, True]), np.array([True, False, True, False])
    assert ability_kept(before, after) == pytest.approx(2 / 3)
    assert ability_kept(before, before) == 1
    with pytest.raises(InputError, match="expected an example that is right"):
        ability_kept(np.zeros(3, bool), before[:3])


def test_the_analysis(tmp_path: Path):
    cars = dataclasses.replace(
        made_predictions("cars", 120, unlabelled=10, signal=(3.0, 0.5), keep_logits=False),
        class_names=("a", "b", "c", "d"),
    )
    run = with_others(tmp_path, cars)
    found = {(r["metric"], r["alpha"]): r for r in other_sets(run, AnalysisOptions(samples=4000))}
    right = cars.correct[:, 10:]
    assert [found["accuracy", at]["value"] for at in ALPHAS] == pytest.approx(right.mean(axis=1))
    end = found["accuracy_change", 1.0]
    assert end["value"] == pytest.approx(right[4].mean() - right[0].mean())
    assert end["p_value"] == mcnemar(right[0], right[4]).p_value
    kept = found["ability_kept", 1.0]
    assert kept["value"] == pytest.approx(right[4].sum() / right[0].sum())
    picks = np.random.default_rng(3).integers(110, size=(4000, 110))
    drawn = right[4][picks].sum(axis=1) / right[0][picks].sum(axis=1)
    wanted = np.quantile(drawn, [0.025, 0.975])
    assert (kept["ci_low"], kept["ci_high"]) == pytest.approx(wanted, abs=0.02)
    assert ("ability_kept", 0.0) not in found
    assert {row["n"] for row in found.values()} == {110}


def test_without_a_right_answer_there_is_no_ratio(tmp_path: Path):
    cars = made_predictions("cars", 20)
    cars.correct[0] = False
    rows = other_sets(with_others(tmp_path, cars), AnalysisOptions(samples=20))
    assert {row["metric"] for row in rows} == {"accuracy", "accuracy_change"}


def test_what_is_missing_or_of_another_sweep_is_said(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path / "run"))
    with pytest.raises(InputError, match=f"wiseft study other_sets {run.path} --sets SPEC"):
        analyse(run, "other_sets")
    other = with_others(tmp_path / "other", made_predictions("cars", 20), config_hash="another")
    with pytest.raises(InputError, match="are of two sweeps"):
        analyse(other, "other_sets")
