"""The user's cache of arrays: content-addressed, bounded, safe to delete at any time.

Entries lie under ``$XDG_CACHE_HOME/wiseft_jax/<kind>/<key>.npz`` (``~/.cache`` by default). They
are written atomically, read without pickle, and the least recently used ones leave when the bound
(5 GB) is passed. A damaged entry is a miss. ``WISEFT_NO_CACHE=1``, or a ``with disabled():``
block, turns the cache off: nothing is read and nothing is written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from wiseft_jax.core.hashing import hash_bytes
from wiseft_jax.core.writers import atomic_open

logger = logging.getLogger(__name__)

MAX_BYTES = 5 * 10**9
STALE_SECS = 3600.0
OFF_VARIABLE = "WISEFT_NO_CACHE"

_disabled_blocks = 0


def cache_root() -> Path:
    """Return the cache's directory, which may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wiseft_jax"


@contextlib.contextmanager
def disabled() -> Iterator[None]:
    """Turn every cache off inside the block (``--no-cache``)."""
    global _disabled_blocks
    _disabled_blocks += 1
    try:
        yield
    finally:
        _disabled_blocks -= 1


def is_disabled() -> bool:
    """Return whether caches are off, by a ``disabled()`` block or by ``WISEFT_NO_CACHE``."""
    return _disabled_blocks > 0 or os.environ.get(OFF_VARIABLE, "") not in ("", "0")


@dataclasses.dataclass(frozen=True)
class Cache:
    """Named arrays by kind and key.

    Args:
      enabled: False makes every load a miss and every store a no-op.
      root: The directory; None is ``cache_root()``, read at each use.
      max_bytes: The bound on the sum of the entries' sizes, over all kinds.

    Example:
      >>> cache = Cache()
      >>> cache.store("heads", key, {"kernel": kernel})
      >>> cache.load("heads", key)["kernel"]
    """

    enabled: bool = True
    root: Path | None = None
    max_bytes: int = MAX_BYTES

    def path(self, kind: str, key: str) -> Path:
        """Return the file of an entry."""
        safe = key if re.fullmatch(r"[\w-]{1,100}", key) else hash_bytes(key.encode())
        return (self.root or cache_root()) / kind / f"{safe}.npz"

    def load(self, kind: str, key: str) -> dict[str, np.ndarray] | None:
        """Return the arrays of an entry, or None when there is none; marks it as used.

        A damaged entry is removed, with a warning, and counts as none.
        """
        if not self.enabled or is_disabled():
            return None
        path = self.path(kind, key)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as entry:
                arrays = {name: entry[name] for name in entry.files}
        except FileNotFoundError:
            return None
        except Exception as error:
            logger.warning("%s: damaged cache entry removed (%s)", path, error)
            _remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return arrays

    def store(self, kind: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write an entry, then remove the least recently used ones beyond the bound.

        A full or read-only disk is a warning, not an error: the cache is never needed.

        Raises:
          TypeError: If a dtype can't be stored without pickle (objects, bfloat16).
        """
        if not self.enabled or is_disabled():
            return
        values = {name: np.asarray(array) for name, array in arrays.items()}
        for name, array in values.items():
            if array.dtype.kind in "OV":
                raise TypeError(f"cache entry {kind}/{name}: dtype {array.dtype} can't be stored")
        path = self.path(kind, key)
        size = sum(array.nbytes for array in values.values())
        if size > self.max_bytes:
            logger.info("%s: %d bytes are more than the cache may hold; not stored", path, size)
            return
        try:
            with atomic_open(path) as file:
                _write_npz(file, values)
        except OSError as error:
            logger.warning("%s: can't write the cache (%s); going on without", path, error)
            return
        self._evict(keep=path)

    def _evict(self, keep: Path) -> None:
        root = self.root or cache_root()
        now = time.time()
        entries = []
        for path in root.glob("*/*"):
            try:
                stat = path.stat()
            except OSError:
                continue
            if path.suffix == ".npz":
                entries.append((stat.st_mtime_ns, stat.st_size, path))
            elif path.suffix == ".tmp" and now - stat.st_mtime > STALE_SECS:
                _remove(path)
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.max_bytes:
                break
            if path != keep:
                logger.info("%s: least recently used, removed from the cache", path)
                _remove(path)
                total -= size


def _write_npz(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w") as archive:  # as np.savez does, but for any name
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
