"""What a run prints and writes of the linear probe that it chose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.photos import write_photos
from tests.helpers.reported_run import write_reported_run
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.cli.main import main
from wiseft_jax.cli.outcome import probe_sentence, write_page_of_run
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.data.source import array_dataset
from wiseft_jax.experiment import ExperimentData


def test_the_chosen_penalty_is_in_the_report_and_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model = tiny_clip_directory(tmp_path / "clip", vision_layers=1)
    photos = write_photos(tmp_path / "photos")
    command = [
        *("run", "custom/folder", "--model.name", str(model), "--data.train", f"folder:{photos}"),
        *("--data.test-fraction", "0.25", "--data.validation-fraction", "0.25"),
        *("--training.recipe", "linear_probe", "--training.options.solver", "lbfgs"),
        *("--training.options.probe-c", "0.1", "1", "--training.batch-size", "8"),
        *("--sweep.alphas", "0", "1", "--sweep.batch-size", "8", "--out", str(tmp_path / "run")),
    ]
    assert main([*command, "--json", "-q"]) == 0
    probe = json.loads(capsys.readouterr().out)["probe"]
    assert [each["c"] for each in probe["tried"]] == [0.1, 1.0]
    best = max(each["validation_accuracy"] for each in probe["tried"])
    assert probe["c"] == next(
        each["c"] for each in probe["tried"] if each["validation_accuracy"] == best
    )
    report = (tmp_path / "run" / "report.md").read_text("utf-8")
    assert f"- linear probe: {probe_sentence(probe)}\n" in report
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "Ship alpha = " in page
    assert str(tmp_path) not in page
    assert f"C = {probe['c']:g} (chosen by validation accuracy in %: 0.1: " in report


def test_what_stops_the_page_stops_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = RunDirectory(write_reported_run(tmp_path / "run", tmp_path / "data"))
    validation = array_dataset(np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1, int), ["a"])
    data = ExperimentData(("a",), validation, validation, ())
    write_page_of_run(data, directory)
    assert directory.page_file.is_file()
    directory.selection_file.unlink()
    write_page_of_run(data, directory)
    assert "report.html isn't written: " in caplog.text
    assert not directory.page_file.exists()  # it was of other results


def test_a_single_penalty_is_not_called_chosen() -> None:
    tried = [{"c": 0.5, "validation_accuracy": 0.25}]
    assert probe_sentence({"c": 0.5, "tried": tried}) == "L-BFGS, C = 0.5"
    assert probe_sentence({"c": 0.5, "tried": []}) == "L-BFGS, C = 0.5"
