"""What Orbax and TensorStore say that concerns nobody: kept off the user's terminal."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from typing import Any

_UNFINISHED = "orbax-checkpoint-tmp"
_NEVER_AWAITED = r"coroutine '.*' was never awaited"
_LATE_READ = "Encountered error while reading array index"


class _OrbaxChatter(logging.Filter):
    """Drops what Orbax logs.

    Its notes concern its own options; the errors of its threads, with their stack traces, are
    raised again where one waits for a save.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.CRITICAL or "orbax" not in record.pathname


class _LateTasks(logging.Filter):
    """Drops what asyncio logs of writes of Orbax's that nobody awaits; the first failure is raised.

    When the disk is full there is one for each array, with its stack trace; TensorStore's have
    none, and name the directory of a save.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and _UNFINISHED in str(record.exc_info[1]):
            return False
        frames = traceback.walk_tb(record.exc_info[2]) if record.exc_info else ()
        names = (str(frame.f_globals.get("__name__")) for frame, _ in frames)
        return not any(name.startswith("orbax.") for name in names)


class _SaveThreads:
    """Drops the exceptions that end Orbax's threads: they too are raised where one waits."""

    def __init__(self, previous: Callable[[Any], Any]) -> None:
        self._previous = previous

    def __call__(self, ended: Any) -> None:
        if not type(ended.thread).__module__.startswith("orbax."):
            self._previous(ended)


class _LateCallbacks:
    """Drops two exceptions, of TensorStore's and of Orbax's.

    When a file can't be read or written, Orbax raises and closes its event loop; the other reads or
    writes that were on their way end a moment later, and complain that the loop is closed, or of
    the same file in a coroutine that nobody awaits any more.
    """

    def __init__(self, previous: Callable[[Any], Any]) -> None:
        self._previous = previous

    def __call__(self, unraisable: Any) -> None:
        error = unraisable.exc_value
        closed = isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
        late = type(error) is Exception and str(error).startswith(_LATE_READ)
        if not (closed or late):
            self._previous(unraisable)


_CHATTER, _TASKS = _OrbaxChatter(), _LateTasks()


def hush_orbax() -> None:
    """Silence the noise from now on; more calls do nothing more.

    Coroutines, of which Orbax leaves some when a save fails, are nobody else's in this program.
    """
    warnings.filterwarnings("ignore", _NEVER_AWAITED, RuntimeWarning)
    logging.getLogger("absl").addFilter(_CHATTER)
    logging.getLogger("asyncio").addFilter(_TASKS)
    if not isinstance(sys.unraisablehook, _LateCallbacks):
        sys.unraisablehook = _LateCallbacks(sys.unraisablehook)
    if not isinstance(threading.excepthook, _SaveThreads):
        threading.excepthook = _SaveThreads(threading.excepthook)
