"""A stored run: what is read, and what is missing is named with the command."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.runs import ALPHAS, CLASSES, HASH, default_sets, made_predictions, write_run
from wiseft_jax.analysis.stored_run import StoredRun, classes_at, right_at
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.writers import write_json


def test_what_is_stored_is_read(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path / "run"))
    assert list(run.predictions) == ["validation", "test", "sketch", "night"]
    assert (run.chosen, run.config_hash, run.class_names) == (0.5, HASH, CLASSES)
    assert run.alphas == ALPHAS
    assert run.reference is run.predictions["test"]
    assert [each.dataset for each in run.shifts] == ["sketch", "night"]
    assert [each.dataset for each in run.sets("reference")] == ["validation", "test"]
    night = run.set_named("night")
    assert len(right_at(night, 1.0)) == 40
    assert np.array_equal(classes_at(night, 0.25), night.top1[1])


def test_the_validation_set_stands_in_for_a_test_set(tmp_path: Path):
    sets = [made_predictions("held", split="validation"), made_predictions("s", role="shift")]
    run = StoredRun.load(write_run(tmp_path, sets))
    assert run.reference is run.predictions["held"]
    only = StoredRun.load(write_run(tmp_path / "shift", sets[1:]))
    assert only.reference is None


def test_classes_have_the_names_of_their_set(tmp_path: Path):
    sets = default_sets()
    sets[2] = dataclasses.replace(sets[2], class_names=("w", "x", "y", "z"))
    run = StoredRun.load(write_run(tmp_path / "run", sets))
    assert run.class_name(run.predictions["test"], 1) == "dog"
    assert run.class_name(run.predictions["sketch"], 1) == "x"
    assert run.class_name(run.predictions["test"], -2) == "class -2"
    bare = StoredRun.load(write_run(tmp_path / "bare", class_names=None))
    assert bare.class_name(bare.predictions["test"], 1) == "class 1"


def test_rows_have_the_set_and_the_hash(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path))
    row = run.row("a", "b", 0.5, 3, run.predictions["sketch"], alpha=0.5, interval=(0, 1))
    assert (row["dataset"], row["split"], row["role"]) == ("sketch", "test", "shift")
    assert (row["config_hash"], row["ci_high"]) == (HASH, 1.0)
    assert run.row("a", "b", 0.5, 3)["dataset"] is None


@pytest.mark.parametrize("name", ["results.jsonl", "selection.json", "predictions"])
def test_what_is_missing_is_named_with_the_command(tmp_path: Path, name: str):
    run = write_run(tmp_path / "run")
    (run / name).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{name}.*wiseft sweep"):
        StoredRun.load(run)


def test_a_set_without_predictions_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    run = write_run(tmp_path / "a run")
    (run / "predictions" / "sketch.npz").unlink()
    assert "sketch" not in StoredRun.load(run).predictions
    assert "left out, for they have results and no predictions: sketch; make it" in caplog.text
    assert f"wiseft sweep '{run}'" in caplog.text


def test_an_alpha_that_is_not_there_is_named_with_the_command(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path))
    with pytest.raises(InputError, match=r"--sweep.alphas 0 0.25 0.3 0.5 0.75 1$"):
        right_at(run.predictions["test"], 0.3)
    with pytest.raises(InputError, match="Did you mean 'sketch'"):
        run.set_named("skech")
    with pytest.raises(InputError, match="no such run directory"):
        StoredRun.load(tmp_path / "nowhere")


def test_files_of_two_sweeps_are_refused(tmp_path: Path):
    run = write_run(tmp_path)
    write_json(run / "selection.json", {"alpha": 0.5, "config_hash": "another"})
    with pytest.raises(InputError, match="are of two sweeps"):
        StoredRun.load(run)
    write_json(run / "selection.json", {"rule": "constant"})
    with pytest.raises(InputError, match="expected an object with the chosen alpha"):
        StoredRun.load(run)
    write_json(run / "predictions" / "backend.json", {"config_hash": "another"})
    with pytest.raises(InputError, match="are of two sweeps"):
        StoredRun.load(run)
