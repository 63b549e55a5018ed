"""Trouble that passes is no damage, and no full disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath

from wiseft_jax.core import checkpoint_errors
from wiseft_jax.core.checkpoint import Checkpoints, restore_params
from wiseft_jax.core.checkpoint_errors import (
    DamagedCheckpointError,
    first_line,
    is_damage,
    is_full,
    is_of_files,
    patiently,
    together,
)
from wiseft_jax.core.errors import CheckpointWriteError, InputError, Interrupted


def state(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    kernel = np.random.default_rng(seed).normal(size=(16, 8)).astype(np.float32)
    return {"encoder": {"kernel": kernel}}, {"count": np.int32(seed), "mu": kernel / 2}


def os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def tensorstore(status: str, code: int | None = None) -> ValueError:
    """Return an error as TensorStore 0.1 spells it."""
    ending = "" if code is None else f": {os.strerror(code)} [os_error_code='{code}']"
    return ValueError(
        f'{status}: Error opening "zarr" driver: "/UNAVAILABLE/manifest.ocdbt"{ending}'
    )


def json_error() -> Exception:
    try:
        json.loads("{")
    except ValueError as error:
        return error
    raise AssertionError


def wrapped(cause: Exception) -> Exception:
    """Return what Orbax makes of an error at an array that goes to devices."""
    error = Exception("Encountered error while reading array index")
    error.__cause__ = cause
    return error


def remote(name: str) -> Exception:
    """Return an exception of a class that a library of a remote file system defines."""
    return type(name, (Exception,), {"__module__": "gcsfs.retry"})("503, try again")


@pytest.mark.parametrize(
    ("error", "damage", "files", "full"),
    [
        (os_error(errno.ENOENT), True, True, False),
        (os_error(errno.ENOTDIR), True, True, False),
        (FileNotFoundError("Requested directory does not exist"), True, True, False),
        (json_error(), True, False, False),
        (UnicodeDecodeError("utf-8", b"\x93", 0, 1, "invalid start byte"), True, False, False),
        (KeyError("tree_metadata"), True, False, False),
        (tensorstore("DATA_LOSS"), True, True, False),
        (tensorstore("NOT_FOUND", errno.ENOENT), True, True, False),
        (tensorstore("OUT_OF_RANGE"), True, True, False),
        (tensorstore("FAILED_PRECONDITION"), True, True, False),
        (ValueError('Error opening "zarr" driver: Error parsing'), True, False, False),
        (wrapped(tensorstore("DATA_LOSS")), True, True, False),
        (os_error(errno.ESTALE), False, True, False),
        (os_error(errno.EMFILE), False, True, False),
        (os_error(errno.EIO), False, True, False),
        (os_error(errno.ENOMEM), False, True, False),
        (os_error(errno.EACCES), False, True, False),
        (TimeoutError("no answer"), False, True, False),
        (ConnectionResetError(errno.ECONNRESET, "reset"), False, True, False),
        (tensorstore("RESOURCE_EXHAUSTED", errno.EMFILE), False, True, False),
        (tensorstore("FAILED_PRECONDITION", errno.ESTALE), False, True, False),
        (tensorstore("UNAVAILABLE"), False, True, False),
        (tensorstore("DEADLINE_EXCEEDED"), False, True, False),
        (tensorstore("ABORTED"), False, True, False),
        (wrapped(tensorstore("UNAVAILABLE")), False, True, False),
        (remote("HttpError"), False, True, False),
        (os_error(errno.ENOSPC), False, True, True),
        (os_error(errno.EDQUOT), False, True, True),
        (os_error(errno.EFBIG), False, True, True),
        (tensorstore("RESOURCE_EXHAUSTED", errno.ENOSPC), False, True, True),
        (tensorstore("OUT_OF_RANGE", errno.EFBIG), False, True, True),
        (tensorstore("RESOURCE_EXHAUSTED"), False, True, True),
        (OSError("write failed: No space left on device"), False, True, True),
        (TypeError("a fault of ours"), False, False, False),
        (AttributeError("a fault of Orbax's"), False, False, False),
        (RuntimeError("out of device memory"), False, False, False),
        (InputError("another model's"), False, False, False),
        (CheckpointWriteError("said already"), False, False, False),
    ],
)
def test_what_errors_mean(error: Exception, damage: bool, files: bool, full: bool) -> None:
    assert (is_damage(error), is_of_files(error), is_full(error)) == (damage, files, full)


def test_first_line_is_short() -> None:
    assert first_line(ValueError("a\nb")) == "a"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(wrapped(ValueError("the cause"))) == "the cause"
    assert len(first_line(ValueError("x" * 999))) == 200
    assert first_line(ValueError("x" * 200)) == "x" * 200


@pytest.mark.parametrize("cause", ["File too large [os_error_code='27']", "/a/long/path" * 20])
def test_a_long_first_line_loses_whole_words_and_not_the_cause(
    cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    message = f"OUT_OF_RANGE: {'Error writing a file: ' * 20}{cause}"
    caplog.set_level("DEBUG", "wiseft_jax")
    short = first_line(ValueError(message))
    assert 180 < len(short) <= 200
    kept, ending = short.split(" ...")
    assert ending == (f" {cause}" if len(cause) < 100 else "")
    whole, cut = message.split(), kept.split()
    assert [word.rstrip(":") for word in cut] == [word.rstrip(":") for word in whole[: len(cut)]]
    assert message in caplog.text


class Failing:
    """Wraps a call, and fails a number of times first, where it is told to."""

    def __init__(self, call: Callable[..., Any], errors: list[Exception], where: str) -> None:
        self.call, self.errors, self.where = call, iter(errors), where

    def __get__(self, instance: Any, owner: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if any(self.where in str(each) for each in (instance, *args)):
                for error in self.errors:
                    raise error
            return self.call(instance, *args, **kwargs)

        return call


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> int:
    """Wait for nothing between the tries; return how many there are."""
    pauses = checkpoint_errors.PAUSES_SECS
    monkeypatch.setattr(checkpoint_errors, "PAUSES_SECS", (0.0,) * len(pauses))
    return len(pauses) + 1


def test_patience_ends(quick: int) -> None:
    def read() -> int:
        for error in errors:
            raise error
        return 7

    path = epath.Path("/run/checkpoints/2/meta/metadata")
    errors: Iterator[Exception] = iter([os_error(errno.ESTALE)] * (quick - 1))
    assert patiently(read, path, "meta") == 7
    errors = iter([os_error(errno.ESTALE)] * quick)
    with pytest.raises(InputError, match=r"2/meta/metadata: can't be read now \(.*Stale file"):
        patiently(read, path, "meta")
    errors = iter([os_error(errno.ENOENT)])
    with pytest.raises(DamagedCheckpointError, match=r"meta: .*No such file"):
        patiently(read, path, "meta")
    errors = iter([TypeError("a fault of ours")])
    with pytest.raises(TypeError, match="a fault of ours"):
        patiently(read, path, "meta")


@pytest.mark.parametrize("kind", [InputError, CheckpointWriteError, DamagedCheckpointError])
def test_what_one_process_meets_is_raised(kind: type[Exception]) -> None:
    def act() -> None:
        raise kind("said")

    with pytest.raises(kind, match=r"^said$"):
        together(act)
    assert together(lambda: 3) == 3


def _two_steps(run_dir: Path) -> None:
    with Checkpoints(run_dir) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, *state(step), {"step": step})


def _fail_reading(
    monkeypatch: pytest.MonkeyPatch, item: str, errors: list[Exception], step: str = "2"
) -> None:
    if item == "meta":
        local = type(epath.Path("/"))
        failing = Failing(local.read_bytes, errors, f"/{step}/meta")
        monkeypatch.setattr(local, "read_bytes", failing)
    else:
        handler = ocp.StandardCheckpointHandler
        failing = Failing(handler.restore, errors, f"/{step}/{item}")
        monkeypatch.setattr(handler, "restore", failing)


@pytest.mark.parametrize("item", ["meta", "params", "opt"])
@pytest.mark.parametrize("code", [errno.EMFILE, errno.ESTALE])
def test_trouble_that_passes_costs_no_checkpoint(
    tmp_path: Path, quick: int, item: str, code: int
) -> None:
    _two_steps(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        _fail_reading(patch, item, [os_error(code)])
        checkpoint = Checkpoints(tmp_path).restore(*state(0))
    assert checkpoint is not None
    assert checkpoint.step == 2
    with pytest.MonkeyPatch.context() as patch:
        _fail_reading(patch, item, [os_error(code)] * quick)
        with pytest.raises(InputError, match=f"2/{item}.*can't be read now .*nothing was changed"):
            Checkpoints(tmp_path).restore(*state(0))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["1", "2"]
    checkpoint = Checkpoints(tmp_path).restore(*state(0))
    assert checkpoint is not None
    assert checkpoint.step == 2


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ESTALE])
def test_trouble_at_opening_costs_no_checkpoint(tmp_path: Path, quick: int, code: int) -> None:
    _two_steps(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        _fail_reading(patch, "meta", [os_error(code)] * quick, step="1")
        with pytest.raises(InputError, match="can't be read now"), Checkpoints(tmp_path) as opened:
            opened.open()
    assert Checkpoints(tmp_path).steps() == (1, 2)
    assert restore_params(tmp_path)[1] == 2


def test_a_directory_that_cannot_be_looked_at_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run that should be resumed starts afresh."""
    _two_steps(tmp_path)
    monkeypatch.setattr(Path, "stat", Failing(Path.stat, [os_error(errno.ESTALE)], "checkpoints"))
    with pytest.raises(InputError, match=r"checkpoints: can't be reached .*Stale file"):
        Checkpoints(tmp_path).steps()


@pytest.mark.parametrize("error", [TypeError("a fault"), AttributeError("a fault")])
def test_a_fault_of_a_program_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    _two_steps(tmp_path)
    _fail_reading(monkeypatch, "params", [error])
    with pytest.raises(type(error), match="a fault"):
        Checkpoints(tmp_path).restore(*state(0))
    assert Checkpoints(tmp_path).steps() == (1, 2)


@pytest.mark.parametrize("in_place", ["checkpoints", "."])
def test_a_directory_that_cannot_be_made_is_found_at_once(tmp_path: Path, in_place: str) -> None:
    run_dir = tmp_path / "run"
    (run_dir / in_place).parent.mkdir(exist_ok=True)
    (run_dir / in_place).write_text("in the way")
    message = r"run/checkpoints: checkpoints can't be written there \(.*; make that possible, or"
    with pytest.raises(InputError, match=message), Checkpoints(run_dir) as checkpoints:
        checkpoints.open()


def test_opening_leaves_nothing_and_may_be_repeated(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.open()
        assert list((tmp_path / "checkpoints").iterdir()) == []
        checkpoints.save(1, *state(1), {})
        checkpoints.open()
    assert Checkpoints(tmp_path).steps() == (1,)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            os_error(errno.ENOSPC),
            CheckpointWriteError,
            "complete checkpoints: 1, 2; make room and continue",
        ),
        (
            os_error(errno.EIO),
            CheckpointWriteError,
            r"written \(.*Input/output error\); complete checkpoints: 1, 2; what is complete is",
        ),
        (remote("HttpError"), CheckpointWriteError, r"\(503, try again\)"),
        (TypeError("a fault"), TypeError, "^a fault$"),
        (LookupError("a fault"), LookupError, "^a fault$"),
    ],
)
def test_only_a_full_disk_asks_for_room(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[Exception],
    message: str,
) -> None:
    _two_steps(tmp_path)
    monkeypatch.setattr(
        ocp.CheckpointManager, "save", Failing(ocp.CheckpointManager.save, [error], "")
    )
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(kind, match=message):
        checkpoints.save(3, *state(3), {})
    assert Checkpoints(tmp_path).steps() == (1, 2)


def test_closing_hides_no_other_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def leave(error: Exception | None) -> None:
        failing = Failing(ocp.CheckpointManager.close, [os_error(errno.EIO)], "")
        with monkeypatch.context() as patch, Checkpoints(tmp_path) as checkpoints:
            checkpoints.open()
            patch.setattr(ocp.CheckpointManager, "close", failing)
            if error is not None:
                raise error

    with pytest.raises(RuntimeError, match=r"^the real one$"):
        leave(RuntimeError("the real one"))
    assert "checkpoints: a checkpoint can't be written (" in caplog.text
    for error in (None, Interrupted("saved after step 2")):  # which would not be true
        with pytest.raises(CheckpointWriteError, match="can't be written"):
            leave(error)
