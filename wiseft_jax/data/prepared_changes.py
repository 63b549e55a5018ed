"""What differs between a prepared set as it was begun and as it is asked for now."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from wiseft_jax.core.errors import counted

_SHOWN = 60


def describe_changes(
    was: Mapping[str, Any], now: Mapping[str, Any], ignored: Collection[str] = ()
) -> str:
    """Return which facts have changed, for a message: in words first, then each; "" if none has.

    Args:
      was: What the manifest has.
      now: The same facts as they are, as JSON has them.
      ignored: Facts that may differ.

    Example:
      >>> describe_changes({"shard_mib": 1}, {"shard_mib": 2})
      'it was begun otherwise: shard_mib was 1, is 2'
    """
    changed = [name for name in now if name not in ignored and was.get(name) != now[name]]
    if not changed:
        return ""
    listed = "; ".join(
        f"{name} was {_short(was.get(name))}, is {_short(now[name])}" for name in changed
    )
    return f"{_source_change(was, now)}it was begun otherwise: {listed}"


def _source_change(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    before, after = was.get("images") or {}, now.get("images") or {}
    if set(before) != set(after):
        return f"it had the splits {', '.join(before)}, now {', '.join(after)}; "
    changed = [
        f"{name} had {counted(before[name], 'image')}, now {after[name]:,}"
        for name in after
        if before[name] != after[name]
    ]
    if changed:
        return f"the source has changed: {', '.join(changed)}; "
    if was.get("source_fingerprints") != now.get("source_fingerprints"):
        return "the source has changed: as many images as before, but not the same; "
    return ""


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
