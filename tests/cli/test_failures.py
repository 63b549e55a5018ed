"""Exceptions become exit codes and messages."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from wiseft_jax.cli.failures import Ending, explain, replacing, resumable, telling
from wiseft_jax.core import errors
from wiseft_jax.core.interrupt import how_to_go_on
from wiseft_jax.core.run_directory import RunDirectory


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.InputError("file x"), Ending(2, "file x")),
        (errors.FaultyDataError("image y"), Ending(2, "image y")),
        (errors.NonFiniteLossError("step 3"), Ending(1, "step 3")),
        (errors.CheckpointWriteError("step 4"), Ending(1, "step 4")),
        (errors.RendezvousError("x"), Ending(1, "the processes didn't meet: x")),
        (errors.Interrupted("saved"), Ending(42, "saved", "interrupted")),
    ],
)
def test_the_programs_own_errors(error: BaseException, expected: Ending) -> None:
    assert explain(error) == expected


def test_anything_else_is_internal() -> None:
    found = explain(KeyError("x"))
    assert (found.code, found.what) == (1, "error")
    assert found.message.startswith("KeyError: 'x' (internal error")


def test_a_file_system_that_refuses_is_no_internal_error() -> None:
    found = explain(OSError(errno.ENOSPC, "No space left on device", "runs/a/x.npz"))
    assert (found.code, found.what) == (1, "error")
    assert found.message.startswith("runs/a/x.npz: No space left on device; mend that")
    assert "(internal error" in explain(FileNotFoundError(errno.ENOENT, "No such file")).message


def test_an_interruption_says_the_command_that_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/wiseft", "sweep", "runs/my photos", "-q"])
    said = (
        "nothing is half written; what was worked out is not kept, and the command begins anew; to"
        " start again: wiseft sweep 'runs/my photos' -q"
    )
    assert explain(KeyboardInterrupt()) == Ending(42, said, "interrupted")


def test_an_interruption_with_a_run_directory_says_the_command_that_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/wiseft", "run", "flowers", "--overwrite"])
    with pytest.raises(KeyboardInterrupt) as raised, resumable(Path("runs/a")):
        raise KeyboardInterrupt
    said = (
        "what was saved in runs/a is intact; to continue: wiseft run flowers --out runs/a --resume"
    )
    assert explain(raised.value) == Ending(42, said, "interrupted")
    with pytest.raises(ValueError, match="a bug"), resumable(Path("runs/a")):
        raise ValueError("a bug")


@pytest.mark.parametrize("written", [False, True])
def test_an_interrupted_sweep_says_what_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/wiseft", "sweep", "runs/a"])
    directory = RunDirectory(tmp_path)

    def sweep() -> None:
        if written:
            directory.sweep_config_file.write_text("{}")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised, replacing(directory):
        sweep()
    said = explain(raised.value).message
    what = "incomplete: predictions/, results.jsonl" if written else "as they were; "
    assert said.startswith(f"the results in {tmp_path} are {what}")
    assert said.endswith("; to start again: wiseft sweep runs/a")


@pytest.mark.parametrize("written", [False, True])
def test_a_full_disk_in_a_sweep_says_what_it_left(tmp_path: Path, written: bool) -> None:
    run = RunDirectory(tmp_path)

    def sweep() -> None:
        with replacing(run):
            if written:
                run.sweep_config_file.write_text("{}")
            raise OSError(errno.ENOSPC, "No space left on device", "x.npz")

    with pytest.raises(OSError, match="No space left") as raised:
        sweep()
    message = explain(raised.value).message
    assert ("are incomplete: predictions/" if written else "are as they were; what") in message
    assert ("makes all of them anew" if written else "begins anew") in message
    assert message.startswith("x.npz: No space left on device; the results in")


def test_an_interruption_says_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/wiseft", "backgrounds", "build", "--out", "a"])
    with pytest.raises(KeyboardInterrupt) as raised, telling(f"half is in a; {how_to_go_on()}"):
        raise KeyboardInterrupt
    said = "half is in a; to go on: wiseft backgrounds build --out a"
    assert explain(raised.value) == Ending(42, said, "interrupted")
    with pytest.raises(ValueError, match="a bug"), telling("half is in a"):
        raise ValueError("a bug")
