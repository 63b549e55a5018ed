"""What the chosen alpha gains and costs on each set, against both ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.reporting.series import Curves
from wiseft_jax.reporting.tables import p_text

HEADS = (
    "set", "kind", "n", "accuracy", "95 % interval", "against zero-shot", "against fine-tuned",
)  # fmt: skip
GAINS_NOTE = (
    "Differences: in brackets 95 % intervals (Newcombe's, of the same images), and p of McNemar's"
    " exact test, of each set and end by itself."
)


def gains_cells(
    curves: Curves, alpha: float, gains: Sequence[Mapping[str, Any]]
) -> list[list[str]]:
    """Return the cells below ``HEADS``; none where the alpha wasn't measured.

    Args:
      curves: Every set.
      alpha: The chosen one.
      gains: ``SweepResult.gains`` of it: intervals and tests of the differences; may be empty.
    """
    tested = {(gain["dataset"], gain["split"], gain["end"]): gain for gain in gains}
    lines = []
    for series in curves.all:
        point = series.at(alpha)
        if point is None:
            continue
        differences = [
            points_text(point.value - other.value)
            + _tested(tested.get((series.name, series.split, end)))
            if (other := series.at(end))
            else "-"
            for end in (0.0, 1.0)
        ]
        kind = f"{series.split} {series.role.replace('_', ' ')}"
        kind = kind if series is not curves.mean else "mean"
        interval = f"[{100 * point.low:.1f}, {100 * point.high:.1f}]"
        cells = [series.name, kind, f"{series.n}", f"{100 * point.value:.1f}"]
        lines.append([*cells, interval, *differences])
    return lines


def points_text(difference: float) -> str:
    """Return a difference of fractions as ``+1.5 points``."""
    points = round(100 * difference, 1) + 0.0
    return f"{points:+.1f} point{'' if abs(points) == 1 else 's'}"


def _tested(gain: Mapping[str, Any] | None) -> str:
    if gain is None:
        return ""
    low, high = (round(100 * gain[side], 1) + 0.0 for side in ("low", "high"))
    return f" [{low:+.1f}, {high:+.1f}], {p_text(gain['p_value'])}"
