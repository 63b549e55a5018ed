"""Does progress on Original carry over? Its accuracy against each variant's, models and alphas."""

from __future__ import annotations

import dataclasses
import itertools
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
_MARKERS = ("^", "v", "P", "X", "*", "<", ">", "p")
_SPLIT = "test"
_COLUMNS = 4
_MARGIN = 0.06


@dataclasses.dataclass(frozen=True)
class Points:
    """Accuracies of one model along alpha, or of one that has no alpha here.

    Attributes:
      name: In the legend.
      alphas: Of the points; None of a single one.
      accuracies: Variant -> values, lower and upper ends of their intervals.
    """

    name: str
    alphas: list[float] | None
    accuracies: dict[str, tuple[list[float], list[float], list[float]]]


def points_of(summary: Mapping[str, Any]) -> list[Points]:
    """Return what is drawn of a study along alpha, or of each model of an evaluation.

    Args:
      summary: As ``draw_progress``.
    """
    if "models" in summary:
        return [
            Points(
                model["name"],
                None,
                {
                    kind: ([found["accuracy"]], [found["ci_low"]], [found["ci_high"]])
                    for kind, found in model["variants"].items()
                    if found["n"]
                },
            )
            for model in summary["models"]
        ]
    curves = {
        name.removeprefix("accuracy/"): (curve["value"], curve["low"], curve["high"])
        for name, curve in summary["curves"][_SPLIT].items()
        if name.startswith("accuracy/")
    }
    return [Points(summary["name"], summary["alphas"], curves)]


def draw_progress(summaries: Sequence[Mapping[str, Any]], path: Path | str) -> list[Path]:
    """Draw the scatter as PNG and SVG, and return both paths.

    Args:
      summaries: The content of ``summary.json`` of studies along alpha and of evaluations, each
        with a ``name``; those of one set.
      path: Where to; ``progress.png`` gives ``progress.png`` and ``progress.svg``.

    Raises:
      InputError: As ``progress_figure``.
    """
    with matplotlib.rc_context(STYLE):
        figure = progress_figure(summaries)
        return save_png_and_svg(figure, path)


def progress_figure(summaries: Sequence[Mapping[str, Any]]) -> Figure:
    """Return a panel for each variant: a point for each model of an evaluation, and for each alpha.

    Xiao et al. have a point for each of many architectures; along alpha a single model is many,
    which a line joins.

    Args:
      summaries: As ``draw_progress``.

    Raises:
      InputError: Two are of other images, so that their points can't be compared; or they have no
        accuracy on Original and another variant.
    """
    _check_comparable(summaries)
    models = [points for each in summaries for points in points_of(each)]
    shared = set.intersection(*(set(points.accuracies) for points in models))
    kinds = [kind for kind in VARIANT_TITLES if kind != "original" and kind in shared]
    if "original" not in shared or not kinds:
        raise InputError("expected accuracies on Original and another variant of every model")
    columns = min(_COLUMNS, len(kinds))
    rows = -(-len(kinds) // columns)
    size = (3.3 * columns + 0.5, 3.3 * rows + 1.0)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)  # type: ignore[union-attr]
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, kind in zip(grid, kinds, strict=False):
        _draw_variant(axes, models, kind)
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


def _draw_variant(axes: Axes, models: Sequence[Points], kind: str) -> None:
    ends: list[float] = []
    markers, labelled = itertools.cycle(_MARKERS), False
    for place, points in enumerate(models):
        colour, dashes = _STYLES[place % len(_STYLES)]
        x, (y, lows, highs) = points.accuracies["original"][0], points.accuracies[kind]
        ends += [*lows, *highs]
        low = [value - end for value, end in zip(y, lows, strict=True)]
        high = [end - value for value, end in zip(y, highs, strict=True)]
        error: dict[str, Any] = {"color": colour, "elinewidth": 0.7}
        if points.alphas is None:
            error |= {"fmt": next(markers), "markersize": 7, "label": points.name, "zorder": 5}
            axes.errorbar(x, y, [low, high], **error)
            continue
        axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.4, label=points.name)
        axes.errorbar(x, y, [low, high], fmt="o", markersize=3.6, alpha=0.8, **error)
        for alpha, marker, face in ((0.0, "s", "white"), (1.0, "D", colour)):
            at = points.alphas.index(alpha)
            axes.plot(
                x[at],
                y[at],
                marker,
                color=face,
                markeredgecolor=colour,
                markersize=8,
                markeredgewidth=1.5,
                linestyle="none",
                label=None if labelled else _ENDS[alpha],
                zorder=4,
            )
        labelled = True
    original = [value for points in models for value in points.accuracies["original"][0]]
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


def _check_comparable(summaries: Sequence[Mapping[str, Any]]) -> None:
    first = summaries[0]
    for other in summaries[1:]:
        if any("models" in each for each in (first, other)):
            alike = first.get("originals") and first.get("originals") == other.get("originals")
        else:
            data = (each["made_from"]["data"][_SPLIT] for each in (first, other))
            alike = len(set(data)) == 1
        if not alike:
            raise InputError(
                f"{other['name']}: is of other images than {first['name']} (or made before their"
                " originals were noted), so their points can't be compared"
            )


def _footnote(summaries: Sequence[Mapping[str, Any]]) -> str:
    first = summaries[0]
    evaluated = ["models" in each for each in summaries]
    if evaluated[0]:
        n, name = first["n"], first["set"]
    else:
        n, name = first["n"][_SPLIT], first["data"][_SPLIT]
    of = [] if not any(evaluated) else ["model"]
    of += [] if all(evaluated) else ["α"]
    joined = "" if all(evaluated) else "; lines join neighbours"
    return (
        f"n = {n} ({name}); a point for each {' and '.join(of)}, with its 95 % interval{joined};"
        " dotted: equal accuracy"
    )
