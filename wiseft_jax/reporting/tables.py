"""The accuracy table: one row for each alpha of interest, one column for each set."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax.core.results import Row, kind_of_set
from wiseft_jax.reporting.series import Curves, Series, Value
from wiseft_jax.reporting.wide_table import WideTable

_MOST_ROWS = 11
_SAME = 1e-9


@dataclasses.dataclass(frozen=True)
class Cells:
    """What a table shows.

    Attributes:
      curves: Every set.
      sets: The columns.
      alphas: The rows.
      chosen: The index in ``alphas`` of the chosen one, if it is there.
    """

    curves: Curves
    sets: list[Series]
    alphas: list[float]
    chosen: int | None


def accuracy_table(
    rows: Sequence[Row],
    *,
    selection: Mapping[str, Any] | None = None,
    intervals: bool = False,
    title: str = "",
) -> WideTable:
    """Return the table for a terminal, percentages with one decimal, cut to fit its width.

    Args:
      rows: Top-1 rows.
      selection: ``Selection.facts()``: the chosen alpha, which is marked.
      intervals: Whether to show the 95 % intervals.
      title: A line above.

    Raises:
      InputError: If there are no top-1 rows.

    Example:
      >>> rich.print(accuracy_table(result.rows, selection=selection.facts()))
    """
    cells = accuracy_cells(rows, selection=selection)
    caption = "accuracy in % on n images; alpha 0: zero-shot, 1: fine-tuned"
    caption += ", *: chosen" if cells.chosen is not None else ""
    if any(_has_band(each.at(alpha)) for each in cells.sets for alpha in cells.alphas):
        caption += "; (low-high): what is uncertain counted as wrong, as right"
    lines = []
    for index, alpha in enumerate(cells.alphas):
        mark = " *" if index == cells.chosen else ""
        row = [
            _cell(each.at(alpha), "\n{low}-\n{high}" if intervals else "", "\n({low}-\n{high})")
            for each in cells.sets
        ]
        lines.append([f"{alpha:g}{mark}", *row])
    return WideTable(
        title,
        caption,
        ["alpha"],
        [_head(each, cells.curves) for each in cells.sets],
        lines,
        [] if cells.chosen is None else [cells.chosen],
    )


def markdown_table(
    rows: Sequence[Row],
    *,
    selection: Mapping[str, Any] | None = None,
    intervals: bool = False,
) -> str:
    """Return the same table in Markdown; in parentheses the band of a continuous curve."""
    cells = accuracy_cells(rows, selection=selection)
    header = ["alpha", *(f"{escaped(e.name)} ({_purpose(e, cells.curves)})" for e in cells.sets)]
    rule = [":--", *["--:"] * len(cells.sets)]
    body = []
    for index, alpha in enumerate(cells.alphas):
        row = [
            _cell(each.at(alpha), " [{low}, {high}]" if intervals else "", " ({low} to {high})")
            for each in cells.sets
        ]
        row = [alpha_name(alpha, chosen=index == cells.chosen), *row]
        body.append([f"**{cell}**" for cell in row] if index == cells.chosen else row)
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, rule, *body))


def accuracy_cells(rows: Sequence[Row], *, selection: Mapping[str, Any] | None = None) -> Cells:
    """Return what a table shows."""
    curves = Curves.of(rows)
    chosen = None if selection is None else float(selection["alpha"])
    alphas = alphas_of_interest(curves.alphas, chosen)
    return Cells(curves, curves.all, alphas, alphas.index(chosen) if chosen in alphas else None)


def alphas_of_interest(alphas: Sequence[float], chosen: float | None = None) -> list[float]:
    """Return the alphas that a table shows: up to 11 all, else tenths, 0.5, ends, chosen."""
    if len(alphas) <= _MOST_ROWS:
        return list(alphas)
    kept = {alphas[0], alphas[-1]}
    kept |= {alpha for alpha in alphas if alpha in (0.0, 0.5, 1.0, chosen)}
    tenths = [alpha for alpha in alphas if abs(alpha * 10 - round(alpha * 10)) < _SAME]
    step = -(-len(tenths) // _MOST_ROWS) if tenths else 1
    return sorted(kept | set(tenths[::step]))


def alpha_name(alpha: float, chosen: bool = False) -> str:
    """Return ``"0 zero-shot"``, ``"0.4 chosen"``, ``"1 fine-tuned, chosen"``."""
    words = {0.0: ["zero-shot"], 1.0: ["fine-tuned"]}.get(alpha, []) + ["chosen"] * chosen
    return f"{alpha:g} {', '.join(words)}".strip()


def _cell(point: Value | None, interval: str, band: str) -> str:
    if point is None:
        return "-"
    text = f"{100 * point.value:.1f}"
    if point.band is not None and _has_band(point):
        low, high = (f"{100 * bound:.1f}" for bound in point.band)
        text += band.format(low=low, high=high)
    low, high = (f"{100 * bound:.1f}" for bound in (point.low, point.high))
    return text + interval.format(low=low, high=high)


def _has_band(point: Value | None) -> bool:
    """Return whether a cell has a band that is wider than what is printed."""
    if point is None or point.band is None:
        return False
    return len({f"{100 * share:.1f}" for share in (point.value, *point.band)}) > 1


def _head(series: Series, curves: Curves) -> tuple[str, str, str]:
    """Return what the terminal's column head says: the name, what the set is for, its n."""
    kind, _, n = _purpose(series, curves).partition(", n=")
    return series.name, short_kind(kind), n


def short_kind(kind: str) -> str:
    """Return what a set is for, short enough for the head of a column.

    Args:
      kind: As ``core.results.kind_of_set`` says it.
    """
    return kind.replace("reference", "ref.").replace("validation", "val.")


def _purpose(series: Series, curves: Curves) -> str:
    if series is curves.mean:
        return f"{len(curves.shifts)} sets"
    return f"{kind_of_set(series.split, series.role)}, n={series.n}"


def p_text(value: float) -> str:
    """Return a p-value as reports say it: ``p < .001`` or ``p = 0.049``."""
    return "p < .001" if value < 0.001 else f"p = {value:.2g}"


def escaped(text: str) -> str:
    """Return a text as it goes into a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
