"""The picture of calibration: error, likelihood, Brier score and temperature against alpha."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
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
from wiseft_jax.reporting.style import BLACK

PANELS = {
    "ece": "calibration error (15 bins)",
    "ece_scaled": "calibration error, validation's temperature",
    "nll": "negative log-likelihood (nats)",
    "brier": "Brier score",
    "temperature": "best temperature",
}
_MOST_BANDS = 3


def calibration_figure(rows: Sequence[AnalysisRow], chosen: float | None = None) -> Figure:
    """Return the picture: a panel a measure, a line a set.

    Args:
      rows: Of the analysis ``calibration``.
      chosen: The chosen alpha, which is marked.

    Raises:
      InputError: If there are no rows of a set.
    """
    names = set_names(rows)
    metrics = [metric for metric in PANELS if rows_of(rows, metric)]
    figure, panels = panel_grid(len(metrics), "Calibration against α", (4.2, 3.1))
    for axes, metric in zip(panels, metrics, strict=True):
        _draw(axes, rows, metric, list(names))
        if chosen is not None:
            axes.axvline(chosen, color="0.25", linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1)
        axes.set_title(PANELS[metric], fontsize=10, pad=6)
        axes.set_xlabel("α   (0: zero-shot, 1: fine-tuned)")
    handles = [
        Line2D([], [], linewidth=1.8, label=short(name), **line_style(place))
        for place, name in enumerate(names.values())
    ]
    figure.legend(
        handles=handles, loc="outside right upper", frameon=False, fontsize=9, handlelength=3
    )
    note = (
        "less is better, but for the temperature: 1 needs no scaling, more is overconfident (0, of"
        " sets without an error, isn't drawn)"
    )
    if len(names) <= _MOST_BANDS:
        note += "; bands: 95 % intervals"
    add_footnote(figure, note if chosen is None else f"{note}; dotted: the chosen α")
    return figure


def _draw(axes: Axes, rows: Sequence[AnalysisRow], metric: str, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        own = sorted(rows_of(rows, metric, dataset=name), key=lambda row: row["alpha"] or 0.0)
        if metric == "temperature":  # without an interval it is 0 or infinite
            own = [row for row in own if row["ci_low"] is not None]
        if not own:
            continue
        alphas = [row["alpha"] or 0.0 for row in own]
        values, spread = spread_of(own)
        style = line_style(place)
        if len(names) <= _MOST_BANDS:
            axes.fill_between(
                alphas, values - spread[0], values + spread[1], color=style["color"], alpha=0.15,
                linewidth=0,
            )  # fmt: skip
        axes.plot(alphas, values, linewidth=1.7, marker="o" if len(own) == 1 else "", **style)
    if metric.startswith("ece"):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: percent(share)))
        axes.set_ylim(bottom=0)
    if metric == "temperature":
        axes.axhline(1, color=BLACK, linewidth=0.9)
