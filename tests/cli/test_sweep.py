"""What ``wiseft sweep`` refuses before any image is read, and what it sweeps at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from wiseft_jax.cli.main import main
from wiseft_jax.cli.sweep import SweepArgs
from wiseft_jax.core import writers
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.experiment import ExperimentConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--learning.epochs", "3"], "--learning.*: has no meaning without --learn"),
        (["--fit-on", "test"], "--learning.*: has no meaning without --learn"),
        (["--racing.budget", "0.5"], "--racing.*: has no meaning without --race"),
        (["--race", "test", "sketch"], "--race: expected one set, found test, sketch"),
        (["--race", "--sweep.method", "curve"], "--sweep.method: has no meaning with --race"),
        (["--race", "--sweep.backend", "vmap"], "--sweep.backend: has no meaning with --race"),
        (["--learn", "--sweep.curve.tol", "0.1"], "--sweep.curve: has no meaning with --race"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    RunDirectory(tmp_path / "run").prepare(ExperimentConfig(), resume=False, overwrite=False)
    assert main(["sweep", str(tmp_path / "run"), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "sweeps"),
    [
        ({}, True),
        ({"rules": True}, True),
        ({"learn": True}, False),
        ({"race": ()}, False),
        ({"race": ("test",), "learn": True}, False),
        ({"rules": True, "learn": True, "race": ()}, True),
    ],
)
def test_learning_and_racing_alone_leave_the_sweep(asked: dict, sweeps: bool) -> None:
    assert SweepArgs(ExperimentConfig(), **asked).sweeps is sweeps


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("sweep", ["{run}"]),
        ("sweep", ["{run}", "--race"]),
        ("export", ["{run}", "--alpha", "0.5", "--out", "{other}"]),
        ("predict", ["--images", "{run}", "--out", "{other}/a.csv"]),
    ],
)
def test_a_target_that_cannot_be_written_to_is_refused_first(
    verb: str,
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    RunDirectory(tmp_path / "run").prepare(ExperimentConfig(), resume=False, overwrite=False)
    places = {"run": str(tmp_path / "run"), "other": str(tmp_path / "other")}

    def full(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(writers.tempfile, "TemporaryFile", full)
    assert main([verb, *(option.format(**places) for option in options)]) == 2
    assert "can't write there (Read-only file system)" in capsys.readouterr().err


def test_a_back_end_without_the_method_says_what_to_add(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = ExperimentConfig(sweep=SweepConfig(method="curve"))
    RunDirectory(tmp_path / "run").prepare(config, resume=False, overwrite=False)
    assert main(["sweep", str(tmp_path / "run"), "--sweep.backend", "map"]) == 2
    assert "or add --sweep.method direct" in capsys.readouterr().err


def test_alphas_beyond_both_ends_are_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    RunDirectory(tmp_path / "run").prepare(ExperimentConfig(), resume=False, overwrite=False)
    for alphas, times in ((["-0.5", "0", "1.25"], 1), (["0", "1"], 0)):
        assert main(["sweep", str(tmp_path / "run"), "--sweep.alphas", *alphas]) == 2
        assert capsys.readouterr().err.count("outside of [0, 1]") == times
