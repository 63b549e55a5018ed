"""Whether the fields of a result row can be what they say; a file may have been edited by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from wiseft_jax.core.typing import Role, Split

METHODS = ("direct", "curve")
_TEXTS = ("dataset", "metric", "config_hash")
_CHOICES: Mapping[str, Sequence[str]] = {
    "split": get_args(Split),
    "role": get_args(Role),
    "method": METHODS,
}
_FRACTIONS = ("value", "ci_low", "ci_high", "band_low", "band_high")
_INSIDE = ("top1", "worst_region", "pm0", "pm10")
"""Metrics whose interval holds the value by how it is made; one of a bootstrap needn't."""
_TOLERANCE = 1e-9
"""Of comparisons: ends and value are computed apart, each to the last digits of a double."""


def problem_of(row: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a result row; None if nothing is.

    Args:
      row: With all fields of ``core.results.Measured``.

    Example:
      >>> problem_of({**row, "value": 1.7})
      'value: expected a number in [0, 1], found 1.7'
    """
    for name in _TEXTS:
        if not isinstance(row[name], str):
            return _said(row, name, "a text")
    for name, choices in _CHOICES.items():
        if row[name] not in choices:
            return _said(row, name, f"one of {', '.join(choices)}")
    if not _is_number(row["alpha"]):
        return _said(row, "alpha", "a finite number")
    if not isinstance(row["n"], int) or isinstance(row["n"], bool) or row["n"] < 1:
        return _said(row, "n", "a whole number of at least 1")
    for name in _FRACTIONS:
        if name in row and not (_is_number(row[name]) and _between(0, row[name], 1)):
            return _said(row, name, "a number in [0, 1]")
    return _order(row)


def _order(row: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the ends of the interval and of the band."""
    for what in ("ci", "band"):
        low, high = f"{what}_low", f"{what}_high"
        if low not in row or high not in row:
            continue
        if not _between(row[low], row[high], 1):
            return _said(row, low, f"at most {high} ({row[high]})")
        inside = what == "band" or row["metric"] in _INSIDE
        if inside and not _between(row[low], row["value"], row[high]):
            return _said(row, "value", f"a number from {low} to {high} ({row[low]} to {row[high]})")
    return None


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _between(low: float, value: float, high: float) -> bool:
    return low - _TOLERANCE <= value <= high + _TOLERANCE


def _said(row: Mapping[str, Any], name: str, expected: str) -> str:
    return f"{name}: expected {expected}, found {row[name]!r}"
