"""The picture of flips on the grid: how many answers turn right, wrong or other, and where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.analysis_figures import (
    legend_beside,
    name_panel,
    panel_grid,
    rows_of,
    set_names,
)
from wiseft_jax.reporting.flips import draw_turns, finish_panel
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.style import BLACK, BLUE, VERMILLION

_WIDTH = 3.9
_KINDS = ("won", "lost", "changed")
_BEFORE = re.compile(r"alpha (\S+)")
_PALE = "0.78"
_DOTS: dict[str, Any] = {
    "color": BLACK, "marker": "o", "markersize": 3.6, "linestyle": "", "markeredgecolor": "white",
    "markeredgewidth": 0.6,
}  # fmt: skip


def turns_figure(rows: Sequence[AnalysisRow], chosen: float | None = None) -> Figure:
    """Return the picture: a panel a set, a bar a step of the grid.

    Upwards those of the answers that were wrong: they turn right, or into another wrong one
    (stacked). Downwards those that were right and turn wrong. A dot: what remains of it, the change
    of accuracy within the step.

    Args:
      rows: Of the analysis ``flips``.
      chosen: The chosen alpha, which is marked.

    Raises:
      InputError: If there are no rows of a set.
    """
    steps = rows_of(rows, *_KINDS)
    names = set_names(rows_of(rows, "flips", *_KINDS))
    figure, panels = panel_grid(
        len(names), "Which answers turn, and at which α of the grid", (_WIDTH, 2.9), sharey=True
    )
    edges = [edge for row in steps for edge in _step(row)]
    low, high = min([0.0, *edges]), max([1.0, *edges])
    reach = [(1e-3, 1e-3)]
    for axes, (dataset, name) in zip(panels, names.items(), strict=True):
        own = [row for row in steps if row["dataset"] == dataset]
        reach.append(_draw(axes, own))
        finish_panel(axes, low, high)
        if chosen is not None:
            axes.axvline(chosen, color="0.25", linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1)
        name_panel(axes, name, _WIDTH, pad=18)
        axes.annotate(
            _counts(own, next(iter(rows_of(rows, "flips", dataset=dataset)), None)),
            (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
            fontsize=8, color="0.3",
        )  # fmt: skip
        axes.set_xlabel("α   (0: zero-shot, 1: fine-tuned)")
    up, down = (max(each) for each in zip(*reach, strict=True))
    panels[0].set_ylim(-1.12 * down, 1.12 * up)  # which all share
    legend_beside(
        figure,
        [
            Patch(facecolor=BLUE, edgecolor="white", label="turn right"),
            Patch(facecolor=VERMILLION, edgecolor="white", hatch="///", label="turn wrong"),
            Patch(facecolor=_PALE, edgecolor="white", label="from wrong to wrong"),
            Line2D([], [], label="change of accuracy", **_DOTS),
        ],
    )
    note = (
        "shares of the set's examples; a bar: what turns between two neighbouring α of the grid,"
        " where what turns back within it isn't seen; a dot: those that turn right less those that"
        " turn wrong"
    )
    add_footnote(figure, note if chosen is None else f"{note}; dotted: the chosen α")
    return figure


def _step(row: AnalysisRow) -> tuple[float, float]:
    """Return the alphas between which a row's examples turn."""
    found = _BEFORE.fullmatch(row["other"] or "")
    if found is None or row["alpha"] is None:
        raise InputError(
            f"flips: expected 'alpha' and the alpha before in 'other', found {row['other']!r}; make"
            " the rows again: wiseft report RUN --analyses flips"
        )
    return float(found[1]), row["alpha"]


def _draw(axes: Axes, rows: Sequence[AnalysisRow]) -> tuple[float, float]:
    """Draw one set; return how far it reaches up and down."""
    shares = {(row["metric"], *_step(row)): row["value"] for row in rows}
    up = down = 0.0
    for before, alpha in sorted({(before, alpha) for _, before, alpha in shares}):
        won, lost, changed = (shares.get((kind, before, alpha), 0.0) for kind in _KINDS)
        draw_turns(axes, (before, alpha), [won], [lost])
        axes.bar(
            before, changed, alpha - before, bottom=won, align="edge", color=_PALE,
            edgecolor="white", linewidth=0.5,
        )  # fmt: skip
        axes.plot([(before + alpha) / 2], [won - lost], **_DOTS)
        up, down = max(up, won + changed), max(down, lost)
    return up, down


def _counts(rows: Sequence[AnalysisRow], turned: AnalysisRow | None) -> str:
    """Return how many times answers turn, and of how many examples."""
    found = [
        f"{sum(round(row['value'] * row['n']) for row in rows if row['metric'] == kind)} {word}"
        for kind, word in zip(_KINDS, ("right", "wrong", "other"), strict=True)
    ]
    text = ", ".join(found)
    if turned is None:
        return text
    return f"{text}; {round(turned['value'] * turned['n'])} of {turned['n']} examples turn"
