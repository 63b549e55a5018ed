"""What can be refused is refused before any image is read."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.photos import write_photos
from wiseft_jax import experiment
from wiseft_jax.cli import run as run_verb
from wiseft_jax.cli.main import main
from wiseft_jax.core.checkpoint import Checkpoints
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.experiment import ExperimentConfig


@pytest.mark.parametrize("verb", ["run", "train"])
@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--mesh.fsdp", "3"], "mesh: data -1 x fsdp 3 x alpha 1 doesn't fit 8 device"),
        (["--checkpoints.directory", "ftp://host/dir"], "ftp://host/dir"),
        (["--model.name", "clip-vit"], "'clip-vit': no such directory"),
        (["--model.name", "no/clip"], "'no/clip': no directory"),
    ],
)
def test_what_cannot_be_is_refused_before_the_data(
    verb: str, option: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    nowhere = ["--data.train", f"folder:{tmp_path / 'nowhere'}", "--out", str(tmp_path / "run")]
    assert main([verb, "custom/folder", *nowhere, *option]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "nowhere" not in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["run", "train"])
def test_checkpoints_elsewhere_stop_an_overwrite_before_it_removes_anything(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    out, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    keeping = CheckpointConfig(directory=str(elsewhere))
    RunDirectory(out).prepare(ExperimentConfig(), resume=False, overwrite=False)
    (out / "results.jsonl").write_text("{}\n")
    with Checkpoints(out, keeping) as checkpoints:
        checkpoints.save(1, {"kernel": np.zeros(2)}, {"count": np.int32(1)}, {})
    nowhere = ["--data.train", f"folder:{tmp_path / 'nowhere'}", "--out", str(out)]
    argv = [verb, "custom/folder", *nowhere, "--checkpoints.directory", str(elsewhere)]
    assert main([*argv, "--overwrite"]) == 2
    error = capsys.readouterr().err
    assert f"{elsewhere}: there are checkpoints of an earlier run" in error
    assert f"rm -r {elsewhere}" in error
    assert (out / "results.jsonl").read_text() == "{}\n"
    assert Checkpoints(out, keeping).steps() == (1,)
    shutil.rmtree(elsewhere)  # as it says; now the data is what is missing
    assert main([*argv, "--overwrite"]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["run", "train"])
def test_two_programs_do_not_share_a_run_directory(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    options = ["--data.train", f"folder:{write_photos(tmp_path / 'photos')}"]
    options += ["--out", str(tmp_path / "run")]
    codes = []

    def start_another(*args: object, **kwargs: object) -> None:
        (tmp_path / "run" / "train.jsonl").write_text("{}\n")
        codes.extend(main([verb, "custom/folder", *options, how]) for how in ways)
        codes.append(main(["sweep", str(tmp_path / "run")]))

    ways = ["--resume", "--overwrite"]
    monkeypatch.setattr(experiment, verb, start_another)
    monkeypatch.setattr(run_verb, "show_outcome", lambda *args, **kwargs: None)
    assert main([verb, "custom/folder", *options, "-q"]) == 0
    assert codes == [2, 2, 2]
    assert capsys.readouterr().err.count("another program is at work in this run directory") == 3
    assert (tmp_path / "run" / "train.jsonl").read_text() == "{}\n"
    monkeypatch.setattr(experiment, verb, lambda *args, **kwargs: None)
    assert main([verb, "custom/folder", *options, "--resume", "-q"]) == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("verb", ["run", "train"])
def test_a_signal_between_the_steps_says_the_command_that_goes_on(
    verb: str,
    signum: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    data = ["--data.train", f"folder:{write_photos(tmp_path / 'photos')}"]
    monkeypatch.setattr(experiment, verb, lambda *args, **options: signal.raise_signal(signum))
    monkeypatch.chdir(tmp_path)  # no --out: the directory is a new one
    monkeypatch.setattr(sys, "argv", ["/bin/wiseft", verb, "custom/folder", *data])
    assert main([verb, "custom/folder", *data]) == 42
    (out,) = (tmp_path / "runs").iterdir()
    start = f"wiseft {verb} custom/folder {' '.join(data)} --out runs/{out.name} --resume"
    assert capsys.readouterr().err.endswith(f"to continue: {start}\n")
