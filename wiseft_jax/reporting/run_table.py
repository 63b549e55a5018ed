"""The table of many runs: what they are, how far they came, their key numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wiseft_jax.core.run_summary import Summary

HEADS = (
    "run", "state", "name", "recipe", "alpha", "n", "reference 0 / alpha / 1",
    "mean of shifts 0 / alpha / 1", "written (UTC)", "configuration",
)  # fmt: skip

SORT_KEYS: dict[str, Callable[[Summary], Any]] = {
    "path": lambda each: each.path,
    "name": lambda each: each.name,
    "recipe": lambda each: each.recipe,
    "state": lambda each: each.state,
    "date": lambda each: each.date,
    "alpha": lambda each: each.alpha,
    "reference": lambda each: each.reference.get("chosen"),
    "shifts": lambda each: each.mean_of_shifts.get("chosen"),
}
"""What a list can be sorted by -> its value."""

_LARGEST_FIRST = ("date", "alpha", "reference", "shifts")


def sorted_runs(runs: Sequence[Summary], key: str) -> list[Summary]:
    """Return the runs in order: texts rising, numbers and dates falling; without a value last.

    Args:
      runs: In the order of paths, which equals keep.
      key: A name in ``SORT_KEYS``.
    """
    value = SORT_KEYS[key]
    known = [each for each in runs if value(each) is not None]
    known = sorted(known, key=value, reverse=key in _LARGEST_FIRST)
    return [*known, *(each for each in runs if value(each) is None)]


def run_cells(runs: Sequence[Summary]) -> list[list[str]]:
    """Return the cells below ``HEADS``; accuracies in %, ``-`` for what isn't there."""
    return [
        [
            each.path,
            each.state if not each.why else f"{each.state}: {each.why}",
            each.name or "-",
            each.recipe or "-",
            "-" if each.alpha is None else f"{each.alpha:g}",
            "-" if each.n is None else f"{each.n}",
            _three(each.reference),
            _three(each.mean_of_shifts) + (f" ({each.shifts})" if each.shifts else ""),
            each.date or "-",
            each.config_hash or "-",
        ]
        for each in runs
    ]


def _three(values: Mapping[str, float]) -> str:
    if not values:
        return "-"
    names = ("zero_shot", "chosen", "fine_tuned")
    return " / ".join(f"{100 * values[name]:.1f}" if name in values else "-" for name in names)
