"""``wiseft report`` of a run whose last sweep was broken off, or whose files are damaged."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers.stored_runs import write_run
from wiseft_jax.cli.main import main
from wiseft_jax.core.last_sweep import begin_sweep
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run over which a sweep with other alphas was begun and broken off, before it wrote."""
    directory = write_run(tmp_path / "run")
    directory.report_file.write_text("# of the sweep before\n")
    config = ExperimentConfig(name="run")
    sweep = dataclasses.replace(config.sweep, alphas=(0.0, 1.0))
    begin_sweep(directory, dataclasses.replace(config, sweep=sweep))
    return directory


def command(directory: RunDirectory) -> str:
    return f"wiseft sweep {directory.path} --sweep.alphas 0.0 1.0"


def test_whole_results_are_shown_with_a_warning(directory: RunDirectory, capsys):
    assert main(["report", str(directory.path), "--no-images"]) == 0
    printed = capsys.readouterr()
    assert "of the sweep before" not in printed.out
    assert "alpha = 0.5: why" in printed.out
    assert "the last sweep isn't finished (of the sweep before: results.jsonl" in printed.err
    assert f"finish it: {command(directory)}\n" in printed.err
    assert directory.page_file.is_file()


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--json",),
        ("--against-paper",),
        ("--analyses", "diversity"),
        ("--tables", "tables"),
    ],
)
def test_results_of_two_sweeps_are_one_error(
    directory: RunDirectory, capsys, tmp_path: Path, monkeypatch, more: Sequence[str]
):
    monkeypatch.chdir(tmp_path)
    write_json(directory.sweep_facts_file, {"config_hash": "new"})
    if "--against-paper" in more:
        more = [*more, "imagenet/vit_b16"]
    assert main(["report", str(directory.path), *more]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "the results are of two sweeps" in printed.err
    assert f"do it again: {command(directory)}\n" in printed.err
    assert not directory.page_file.exists()


def test_several_runs_and_their_difference(directory: RunDirectory, capsys, tmp_path: Path):
    other, page = write_run(tmp_path / "other"), tmp_path / "page.html"
    pair = [str(other.path), str(directory.path)]
    assert main(["report", *pair, "--out", str(page), "--no-images"]) == 0
    assert f"finish it: {command(directory)}\n" in capsys.readouterr().err
    write_json(directory.sweep_facts_file, {"config_hash": "new"})
    for form in ([*pair, "--out", str(page)], ["--diff", *pair]):
        assert main(["report", *form]) == 2
        assert f"do it again: {command(directory)}\n" in capsys.readouterr().err


def test_the_list_says_it_and_shows_no_mixed_numbers(
    directory: RunDirectory, capsys, tmp_path: Path
):
    def listed() -> dict:
        assert main(["report", "--list", str(tmp_path), "--json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)["runs"]
        return found

    found = listed()
    assert found["state"] == "interrupted"
    assert found["why"].startswith("the last sweep isn't finished (of the sweep before: results")
    assert found["why"].endswith(f": {command(directory)}")
    assert found["alpha"] == 0.5
    facts = json.loads(directory.selection_file.read_text())
    write_json(directory.selection_file, facts | {"alpha": 0.0, "config_hash": "new"})
    found = listed()
    assert found["state"] == "interrupted"
    assert found["why"].startswith("its results are of two sweeps (")
    assert (found["alpha"], found["reference"]) == (None, {})


@pytest.mark.parametrize("kept", [0, 100])
def test_damaged_predictions_are_one_error_before_anything_is_printed(
    tmp_path: Path, capsys, kept: int
):
    directory = write_run(tmp_path / "a run")
    directory.report_file.write_text("# WiSE-FT: mine\n")
    file = directory.path / "predictions" / "sketch.npz"
    file.write_bytes(file.read_bytes()[:kept])
    found = "100 bytes, damaged or cut off" if kept else "an empty file"
    for more in ([], ["--analyses", "diversity"]):
        assert main(["report", str(directory.path), *more]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert f"{file}: can't be read as predictions: expected an npz file" in printed.err
        assert f"found {found} (" in printed.err
        assert f"make it again: wiseft sweep '{directory.path}'\n" in printed.err
    assert not directory.page_file.exists()
