"""Configurations as dotted names and values, and in which of them runs differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return dotted name -> value as JSON, in the configuration's order.

    Example:
      >>> flat({"sweep": {"rule": "constant"}})
      {'sweep.rule': '"constant"'}
    """
    found: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = json.dumps(value, ensure_ascii=False)
    return found


def differing(configs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the fields in which configurations differ, with each one's value."""
    flattened = [flat(config) for config in configs]
    names = dict.fromkeys(name for each in flattened for name in each)
    values = {name: [each.get(name, "(not there)") for each in flattened] for name in names}
    return [(name, found) for name, found in values.items() if len(set(found)) > 1]
