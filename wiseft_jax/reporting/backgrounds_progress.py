"""Does progress on Original carry over? Its accuracy against each variant's, models and alphas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.axes import percent
from wiseft_jax.reporting.backgrounds_titles import VARIANT_TITLES
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.saving import save_png_and_svg
from wiseft_jax.reporting.style import BLACK, BLUE, GREY, STYLE, VERMILLION

_STYLES = (
    (BLUE, (0, ())),
    (VERMILLION, (0, (5, 1.6))),
    ("#009E73", (0, (1, 1.2))),
    ("#CC79A7", (0, (5, 1.4, 1, 1.4))),
    (BLACK, (0, (3, 1))),
)
_ENDS = {0.0: "zero-shot (α = 0)", 1.0: "fine-tuned (α = 1)"}
_SPLIT = "test"
_COLUMNS = 4
_MARGIN = 0.06


def draw_progress(summaries: Sequence[Mapping[str, Any]], path: Path | str) -> list[Path]:
    """Draw the scatter as PNG and SVG, and return both paths.

    Args:
      summaries: The content of studies' ``summary.json``, each with a ``name``.
      path: Where to; ``progress.png`` gives ``progress.png`` and ``progress.svg``.

    Raises:
      InputError: As ``progress_figure``.
    """
    with matplotlib.rc_context(STYLE):
        figure = progress_figure(summaries)
        return save_png_and_svg(figure, path)


def progress_figure(summaries: Sequence[Mapping[str, Any]]) -> Figure:
    """Return a panel for each variant: a point for each alpha, a line for each model.

    Xiao et al. have a point for each of many architectures; along alpha a single model is many.

    Args:
      summaries: As ``draw_progress``.

    Raises:
      InputError: Two studies are of other images, so that their points can't be compared.
    """
    _check_comparable(summaries)
    kinds = [kind for kind in VARIANT_TITLES if kind != "original" and _in_all(summaries, kind)]
    columns = min(_COLUMNS, len(kinds))
    rows = -(-len(kinds) // columns)
    size = (3.3 * columns + 0.5, 3.3 * rows + 1.0)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)  # type: ignore[union-attr]
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, kind in zip(grid, kinds, strict=False):
        _draw_variant(axes, summaries, kind)
    for axes in grid[len(kinds) :]:
        axes.set_axis_off()
    found = dict(zip(*reversed(grid[0].get_legend_handles_labels()), strict=True))
    labels = sorted(found, key=lambda label: label in _ENDS.values())  # the models come first
    handles = [found[label] for label in labels]
    if len(kinds) < len(grid):
        options = {"loc": "center left", "frameon": False, "handlelength": 3.2}
        grid[len(kinds)].legend(handles, labels, **options)
    else:
        figure.legend(handles, labels, loc="outside upper right", frameon=False, ncols=3)
    add_footnote(figure, _footnote(summaries))
    return figure


def _draw_variant(axes: Axes, summaries: Sequence[Mapping[str, Any]], kind: str) -> None:
    ends: list[float] = []
    for place, summary in enumerate(summaries):
        colour, dashes = _STYLES[place % len(_STYLES)]
        curves = summary["curves"][_SPLIT]
        x, curve = curves["accuracy/original"]["value"], curves[f"accuracy/{kind}"]
        y = curve["value"]
        ends += [*curve["low"], *curve["high"]]
        axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.4, label=summary["name"])
        low = [value - end for value, end in zip(y, curve["low"], strict=True)]
        high = [end - value for value, end in zip(y, curve["high"], strict=True)]
        axes.errorbar(
            x, y, [low, high], fmt="o", color=colour, markersize=3.6, elinewidth=0.7, alpha=0.8
        )
        for alpha, marker, face in ((0.0, "s", "white"), (1.0, "D", colour)):
            at = summary["alphas"].index(alpha)
            axes.plot(
                x[at],
                y[at],
                marker,
                color=face,
                markeredgecolor=colour,
                markersize=8,
                markeredgewidth=1.5,
                linestyle="none",
                label=_ENDS[alpha] if place == 0 else None,
                zorder=4,
            )
    original = [v for each in summaries for v in _original(each)]
    pad = _MARGIN * max(max(original) - min(original), 0.02)
    axes.axline((0, 0), slope=1, color=GREY, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    axes.set_xlim(min(original) - pad, max(original) + pad)
    room = _MARGIN * max(max(ends) - min(ends), 0.02)
    axes.set_ylim(min(ends) - room, max(ends) + room)
    axes.set_title(VARIANT_TITLES[kind])
    axes.set_xlabel("accuracy on Original")
    axes.set_ylabel(f"accuracy on {VARIANT_TITLES[kind]}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: percent(round(value, 4))))
    axes.locator_params(axis="x", nbins=5)


def _original(summary: Mapping[str, Any]) -> list[float]:
    return summary["curves"][_SPLIT]["accuracy/original"]["value"]


def _in_all(summaries: Sequence[Mapping[str, Any]], kind: str) -> bool:
    return all(f"accuracy/{kind}" in each["curves"][_SPLIT] for each in summaries)


def _check_comparable(summaries: Sequence[Mapping[str, Any]]) -> None:
    first = summaries[0]
    for other in summaries[1:]:
        if other["made_from"]["data"][_SPLIT] != first["made_from"]["data"][_SPLIT]:
            raise InputError(
                f"{other['name']}: its study is of other images than that of {first['name']}, so"
                " their points can't be compared"
            )


def _footnote(summaries: Sequence[Mapping[str, Any]]) -> str:
    first = summaries[0]
    return (
        f"n = {first['n'][_SPLIT]} ({first['data'][_SPLIT]}); a point for each α, with its 95 %"
        " interval; lines join neighbours; dotted: equal accuracy"
    )
