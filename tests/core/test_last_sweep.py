"""Which sweep a run's files are of, and what makes them of one again."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest

from tests.helpers.stored_runs import write_run
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.last_sweep import (
    UNFINISHED_FILE,
    begin_sweep,
    check_last_sweep,
    end_sweep,
    last_sweep,
    sweep_command,
    sweep_options,
)
from wiseft_jax.core.results import read_rows
from wiseft_jax.core.run_directory import RunDirectory, describe
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return write_run(tmp_path / "my run")


def other_sweep(directory: RunDirectory) -> ExperimentConfig:
    config = ExperimentConfig(name=directory.path.name)
    sweep = dataclasses.replace(config.sweep, alphas=(0.0, 0.3, 1.0))
    return dataclasses.replace(config, sweep=sweep, export=False)


def predictions_are_of(directory: RunDirectory, config_hash: str) -> None:
    write_json(directory.sweep_facts_file, {"config_hash": config_hash})


def test_a_finished_sweep_says_nothing(directory: RunDirectory, caplog):
    found = last_sweep(directory, read_rows(directory.path))
    assert (found.begun, found.finished, found.agree, found.said) == (False, True, True, "")
    assert found.command == f"wiseft sweep '{directory.path}'"
    check_last_sweep(directory, read_rows(directory.path))
    assert caplog.messages == []


def test_a_sweep_that_begins_removes_the_report_and_leaves_its_command(
    directory: RunDirectory, caplog
):
    shown = ("report.md", "report.html", "curve.png", "curve.svg", "flips.png", "flips.svg")
    for name in shown:
        (directory.path / name).touch()
    begin_sweep(directory, other_sweep(directory))
    assert not [name for name in shown if (directory.path / name).exists()]
    with caplog.at_level(logging.WARNING, "wiseft_jax"):
        check_last_sweep(directory, read_rows(directory.path))
    (said,) = caplog.messages
    assert "the last sweep isn't finished (of the sweep before: results.jsonl, selection" in said
    assert said.endswith(f"wiseft sweep '{directory.path}' --sweep.alphas 0.0 0.3 1.0 --no-export")
    end_sweep(directory)
    assert last_sweep(directory, read_rows(directory.path)).finished


def test_results_of_two_sweeps_are_refused(directory: RunDirectory):
    begin_sweep(directory, (config := other_sweep(directory)))
    predictions_are_of(directory, describe(config)["config_hash"])
    with pytest.raises(InputError, match="are of two sweeps") as raised:
        check_last_sweep(directory, read_rows(directory.path))
    for said in (
        "of the sweep before: results.jsonl, selection.json; of the last one: predictions/;",
        f"do it again: wiseft sweep '{directory.path}' --sweep.alphas 0.0 0.3 1.0 --no-export",
    ):
        assert said in str(raised.value)


def test_two_sweeps_are_told_without_a_record_too(directory: RunDirectory):
    """As versions left them that kept none: the command comes from the sweep's configuration."""
    write_json(directory.sweep_config_file, describe(other_sweep(directory)))
    predictions_are_of(directory, "new")
    found = last_sweep(directory, read_rows(directory.path))
    assert (found.begun, found.agree) == (False, False)
    assert found.said.startswith("predictions/: new; results.jsonl: ")
    assert found.command.endswith("--sweep.alphas 0.0 0.3 1.0 --no-export")


def test_a_model_of_the_sweep_before_is_named(directory: RunDirectory):
    config = ExperimentConfig(name=directory.path.name)
    begin_sweep(directory, config)
    write_json(directory.merged_dir / "wiseft.json", {"hashes": {"config": "old"}})
    found = last_sweep(directory, read_rows(directory.path))
    assert found.agree
    assert found.said.startswith("of the sweep before: merged/; of the last one: results.jsonl")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_damaged_files_are_told(directory: RunDirectory, text: str):
    (directory.path / UNFINISHED_FILE).write_text(text)
    assert not last_sweep(directory, read_rows(directory.path)).finished
    assert sweep_command(directory) == f"wiseft sweep '{directory.path}'"
    end_sweep(directory)
    directory.sweep_facts_file.write_text(text)
    with pytest.raises(InputError, match=r"backend\.json: .*make it again: wiseft sweep '"):
        last_sweep(directory, read_rows(directory.path))


def test_options_are_those_that_differ():
    before = {"a": {"b_c": True, "d": [1.5], "e": None}, "same": 1}
    after = {"a": {"b_c": False, "d": [], "e": "x y"}, "same": 1}
    assert sweep_options(before, after) == ["--a.no-b-c", "--a.d", "--a.e", "x y"]
    assert sweep_options(after, before) == ["--a.b-c", "--a.d", "1.5", "--a.e", "None"]
    assert sweep_options(before, before) == []
