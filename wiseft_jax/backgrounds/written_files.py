"""Are the files that a build wrote still as it wrote them? Asked before it goes on."""

from __future__ import annotations

import concurrent.futures
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from wiseft_jax.core.errors import counted, first_few

logger = logging.getLogger(__name__)

Fault: TypeAlias = Literal["missing", "changed"]

_THREADS = 8
_SHOWN = 3


def faulty_files(digests: Mapping[Path, str]) -> dict[Path, Fault]:
    """Return the files that aren't as they were written; changed ones are logged.

    Writes are atomic, so a killed build leaves whole files; but a machine that goes down may leave
    empty ones, a full disk or a copy that was broken off shorter ones, and a hand others.

    Args:
      digests: File -> SHA-256 of what was written.
    """
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        faults = pool.map(_fault, digests.keys(), digests.values())
        found: dict[Path, Fault] = {
            path: fault for path, fault in zip(digests, faults, strict=True) if fault
        }
    changed = [str(path) for path, fault in found.items() if fault == "changed"]
    if changed:
        logger.warning(
            "%s what this build wrote (cut short, or changed), and made again: %s",
            counted(len(changed), "file isn't", "files aren't"),
            first_few(changed, _SHOWN),
        )
    return found


def remove_leftovers(root: Path) -> int:
    """Remove the temporary files of atomic writes that were killed; return how many there were.

    Args:
      root: A directory in which nobody else writes.
    """
    left = [path for path in root.rglob(".*.tmp") if path.is_file()]
    for path in left:
        path.unlink()
    if left:
        logger.info("%s: %d unfinished files of a killed build are removed", root, len(left))
    return len(left)


def _fault(path: Path, digest: str) -> Fault | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "changed"
    return None if hashlib.sha256(data).hexdigest() == digest else "changed"
