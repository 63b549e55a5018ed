"""``wiseft report --diff``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers.stored_runs import write_run
from wiseft_jax.cli.main import main


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    first = write_run(tmp_path / "first", learning_rate=0.5)
    second = write_run(tmp_path / "second", seed=1)
    return [str(first.path), str(second.path)]


def test_what_differs(runs: list[str], capsys: pytest.CaptureFixture):
    assert main(["report", "--diff", *runs]) == 0
    printed = capsys.readouterr().out
    assert "training.learning_rate │ 0.5" in printed
    assert "versions: the same" in printed
    assert "theta_1" in printed
    assert "chosen (0.5) │ 50%_off & more │ shift" in printed
    assert "McNemar's exact test" in printed


def test_the_same_as_json(runs: list[str], capsys: pytest.CaptureFixture):
    assert main(["report", "--diff", *runs, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"name": "name", "first": "first", "second": "second"} in found["settings"]
    assert [each["alpha"] for each in found["numbers"]] == [0.5, 0.5]
    assert len(found["paired"]) == 3 * 4
    assert found["not_paired"] == {}


def test_why_there_are_no_paired_tests(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
):
    other = write_run(tmp_path / "other", first=10)
    assert main(["report", "--diff", runs[0], str(other.path)]) == 0
    said = capsys.readouterr().out
    assert "no paired test of test: other images (40 and 40, 30 in common)" in said
    shutil.rmtree(other.path / "predictions")
    assert main(["report", "--diff", runs[0], str(other.path)]) == 0
    assert "no predictions; `wiseft sweep` writes them" in capsys.readouterr().out
    other.selection_file.unlink()
    other.results_file.unlink()
    assert main(["report", "--diff", runs[0], str(other.path)]) == 0
    assert "has no results yet; wiseft sweep makes them" in capsys.readouterr().out


def test_what_is_no_run(runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["report", "--diff", runs[0], str(tmp_path)]) == 2
    assert "not a run directory, there is no config.json" in capsys.readouterr().err
