"""The picture of flips: where along alpha examples turn right, and where they turn wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.curve_rows import CurveRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.labels import add_footnote, broken, named, shortened
from wiseft_jax.reporting.saving import PNG_AND_SVG, save_kinds
from wiseft_jax.reporting.style import BLACK, BLUE, STYLE, VERMILLION

_COLUMNS = 3
_NAME_SIZE = 10.0
_NAME_POINTS = 225.0
"""Room for a set's name above its panel, less than the panel's own width."""

_BINS = 20


def draw_flips(
    curve_rows: Sequence[CurveRow],
    path: Path | str,
    *,
    title: str = "",
    kinds: Sequence[str] = PNG_AND_SVG,
) -> list[Path]:
    """Draw the picture, as PNG and SVG if not told otherwise, and return the paths.

    One panel a set: bars upwards are examples that turn from wrong to right within a slice of
    alpha, bars downwards those that turn from right to wrong; the line is what remains of it, the
    change of accuracy since the left end.

    Args:
      curve_rows: The continuous curves.
      path: Where to; ``flips.png`` gives ``flips.png`` and ``flips.svg``.
      title: A line above the panels.
      kinds: Formats, of ``reporting.saving.KINDS``.

    Raises:
      InputError: If there is no curve.
    """
    with matplotlib.rc_context(STYLE):
        figure = flips_figure(curve_rows, title=title)
        return save_kinds(figure, path, kinds)


def flips_figure(curve_rows: Sequence[CurveRow], *, title: str = "") -> Figure:
    """Return the picture as a matplotlib figure."""
    if not curve_rows:
        raise InputError("there are no curves to show flips of; sweep with --sweep.method curve")
    columns = min(_COLUMNS, len(curve_rows))
    lines = math.ceil(len(curve_rows) / columns)
    size = (4.1 * columns + 0.6, 2.9 * lines + 1.1)
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    shares = [_draw(axes, row) for axes, row in zip(panels.flat, curve_rows, strict=False)]
    most = max([*shares, 1e-3])
    for axes in panels.flat:
        axes.set_ylim(-1.12 * most, 1.12 * most)
    for axes in panels.flat[len(curve_rows) :]:
        axes.set_visible(False)
    for place, axes in enumerate(panels.flat[: len(curve_rows)]):
        if place + columns >= len(curve_rows):
            axes.set_xlabel("α   (0: zero-shot, 1: fine-tuned)")
            axes.tick_params(labelbottom=True)
        if place % columns == 0:
            axes.set_ylabel("share of the examples")
    heading = broken(title or "Where predictions flip along α", 72 * size[0] - 20, 12.5)
    figure.suptitle(heading, x=0.012, ha="left", fontsize=12.5)
    footnote = (
        "bars: examples that turn right (up) or wrong (down) within a slice of α; line: the sum so"
        " far, the change of accuracy"
    )
    add_footnote(figure, footnote)
    return figure


def draw_turns(
    axes: Axes, edges: Sequence[float] | Float[np.ndarray, " E"], won: Any, lost: Any
) -> None:
    """Draw what turns right upwards and what turns wrong downwards, a bar a slice of alpha.

    Args:
      axes: The panel.
      edges: Of the slices, rising.
      won: Shares of the examples that turn right, one a slice.
      lost: Shares that turn wrong.
    """
    widths = np.diff(edges)
    shared: dict[str, Any] = {"align": "edge", "edgecolor": "white", "linewidth": 0.5}
    axes.bar(edges[:-1], won, widths, color=BLUE, **shared)
    axes.bar(edges[:-1], -np.asarray(lost), widths, color=VERMILLION, hatch="///", **shared)


def finish_panel(axes: Axes, low: float, high: float) -> None:
    """Draw the line of no change, and set the limits of alpha and ticks in percent.

    Args:
      axes: The panel.
      low: The smallest alpha.
      high: The largest.
    """
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set_xlim(low, high)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: _tick(share)))


def _tick(share: float) -> str:
    shown = f"{100 * share:+.3g} %"
    return "0 %" if shown in ("+0 %", "-0 %") else shown


def _draw(axes: Axes, row: CurveRow) -> float:
    """Draw one set; return the largest share on it."""
    low, high = row["alphas"][0], row["alphas"][-1]
    edges = np.linspace(low, high, _BINS + 1)
    won = np.histogram(row["won"], edges)[0] / row["n"]
    lost = np.histogram(row["lost"], edges)[0] / row["n"]
    draw_turns(axes, edges, won, lost)
    hits = np.asarray(row["hits"])
    change = (hits - hits[0]) / row["n"]
    axes.plot(row["alphas"], change, color=BLACK, linewidth=1.8)
    finish_panel(axes, low, high)
    name = named(row["dataset"], row["split"])
    axes.set_title(shortened(name, _NAME_POINTS, _NAME_SIZE), fontsize=_NAME_SIZE, pad=17)
    # Between the name and the panel: within it there may be bars or the line anywhere.
    axes.annotate(
        f"{len(row['won'])} won, {len(row['lost'])} lost, n = {row['n']}",
        (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
        fontsize=8, color="0.3",
    )  # fmt: skip
    return float(max(won.max(), lost.max(), np.abs(change).max()))
