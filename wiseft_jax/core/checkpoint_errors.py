"""What an error at a checkpoint's files means: damage, a full disk, or trouble that may pass.

Only damage lets a checkpoint be set aside, so only what a damaged file is known to raise counts as
damage; whatever else a file system raises says nothing about the file.
"""

from __future__ import annotations

import errno
import logging
import re
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from etils import epath

from wiseft_jax.core.distributed import gather_json
from wiseft_jax.core.errors import CheckpointWriteError, InputError

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSES_SECS = (0.1, 0.5, 2.0)
"""How long to wait before each further try at files that can't be read now."""

_LONGEST, _MORE = 200, " ..."
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = ("No space left", "Disk quota exceeded", "File too large")

# TensorStore raises ValueError("STATUS: ... [os_error_code='N'] ..."), and INVALID_ARGUMENT without
# its name. A file that was cut short is OUT_OF_RANGE.
_STATUS = re.compile(
    r"(CANCELLED|UNKNOWN|INVALID_ARGUMENT|DEADLINE_EXCEEDED|NOT_FOUND|ALREADY_EXISTS|INTERNAL|ABORTED"
    r"|PERMISSION_DENIED|RESOURCE_EXHAUSTED|FAILED_PRECONDITION|OUT_OF_RANGE|UNIMPLEMENTED"
    r"|UNAVAILABLE|DATA_LOSS|UNAUTHENTICATED)\b"
)
_OS_CODE = re.compile(r"\[os_error_code='(\d+)'\]")
_DAMAGE = {"DATA_LOSS", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "OUT_OF_RANGE"}

_REMOTE_LIBRARIES = {"aiohttp", "fsspec", "gcsfs", "google", "requests", "urllib3"}
"""Their exceptions come of no one class."""


class DamagedCheckpointError(Exception):
    """A checkpoint can't be read, or isn't what was written."""


def is_damage(error: Exception) -> bool:
    """Return whether an error at reading shows that a file is missing or isn't what was written."""
    error = _cause(error)
    code, status = _os_code(error), _status(error)
    if isinstance(error, (InputError, CheckpointWriteError)) or _is_remote_librarys(error):
        return False
    if code is not None:
        return code in _MISSING
    if isinstance(error, OSError):
        return isinstance(error, FileNotFoundError)  # as Orbax and gcsfs raise it, without a code
    if status is not None:
        return status in _DAMAGE
    # JSON, UTF-8, and the structure that Orbax's own files describe. No bit that was flipped in
    # them gave a TypeError or an AttributeError: those are faults of a program.
    return isinstance(error, (ValueError, LookupError))


def is_of_files(error: Exception) -> bool:
    """Return whether a file system, or TensorStore, raised an error: any but a program's fault."""
    error = _cause(error)
    if isinstance(error, (InputError, CheckpointWriteError)):
        return False
    return (
        isinstance(error, OSError)
        or _is_remote_librarys(error)
        or _os_code(error) is not None
        or _status(error) is not None
    )


def is_full(error: Exception) -> bool:
    """Return whether an error at writing says that there is no room."""
    if not is_of_files(error):
        return False
    error = _cause(error)
    code = _os_code(error)
    if code is not None:
        return code in _FULL
    full = any(word in str(error) for word in _FULL_WORDS)
    return full or _status(error) == "RESOURCE_EXHAUSTED"


def first_line(error: Exception) -> str:
    """Return what an exception says, in at most 200 characters; its type if it says nothing.

    What is longer loses whole words before its last clause, which is the cause; all of it is in the
    debug log (``-v``).
    """
    error = _cause(error)
    lines = str(error).splitlines() or [type(error).__name__]
    line = lines[0]
    if len(line) <= _LONGEST:
        return line
    logger.debug("%s: %s", type(error).__name__, error)
    cause = line.rpartition(": ")[2]
    cause = f" {cause}" if len(cause) <= _LONGEST // 2 else ""
    room = _LONGEST - len(_MORE) - len(cause)
    words = line[: room + 1].rpartition(" ")[0].rstrip(" ,;:")
    return (words or line[:room]) + _MORE + cause


def patiently(read: Callable[[], T], path: epath.Path, name: str) -> T:
    """Return what ``read`` returns; try a few times while the file system refuses.

    Args:
      read: Reads a file or directory of a checkpoint.
      path: What it reads, for the messages.
      name: Its short name within the checkpoint, for damage.

    Raises:
      DamagedCheckpointError: If it is damaged.
      InputError: If it can't be read now, which says nothing about it.
    """
    for pause in (*PAUSES_SECS, None):
        try:
            return read()
        except Exception as error:
            if is_damage(error):
                raise DamagedCheckpointError(f"{name}: {first_line(error)}") from None
            if not is_of_files(error):
                raise
            if pause is None:
                raise InputError(
                    f"{path}: can't be read now ({first_line(error)}); nothing was changed. Try"
                    " again, or, to give this checkpoint up, move its directory away"
                ) from None
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


_SHARED = (InputError, CheckpointWriteError, DamagedCheckpointError)
"""What one process raises in all, the first of them first: damage is believed only by itself."""


def together(act: Callable[[], T]) -> T:
    """Return what ``act`` returned; what one process meets is raised in all; a collective."""
    result, met = None, None
    try:
        result = act()
    except _SHARED as error:
        kind = next(index for index, one in enumerate(_SHARED) if isinstance(error, one))
        met = [kind, str(error)]
    everywhere: list[Any] = gather_json(met)
    found = [(one[0], index, one[1]) for index, one in enumerate(everywhere) if one is not None]
    if found:
        kind, index, message = min(found)
        where = f"process {index}: " if jax.process_count() > 1 else ""
        raise _SHARED[kind](where + message)
    return result  # type: ignore[return-value]


def _cause(error: Exception) -> Exception:
    """Return the error that Orbax wrapped in a bare ``Exception``, if it did."""
    cause = error.__cause__
    return cause if type(error) is Exception and isinstance(cause, Exception) else error


def _status(error: Exception) -> str | None:
    found = _STATUS.match(str(error)) if isinstance(error, ValueError) else None
    return found[1] if found else None


def _os_code(error: Exception) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    found = _OS_CODE.search(str(error)) if isinstance(error, ValueError) else None
    return int(found[1]) if found else None


def _is_remote_librarys(error: Exception) -> bool:
    """Return whether a library of a remote file system speaks: by its class, or where it arose."""
    if isinstance(error, (OSError, TypeError, AttributeError)):
        return False
    modules = [type(error).__module__]
    for frame, _ in traceback.walk_tb(error.__traceback__):
        modules[1:] = [str(frame.f_globals.get("__name__"))]
    return any(module.split(".")[0] in _REMOTE_LIBRARIES for module in modules)
