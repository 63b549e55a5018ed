"""The picture of other sets: accuracy along alpha on sets whose classes the run didn't train."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.reporting.analysis_figures import (
    line_style,
    panel_grid,
    rows_of,
    set_names,
    short,
    spread_of,
)
from wiseft_jax.reporting.axes import percent
from wiseft_jax.reporting.labels import add_footnote


def other_sets_figure(rows: Sequence[AnalysisRow], chosen: float | None = None) -> Figure:
    """Return the picture: a line a set, with a band for its interval.

    Args:
      rows: Of the analysis ``other_sets``.
      chosen: The chosen alpha, which is marked.

    Raises:
      InputError: If there are no rows of a set.
    """
    names = set_names(rows)
    title = "What is left of the zero-shot ability on sets of other classes"
    figure, (axes,) = panel_grid(1, title, (6.4, 3.6))
    for place, (dataset, name) in enumerate(names.items()):
        own = sorted(rows_of(rows, "accuracy", dataset=dataset), key=lambda row: row["alpha"] or 0)
        alphas = [row["alpha"] or 0.0 for row in own]
        values, spread = spread_of(own)
        style = line_style(place)
        axes.fill_between(
            alphas, values - spread[0], values + spread[1], color=style["color"], alpha=0.15,
            linewidth=0,
        )  # fmt: skip
        label = f"{short(name)}, n = {own[0]['n']}"
        axes.plot(alphas, values, linewidth=1.8, marker="o", markersize=3, label=label, **style)
    if chosen is not None:
        axes.axvline(chosen, color="0.25", linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: percent(share)))
    axes.set_xlabel("α   (0: zero-shot, 1: fine-tuned)")
    axes.set_ylabel("accuracy")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9, handlelength=3)
    note = "bands: exact binomial 95 % intervals"
    add_footnote(figure, note if chosen is None else f"{note}; dotted: the chosen α")
    return figure
