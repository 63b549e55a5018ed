"""``wiseft study grid`` as a whole program, and what it refuses before it reads an image."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.light_help import light_help
from tests.helpers.photos import write_photos
from tests.helpers.tiny import tiny_clip_directory
from tests.structure.source_tree import ROOT
from wiseft_jax.cli.main import main
from wiseft_jax.core.results import read_rows

RATES = ["--vary", "training.learning_rate=1e-3,1e-2"]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the preset and the options that make it small."""
    root = tmp_path_factory.mktemp("study")
    model = tiny_clip_directory(root / "clip", vision_layers=1)
    photos = write_photos(root / "photos")
    shifts = [
        f"inverted=folder:{write_photos(root / 'a', per_class=3, seed=1, invert=True)}",
        f"again=folder:{write_photos(root / 'b', per_class=4, seed=2)}",
    ]
    return [
        *("custom/folder", "--model.name", str(model), "--data.train", f"folder:{photos}"),
        *("--data.shifts", *shifts, "--data.test-fraction", "0.25"),
        *("--data.validation-fraction", "0.25", "--training.recipe", "linear_probe"),
        *("--training.epochs", "2", "--training.batch-size", "8", "--sweep.batch-size", "8"),
        *("--sweep.alphas", "0", "0.5", "1", "--sweep.rule", "validation_best"),
    ]


@pytest.fixture(scope="module")
def study(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a study of two runs."""
    out = tmp_path_factory.mktemp("out") / "study"
    assert main(["study", "grid", *options, *RATES, "--out", str(out), "-q"]) == 0
    return out


def test_the_whole_study(study: Path) -> None:
    names = {path.name for path in study.iterdir()}
    files = {"study.json", "runs.jsonl", "grid.json", "grid.md", "grid.png", "grid.svg", "runs"}
    assert names == files
    rows = [json.loads(line) for line in (study / "runs.jsonl").read_text().splitlines()]
    assert [row["varied"] for row in rows] == [
        {"training.learning_rate": 1e-3},
        {"training.learning_rate": 1e-2},
    ]
    for row in rows:
        run = study / row["run"]
        assert {each.name for each in run.iterdir()} >= {"report.md", "curve.png", "config.json"}
        assert len(read_rows(run)) == 4 * 3
    facts = json.loads((study / "grid.json").read_text())
    assert facts["study"]["rule"] == "validation_best"
    page = (study / "grid.md").read_text()
    assert "## How models scatter" in page
    assert "2 fine-tuned" not in page  # which is a title of the terminal
    assert "| fixed by other shifts |" in page


def test_a_finished_study_is_shown_again_and_nothing_is_made(
    study: Path, options: list[str], capsys: pytest.CaptureFixture
) -> None:
    runs = (study / "runs.jsonl").read_bytes()
    call = ["study", "grid", *options, *RATES, "--out", str(study)]
    assert main([*call, "-q"]) == 2
    assert "continue it, or extend it" in capsys.readouterr().err
    assert main([*call, "--resume", "--json"]) == 0
    printed = capsys.readouterr()
    assert "2 configurations, 2 finished, 0 to go" in printed.err
    facts = json.loads(printed.out)
    assert facts.pop("directory") == str(study)
    assert facts == json.loads((study / "grid.json").read_text())
    assert main([*call, "--resume", "-q"]) == 0
    printed = capsys.readouterr().out
    told = ["2 fine-tuned models of folder", "mean of shifts: fine-tuned models scatter"]
    told += ["rules for alpha, 2 runs x 2 shifts", "dawin: missing: ", str(study / "grid.md")]
    for text in told:
        assert text in printed
    assert (study / "runs.jsonl").read_bytes() == runs
    shown = ["study", "grid", "--show", "--out", str(study), "--json", "-q"]
    assert main(shown) == 0  # which needs neither preset nor values
    assert json.loads(capsys.readouterr().out).pop("runs") == facts["runs"]
    other = [*call, "--resume", "--training.label-smoothing", "0.1"]
    assert main(other) == 2
    assert "training.label_smoothing (0.0 -> 0.1)" in capsys.readouterr().err


def test_a_dry_run_lists_and_makes_nothing(
    options: list[str], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    call = ["study", "grid", *options, "--vary", "training.epochs=1,4", "--dry-run", "-q"]
    assert main([*call, "--out", str(tmp_path / "study"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [each["varied"]["training.epochs"] for each in facts["configurations"]] == [1, 4]
    steps = [each["steps"] for each in facts["configurations"]]
    assert steps == [2, 6]  # of 12 images, 8 at a time
    assert facts["training_images"] == 8 * 8
    assert facts["evaluated_images"] == 6 + 6 + 9 + 12
    assert facts["sweep_images"] == [2 * 33 * 3] * 2
    assert main([*call, "--sweep.method", "curve"]) == 0
    printed = capsys.readouterr().out
    assert "2 configurations of folder" in printed
    assert re.search(r"sweeps: \d+ to \d+ images forward \(33 a pass; method curve\)", printed)
    assert [*tmp_path.iterdir()] == []


def test_a_seed_that_draws_the_held_out_images_cannot_vary(
    options: list[str], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    call = ["study", "grid", *options, "--vary", "training.seed=0,1", "-q"]
    assert main([*call, "--out", str(tmp_path / "study")]) == 2
    assert "the seed also draws the images that are held out" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vary", "training.epocs=1"], "Did you mean 'training.epochs'"),
        (["--vary", "data.train=x"], "compared on the same images"),
        (["--vary", "training.epochs=1,0"], "1 of 2 configurations are invalid by themselves"),
        (["--vary", "training.epochs=1:2"], "a range needs --random N"),
        (["--vary", "training.epochs=1,2", "--random", "3"], "expected at most 2"),
        (["--resume"], "--resume needs --out DIR"),
        (["--show"], "--show needs --out DIR"),
        (["--show", "--out", "no/such"], "no such file"),
        (["--show", "a b"], "'a b'; the study's directory is given by --out: wiseft study grid"),
        (["--show", "--out", "."], ".: there is no study (no study.json); --show needs the --out"),
        (["--show", "--out", "x", "--resume"], "--resume: has no meaning with --show"),
        (["--show", "--out", "x", "--vary", "training.epochs=1"], "--vary: has no meaning"),
        (["--show", "--out", "x", "--dry-run"], "--dry-run: has no meaning with --show"),
        (["--show=x", "-q"], "wiseft study grid --show --out x"),
        (["no/preset"], "unknown preset 'no/preset'"),
        (["quickstart", "--checkpoints.directory", "x"], "checkpoints.directory: each run"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_read(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["study", "grid", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_default_is_the_papers_grid_of_the_quickstart(capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("mlxtend")
    pytest.importorskip("sklearn")
    call = ["study", "grid", "--dry-run", "--random", "5", "--seed", "1", "--json", "-q"]
    assert main(call) == 0
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["configurations"]) == 5
    assert facts["configurations"][0]["varied"].keys() == {
        "training.learning_rate",
        "training.epochs",
        "training.batch_size",
        "training.weight_decay",
        "training.label_smoothing",
    }
    assert facts["evaluated_images"] == 7_550


def test_help_loads_nothing_heavy() -> None:
    said = light_help("study", "grid")
    assert "--vary" in said
    assert "--training.learning-rate" in said


def test_a_study_in_the_place_of_a_preset_is_shown_how(
    study: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["study", "grid", str(study), "--show"]) == 2
    assert f"to show it: wiseft study grid --show --out {study}" in capsys.readouterr().err
    assert main(["study", "grid", str(study), "--resume"]) == 2
    assert f"to continue it: PRESET_OR_FILE ... --out {study} --resume" in capsys.readouterr().err


@pytest.mark.slow
def test_a_signal_ends_with_42_and_the_command_that_goes_on(
    options: list[str], tmp_path: Path
) -> None:
    """Inside a run: its fine-tune is saved, and the command is the study's, without ``--out``."""
    longer = [*options, "--training.recipe", "end_to_end", "--training.epochs", "150"]
    longer += ["--training.eval-every-epochs", "None", *RATES, "--no-cache"]
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    environment["PYTHONPATH"] = str(ROOT)

    def start(arguments: list[str]) -> subprocess.Popen:
        command = [sys.executable, "-m", "wiseft_jax", *arguments]
        pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
        return subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes)

    process = start(["study", "grid", *longer])
    deadline = time.monotonic() + 600
    while not [*tmp_path.glob("runs/folder-grid-*/runs/*/train.jsonl")]:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "training never started"
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    printed = process.communicate(timeout=600)[1]
    assert process.returncode == 42, printed
    found = re.search(r"to continue: python -m wiseft_jax (study grid .*--resume)", printed)
    assert found, printed
    assert re.search(r"--out runs/folder-grid-[\d-]+ --resume$", found[1])
    again = start(shlex.split(found[1]))
    printed = again.communicate(timeout=900)[1]
    assert again.returncode == 0, printed
    (study,) = (tmp_path / "runs").iterdir()
    rows = [json.loads(line) for line in (study / "runs.jsonl").read_text().splitlines()]
    assert [row["resumed"] for row in rows] == [True, False]
