"""Atomic writes (temporary file, fsync, rename) and the JSON-lines appender."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from wiseft_jax.core.errors import InputError

_PROBE_BYTES = 4096


@contextlib.contextmanager
def atomic_open(path: Path | str) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path``; at the end fsync it and rename it to ``path``.

    An exception leaves the old ``path`` as it was and removes the temporary file. Of a link the
    target is replaced; what is no file (a device, a pipe) is written into.

    Raises:
      OSError: Of the file system, with the path.
    """
    path = Path(path)
    path = path.resolve() if path.is_symlink() else path
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as file:
                yield file
        else:
            with _in_place(path) as file:
                yield file
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextlib.contextmanager
def _in_place(path: Path) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_open(path) as file:
        file.write(data)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path`` atomically.

    Raises:
      ValueError: If a number is not finite: JSON has no NaN; nothing is written then.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def check_writable(directory: Path | str, otherwise: str = "give another place") -> None:
    """Raise unless files can be written into a directory, before work that ends with writing them.

    A directory that isn't there is looked for upwards; it isn't made. What shows only later (a disk
    that fills up) raises ``OSError`` then.

    Args:
      directory: Where files will be written.
      otherwise: What to do about it.

    Raises:
      InputError: Names the directory, and why not.
    """
    place = Path(directory).absolute()
    try:
        while not os.path.lexists(place) and place != place.parent:
            place = place.parent
        if not place.is_dir():
            kind = "a link to nothing" if place.is_symlink() else "a file"
            raise InputError(f"{directory}: can't write there: {place} is {kind}, not a directory")
        with tempfile.TemporaryFile(dir=place) as file:  # no name: nothing is left behind
            file.write(b"\0" * _PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        barred = error.errno in (errno.EACCES, errno.EPERM)
        mend = "make room, or " * full + "change its permissions, or " * barred
        raise InputError(
            f"{directory}: can't write there ({error.strerror}); {mend}{otherwise}"
        ) from None


class JsonlWriter:
    """Append JSON objects to a file, one a line, flushed after each.

    Example:
      >>> with JsonlWriter("train.jsonl") as log:
      ...     log.write({"step": 1, "loss": 0.5})
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8")

    def write(self, record: dict[str, Any]) -> None:
        """Append one record.

        Raises:
          ValueError: If a number is not finite: JSON has no NaN; nothing is written then.
        """
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> JsonlWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
