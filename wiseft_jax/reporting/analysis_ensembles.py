"""The picture of ensembles: mixing outputs beside mixing weights, reference and mean of shifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import MEAN_OF_SHIFTS
from wiseft_jax.reporting.analysis_figures import (
    legend_beside,
    name_panel,
    panel_grid,
    rows_of,
    spread_of,
)
from wiseft_jax.reporting.axes import percent
from wiseft_jax.reporting.labels import add_footnote, named
from wiseft_jax.reporting.series import Series, Value, mean_of
from wiseft_jax.reporting.style import BLACK, BLUE, VERMILLION

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "weight_space": ("merged weights", {"color": BLACK, "linestyle": "-"}),
    "output_ensemble": ("ensemble of logits", {"color": BLUE, "linestyle": (0, (5, 1.6))}),
    "probability_ensemble": (
        "ensemble of probabilities",
        {"color": VERMILLION, "linestyle": (0, (1, 1.2))},
    ),
}
"""Metric -> its name and its line."""

_WIDTH = 4.6
_SPLITS = ("test", "validation", "train")


def ensembles_figure(rows: Sequence[AnalysisRow], chosen: float | None = None) -> Figure:
    """Return the picture: a column for the reference and one for the shifts (their mean).

    Above, accuracies; below, how far each ensemble is from the merged weights at the same alpha.

    Args:
      rows: Of the analysis ``ensembles``.
      chosen: The chosen alpha, which is marked.

    Raises:
      InputError: If there are no accuracies of a reference or a shift.
    """
    columns = _columns(rows)
    if not columns:
        raise InputError(
            "there are no accuracies of merged weights to draw beside the ensembles'; make the rows"
            " again: wiseft report RUN --analyses ensembles"
        )
    figure, panels = panel_grid(
        2 * len(columns), "Mixing outputs beside mixing weights", (_WIDTH, 2.7), len(columns),
        sharex=True,
    )  # fmt: skip
    for place, (name, series, gains) in enumerate(columns):
        above, below = panels[place], panels[place + len(columns)]
        _draw_accuracies(above, series)
        _draw_gains(below, gains)
        name_panel(above, name, _WIDTH)
        below.set_xlabel("α   (0: zero-shot, 1: fine-tuned)")
        for axes in (above, below):
            if chosen is not None:
                axes.axvline(chosen, color="0.25", linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1)
    panels[0].set_ylabel("accuracy")
    panels[len(columns)].set_ylabel("minus merged weights, points")
    legend_beside(
        figure, [Line2D([], [], linewidth=1.8, label=name, **of) for name, of in MODELS.values()]
    )
    note = (
        "bands: 95 % intervals, above of each accuracy by itself, below of the difference on the"
        " same images (Newcombe's); an ensemble costs two forward passes"
    )
    add_footnote(figure, note if chosen is None else f"{note}; dotted: the chosen α")
    return figure


def _columns(
    rows: Sequence[AnalysisRow],
) -> list[tuple[str, dict[str, Series], dict[str, list[AnalysisRow]]]]:
    """Return name, accuracies and gains of the reference, and of the shift or the mean of them."""
    found = []
    reference = _sets(rows_of(rows, *MODELS, role="reference"))
    if reference:
        name, split = min(reference, key=lambda each: _SPLITS.index(each[1]))
        own = {metric: _series(rows, metric, name) for metric in MODELS}
        gains = {metric: rows_of(rows, f"{metric}_gain", dataset=name) for metric in MODELS}
        found.append((named(name, split), own, gains))
    shifts = [
        name for name, split in _sets(rows_of(rows, *MODELS, role="shift")) if split == "test"
    ]
    if shifts:
        own = {
            metric: mean_of([_series(rows, metric, name) for name in shifts]) for metric in MODELS
        }
        of = {"group": MEAN_OF_SHIFTS} if len(shifts) > 1 else {"dataset": shifts[0]}
        gains = {metric: rows_of(rows, f"{metric}_gain", **of) for metric in MODELS}
        name = f"mean of {len(shifts)} shifts" if len(shifts) > 1 else named(shifts[0], "test")
        found.append((name, own, gains))
    kept = []
    for name, own, gains in found:
        there = {metric: each for metric, each in own.items() if each and each.points}
        if "weight_space" in there:
            kept.append((name, there, gains))
    return kept


def _sets(rows: Sequence[AnalysisRow]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["dataset"] or "", row["split"] or "test") for row in rows))


def _series(rows: Sequence[AnalysisRow], metric: str, dataset: str) -> Series:
    own = sorted(rows_of(rows, metric, dataset=dataset), key=lambda row: row["alpha"] or 0.0)
    values, spread = spread_of(own)
    points = {
        row["alpha"] or 0.0: Value(value, value - down, value + up)
        for row, value, down, up in zip(own, values.tolist(), *spread.tolist(), strict=True)
    }
    n = own[0]["n"] if own else 0
    return Series(dataset, "test", "reference", n, points)


def _draw_accuracies(axes: Axes, series: dict[str, Series]) -> None:
    for metric, each in series.items():
        style = MODELS[metric][1]
        low, high = ([getattr(p, end) for p in each.points.values()] for end in ("low", "high"))
        axes.fill_between(each.alphas, low, high, color=style["color"], alpha=0.1, linewidth=0)
        axes.plot(each.alphas, each.values, linewidth=1.8, **style)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: percent(share)))
    axes.tick_params(labelbottom=True)


def _draw_gains(axes: Axes, gains: dict[str, list[AnalysisRow]]) -> None:
    axes.axhline(0, color=BLACK, linewidth=1.2)
    for metric, rows in gains.items():
        own = sorted(rows, key=lambda row: row["alpha"] or 0.0)
        if not own:
            continue
        alphas, style = [row["alpha"] or 0.0 for row in own], MODELS[metric][1]
        values, spread = spread_of(own)
        axes.fill_between(
            alphas, values - spread[0], values + spread[1], color=style["color"], alpha=0.15,
            linewidth=0,
        )  # fmt: skip
        axes.plot(alphas, values, linewidth=1.8, **style)
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda gain, _: f"{100 * gain:+.3g}" if gain else "0")
    )
