"""What a run prints and writes of the linear probe that it chose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.photos import write_photos
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.cli.main import main
from wiseft_jax.cli.outcome import probe_sentence


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


def test_a_single_penalty_is_not_called_chosen() -> None:
    tried = [{"c": 0.5, "validation_accuracy": 0.25}]
    assert probe_sentence({"c": 0.5, "tried": tried}) == "L-BFGS, C = 0.5"
    assert probe_sentence({"c": 0.5, "tried": []}) == "L-BFGS, C = 0.5"
