"""A study's file is shown only of the ends and the images that are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.study_files import made_from, read_fitting
from wiseft_jax.core.writers import write_json

ENDS = {"theta_0": "aa", "theta_1": "bb"}
DATA = {"val": "11", "test": "22"}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    write_json(directory.endpoints_file, {"class_names": ["a"], **ENDS})
    write_json(directory.config_file, {"config": {}, "config_hash": "cafe"})
    return directory


def written(run: RunDirectory, origin: Any) -> None:
    (run.path / "race.json").write_text(json.dumps({"alpha": 0.5, "made_from": origin}))


def test_a_study_of_what_is_there_is_read(run: RunDirectory) -> None:
    origin = made_from(run, ENDS, {"val": "11"})
    assert origin["config_hash"] == "cafe"
    written(run, origin)
    facts, reason = read_fitting(run, "race.json", DATA)
    assert (facts["alpha"], reason) == (0.5, "")
    # Another configuration of the sweep leaves the ends as they are.
    write_json(run.config_file, {"config": {}, "config_hash": "beef"})
    assert read_fitting(run, "race.json", DATA)[1] == ""


@pytest.mark.parametrize(
    ("ends", "data", "reason"),
    [
        ({"theta_1": "cc"}, {}, r"other ends (theta_1 differ; made with the configuration cafe)"),
        ({"theta_0": "cc", "theta_1": "cc"}, {}, "other ends (theta_0, theta_1 differ"),
        ({}, {"val": "12"}, "other images: val changed"),
        ({}, {"sketch": "33"}, "sketch changed or is not among the datasets"),
    ],
)
def test_a_study_of_something_else_is_left_out(
    run: RunDirectory, ends: dict, data: dict, reason: str
) -> None:
    written(run, made_from(run, ENDS | ends, {"test": "22"} | data))
    facts, found = read_fitting(run, "race.json", DATA)
    assert facts == {}
    assert reason in found


@pytest.mark.parametrize("origin", [None, {}, {"config_hash": "cafe"}, "cafe"])
def test_a_study_that_does_not_say_what_it_is_of_is_left_out(
    run: RunDirectory, origin: Any
) -> None:
    written(run, origin)
    assert "doesn't say which ends" in read_fitting(run, "race.json", DATA)[1]


def test_damaged_files_are_left_out(run: RunDirectory) -> None:
    (run.path / "race.json").write_text("{")
    assert "race.json" in read_fitting(run, "race.json", DATA)[1]
    (run.path / "race.json").write_text("[1]")
    assert "doesn't say" in read_fitting(run, "race.json", DATA)[1]


def test_a_set_of_the_stored_sweep_that_is_not_loaded_is_not_held_against_a_study(
    run: RunDirectory,
) -> None:
    written(run, made_from(run, ENDS, {"test": "22", "sketch": "33"}))
    assert "sketch" in read_fitting(run, "race.json", DATA)[1]
    assert read_fitting(run, "race.json", DATA, shown={"sketch"})[1] == ""
    assert "test" in read_fitting(run, "race.json", DATA | {"test": "23"}, shown={"test"})[1]
