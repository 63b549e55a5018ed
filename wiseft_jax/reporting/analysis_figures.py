"""What the pictures of analyses share: panels in a grid, rows by set, error bars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.labels import broken, named, shortened
from wiseft_jax.reporting.style import SET_COLOURS, SET_DASHES

COLUMNS = 3
NAME_SIZE = 10.0


def rows_of(rows: Iterable[AnalysisRow], *metrics: str, **fields: Any) -> list[AnalysisRow]:
    """Return the rows of some metrics whose fields have the given values, in their order."""
    return [
        row
        for row in rows
        if row["metric"] in metrics and all(row[name] == value for name, value in fields.items())
    ]


def set_names(rows: Iterable[AnalysisRow]) -> dict[str, str]:
    """Return the sets of rows, in their order, with the names that pictures give them.

    Raises:
      InputError: If there is none.
    """
    found = {
        row["dataset"]: named(row["dataset"], row["split"] or "test", row["role"])
        for row in rows
        if row["dataset"] is not None
    }
    if not found:
        raise InputError("there are no rows of a set to draw")
    return found


def spread_of(rows: Sequence[AnalysisRow]) -> tuple[np.ndarray, np.ndarray]:
    """Return values, and how far their intervals reach down and up ``[2, N]``; 0 without one."""
    values = np.array([row["value"] for row in rows])
    low = np.array([row["value"] if row["ci_low"] is None else row["ci_low"] for row in rows])
    high = np.array([row["value"] if row["ci_high"] is None else row["ci_high"] for row in rows])
    return values, np.maximum([values - low, high - values], 0)


def panel_grid(
    count: int, title: str, size: tuple[float, float], columns: int = COLUMNS, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels in rows of ``columns``, and its visible panels.

    Args:
      count: How many panels.
      title: A line above them.
      size: Of a panel, in inches.
      columns: How many stand side by side.
      **options: For ``Figure.subplots``.
    """
    columns = min(columns, count)
    lines = math.ceil(count / columns)
    width = size[0] * columns + 0.6
    figure = Figure(figsize=(width, size[1] * lines + 1.1), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False, **options)
    for axes in panels.flat[count:]:
        axes.set_visible(False)
    figure.suptitle(broken(title, 72 * width - 20, 12.5), x=0.012, ha="left", fontsize=12.5)
    return figure, list(panels.flat[:count])


def name_panel(axes: Axes, name: str, width: float, pad: float = 6) -> None:
    """Write a set's name above its panel, cut where it is too wide.

    Args:
      axes: The panel.
      name: The set's.
      width: Of the panel, in inches.
      pad: Points between the two.
    """
    axes.set_title(shortened(name, 72 * width - 40, NAME_SIZE), fontsize=NAME_SIZE, pad=pad)


def legend_beside(figure: Figure, handles: Sequence[Artist], room: float = 2.0) -> None:
    """Widen a figure, and put a legend to the right of its panels.

    Args:
      figure: With the constrained layout.
      handles: With labels.
      room: For the legend, in inches.
    """
    figure.set_figwidth(figure.get_figwidth() + room)
    figure.legend(
        handles=handles, loc="outside right upper", frameon=False, fontsize=9, handlelength=3
    )


def line_style(place: int) -> dict[str, Any]:
    """Return colour and dashes of the line of a set; the first 42 differ."""
    colour = SET_COLOURS[place % len(SET_COLOURS)]
    return {"color": colour, "linestyle": (0, SET_DASHES[place % len(SET_DASHES)])}


def short(name: str, most: int = 24) -> str:
    """Return a name with an ellipsis for its middle, if it is longer than that."""
    if len(name) <= most:
        return name
    return f"{name[: most // 2]}…{name[-(most - most // 2 - 1) :]}"
