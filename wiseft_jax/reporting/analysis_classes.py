"""The picture of classes: which gain and which lose at the chosen alpha, set by set."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.analysis_figures import (
    name_panel,
    panel_grid,
    rows_of,
    set_names,
    short,
    spread_of,
)
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.style import BLUE, VERMILLION

MOST = 20
_WIDTH = 3.9
_LEVEL = 0.05


def classes_figure(rows: Sequence[AnalysisRow], chosen: float) -> Figure:
    """Return the picture: a panel a set, a line a class, from the largest gain to the largest loss.

    Of many classes the ten of the largest gains and of the largest losses are drawn.

    Args:
      rows: Of the analysis ``classes``.
      chosen: The alpha whose accuracies are compared with zero-shot's; where that is zero-shot
        itself, fine-tuned's are.

    Raises:
      InputError: If there are no rows of that alpha.
    """
    alpha = chosen if rows_of(rows, "class_gain", alpha=chosen, other="zero_shot") else 1.0
    gains = rows_of(rows, "class_gain", alpha=alpha, other="zero_shot")
    if not gains:
        raise InputError(f"there are no gains of classes at alpha {alpha:g} to draw")
    names = set_names(gains)
    shown = {name: _extremes(rows_of(gains, "class_gain", dataset=name)) for name in names}
    most = max(map(len, shown.values()))
    title = f"Gains and losses of classes at α = {alpha:g} against zero-shot"
    figure, panels = panel_grid(len(names), title, (_WIDTH, 0.75 + 0.185 * most))
    for axes, (dataset, name) in zip(panels, names.items(), strict=True):
        _draw(axes, shown[dataset])
        name_panel(axes, name, _WIDTH)
    cut = any(len(rows_of(gains, "class_gain", dataset=name)) > MOST for name in names)
    note = (
        "filled: significant after Holm's correction for the set's classes; lines: 95 % intervals"
    )
    if cut:
        note += f"; of many classes the {MOST // 2} largest gains and losses"
    add_footnote(figure, note)
    return figure


def _extremes(rows: Sequence[AnalysisRow]) -> list[AnalysisRow]:
    ordered = sorted(rows, key=lambda row: (-row["value"], row["group"] or ""))
    return ordered if len(ordered) <= MOST else [*ordered[: MOST // 2], *ordered[-MOST // 2 :]]


def _draw(axes: Axes, rows: Sequence[AnalysisRow]) -> None:
    values, spread = spread_of(rows)
    for y, row in enumerate(rows):
        colour = BLUE if row["value"] >= 0 else VERMILLION
        sure = row["p_holm"] is not None and row["p_holm"] <= _LEVEL
        axes.errorbar(
            values[y], y, xerr=spread[:, y : y + 1], fmt="o" if row["value"] >= 0 else "v",
            color=colour, markerfacecolor=colour if sure else "white", markersize=5, capsize=2,
            linewidth=1.1,
        )  # fmt: skip
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [short(row["group"] or "", 20) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda gain, _: f"{100 * gain:+.3g}" if gain else "0")
    )
    axes.set_xlabel("points of accuracy")
