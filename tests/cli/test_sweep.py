"""What ``wiseft sweep`` refuses before any image is read, and what it sweeps at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiseft_jax.cli.main import main
from wiseft_jax.cli.sweep import SweepArgs
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.experiment import ExperimentConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--learning.epochs", "3"], "--learning.*: has no meaning without --learn"),
        (["--fit-on", "test"], "--learning.*: has no meaning without --learn"),
        (["--racing.budget", "0.5"], "--racing.*: has no meaning without --race"),
        (["--race", "test", "sketch"], "--race: expected one set, found test, sketch"),
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
