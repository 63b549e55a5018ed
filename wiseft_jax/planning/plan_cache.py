"""Facts of compiled steps, kept as JSON in the user's cache: a compile takes minutes.

Entries lie under ``cache_root()/plans/``; ``--no-cache`` and ``WISEFT_NO_CACHE`` turn them off as
they do the cache of arrays. The least recently used ones leave beyond ``MAX_PLANS``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Any

from wiseft_jax.core.cache import cache_root, is_disabled
from wiseft_jax.core.writers import write_json

logger = logging.getLogger(__name__)

MAX_PLANS = 1000


def plan_path(key: str) -> Path:
    """Return the file of an entry."""
    return cache_root() / "plans" / f"{key}.json"


def load_plan(key: str) -> dict[str, Any] | None:
    """Return a stored value, or None; a damaged entry is removed, with a warning."""
    if is_disabled():
        return None
    path = plan_path(key)
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.warning("%s: damaged cache entry removed (%s)", path, error)
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return value


def store_plan(key: str, value: dict[str, Any]) -> None:
    """Write an entry; a full or read-only disk is a warning."""
    if is_disabled():
        return
    path = plan_path(key)
    try:
        write_json(path, value)
        entries = sorted(path.parent.glob("*.json"), key=lambda entry: entry.stat().st_mtime_ns)
        for entry in entries[:-MAX_PLANS]:
            entry.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s: can't write the cache (%s); going on without", path, error)
