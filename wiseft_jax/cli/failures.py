"""What an exception means to the one who called the program: an exit code, and a message."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wiseft_jax.core import errors
from wiseft_jax.core.last_sweep import UNFINISHED_FILE

if TYPE_CHECKING:
    from wiseft_jax.core.run_directory import RunDirectory


_OUTSIDE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EIO,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
    errno.ESTALE,
}
"""What a file system refuses, or breaks off, for a reason of its own."""

_ADVICE = "; mend that (room, permissions, the disk) and do it again"


@dataclasses.dataclass(frozen=True)
class Ending:
    """How the program ends.

    Attributes:
      code: The exit code.
      message: What to print.
      what: ``"error"`` or ``"interrupted"``.
    """

    code: int
    message: str
    what: str = "error"


def explain(error: BaseException) -> Ending:
    """Return how the program ends on an exception that a verb raised."""
    if isinstance(error, errors.InputError):
        return Ending(errors.EXIT_BAD_INPUT, str(error))
    internal = errors.NonFiniteLossError, errors.CheckpointWriteError, errors.RendezvousError
    if isinstance(error, internal):
        return Ending(errors.EXIT_INTERNAL, str(error))
    if isinstance(error, errors.Interrupted):
        return Ending(errors.EXIT_INTERRUPTED, str(error), "interrupted")
    if isinstance(error, KeyboardInterrupt):
        return Ending(errors.EXIT_INTERRUPTED, str(error) or _start_again(), "interrupted")
    if isinstance(error, OSError) and error.errno in _OUTSIDE:
        where = f"{error.filename}: " if error.filename else ""
        return Ending(errors.EXIT_INTERNAL, f"{where}{error.strerror}{_ADVICE}")
    message = f"{type(error).__name__}: {error} (internal error; --debug shows where)"
    return Ending(errors.EXIT_INTERNAL, message)


@contextlib.contextmanager
def resumable(run_dir: Path) -> Iterator[None]:
    """Say, where a signal aborts the block, which command goes on from what was saved.

    Args:
      run_dir: The run directory; there, and what was saved in it belongs to this run.

    Raises:
      KeyboardInterrupt: The one of the block, with that message.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        from wiseft_jax.core.interrupt import how_to_continue

        said = f"what was saved in {run_dir} is intact; {how_to_continue(run_dir)}"
        raise KeyboardInterrupt(said) from error


@contextlib.contextmanager
def telling(kept: str) -> Iterator[None]:
    """Say, where a signal aborts the block, what is kept, and how to go on.

    Args:
      kept: The whole message.

    Raises:
      KeyboardInterrupt: The one of the block, with that message.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(kept) from error


def same_goes_on(overwrite: bool) -> str:
    """Return that the command goes on when it is called again.

    Args:
      overwrite: Whether it was told to begin anew, which it would do again.
    """
    return f"the same command{' without --overwrite' if overwrite else ''} goes on from there"


@contextlib.contextmanager
def replacing(directory: RunDirectory) -> Iterator[None]:
    """Say, where a signal or the disk aborts a sweep, what it leaves behind.

    Args:
      directory: A finished run, whose results the block replaces, after ``begin_sweep``.

    Raises:
      KeyboardInterrupt: The one of the block, with that message.
      OSError: What a file system refused in the block, with the former.
    """
    files = directory.sweep_config_file, directory.path / UNFINISHED_FILE
    before = [_written_at(file) for file in files]

    def left() -> str:
        if [_written_at(file) for file in files] == before:
            return (
                f"the results in {directory.path} are as they were; what isn't written is not kept,"
                " and the command begins anew"
            )
        return (
            f"the results in {directory.path} are incomplete: predictions/, results.jsonl,"
            " selection.json and merged/ may be of two sweeps, and the report is gone; the command"
            " makes all of them anew"
        )

    try:
        yield
    except KeyboardInterrupt as error:
        from wiseft_jax.core.interrupt import how_to_start_again

        raise KeyboardInterrupt(f"{left()}; {how_to_start_again()}") from error
    except OSError as error:
        if error.errno not in _OUTSIDE:
            raise
        raise OSError(error.errno, f"{error.strerror}; {left()}", error.filename) from error


def _written_at(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def _start_again() -> str:
    from wiseft_jax.core.interrupt import how_to_start_again

    anew = "what was worked out is not kept, and the command begins anew"
    return f"nothing is half written; {anew}; {how_to_start_again()}"
