"""The picture of the landscape: accuracy or loss along the line, the chord, and the barrier."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.reporting.analysis_figures import (
    name_panel,
    panel_grid,
    rows_of,
    set_names,
    spread_of,
)
from wiseft_jax.reporting.analysis_tables import corrected_p, value_text
from wiseft_jax.reporting.axes import percent
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.style import BLACK, BLUE, GREY, VERMILLION
from wiseft_jax.reporting.tables import p_text

_WIDTH = 3.9
_WHAT = {"accuracy": "Accuracy", "loss": "Loss"}


def landscape_figure(rows: Sequence[AnalysisRow], what: str = "accuracy") -> Figure:
    """Return the picture: a panel a set.

    Args:
      rows: Of the analysis ``landscape``.
      what: ``"accuracy"`` or ``"loss"``.

    Raises:
      InputError: If there are no such rows.
    """
    names = set_names(rows_of(rows, what))
    title = f"{_WHAT[what]} along the line from zero-shot (α = 0) to fine-tuned (α = 1)"
    figure, panels = panel_grid(len(names), title, (_WIDTH, 2.9))
    for axes, (dataset, name) in zip(panels, names.items(), strict=True):
        own = [row for row in rows if row["dataset"] == dataset]
        _draw(axes, own, what)
        name_panel(axes, name, _WIDTH, pad=18)
        axes.set_xlabel("α")
    better = "above it" if what == "accuracy" else "below it"
    note = (
        f"dashed: the chord between the ends, blue where the path is {better} and red where it is"
        " not; band: 95 % intervals; barrier: the largest violation of the chord"
    )
    if what == "accuracy":
        note += "; p of observation 1: that the path is nowhere below the chord (Holm, of all sets)"
    add_footnote(figure, note)
    return figure


def _draw(axes: Axes, rows: Sequence[AnalysisRow], what: str) -> None:
    path = sorted(rows_of(rows, what), key=lambda row: row["alpha"] or 0.0)
    alphas = [row["alpha"] or 0.0 for row in path]
    values, spread = spread_of(path)
    chord = [values[0] + (values[-1] - values[0]) * alpha for alpha in alphas]
    sign = 1 if what == "accuracy" else -1
    better = [sign * (value - low) >= 0 for value, low in zip(values, chord, strict=True)]
    for kept, colour in ((better, BLUE), ([not each for each in better], VERMILLION)):
        axes.fill_between(
            alphas, chord, values, where=kept, color=colour, alpha=0.25, linewidth=0,
            interpolate=True,
        )  # fmt: skip
    axes.fill_between(
        alphas, values - spread[0], values + spread[1], color=GREY, alpha=0.18, linewidth=0
    )
    axes.plot(alphas, chord, color=BLACK, linewidth=1.1, linestyle=(0, (4, 2)))
    axes.plot(alphas, values, "o-", color=BLACK, linewidth=1.8, markersize=3)
    (barrier,) = rows_of(rows, f"barrier_{what}") or [None]
    text = []
    if barrier is not None:
        if barrier["value"] > 0 and barrier["alpha"] is not None:
            place = alphas.index(barrier["alpha"])
            axes.plot(
                [alphas[place]] * 2, [chord[place], values[place]], color=VERMILLION, linewidth=2.4
            )
        text.append(f"barrier {value_text(barrier['metric'], barrier['value']).lstrip('+')}")
    for row in rows_of(rows, "observation_1") if what == "accuracy" else ():
        p_value = corrected_p(row)
        if p_value is not None:
            text.append(p_text(p_value))
    axes.annotate(
        ", ".join(text), (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
        fontsize=8, color="0.3",
    )  # fmt: skip
    axes.set_xlim(0, 1)
    if what == "accuracy":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: percent(share)))
    else:
        axes.set_ylabel("loss in nats")
