"""WiSE-FT and its alternatives: accuracy on the reference against mean accuracy under shift."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wiseft_jax.reporting.axes import set_logit_scale
from wiseft_jax.reporting.labels import Label, add_footnote, place_labels
from wiseft_jax.reporting.saving import save_png_and_svg
from wiseft_jax.reporting.style import BLACK, BLUE, GREY, STYLE, VERMILLION


@dataclasses.dataclass(frozen=True)
class MethodStyle:
    """How a method's line and markers are drawn.

    Attributes:
      colour: Of both.
      marker: At its points.
      dashes: Of the line.
    """

    colour: str
    marker: str
    dashes: Any = (0, ())


STYLES = {
    "wise_ft": MethodStyle(BLACK, "o"),
    "output_ensemble": MethodStyle(BLUE, "s", (0, (5, 1.6))),
    "probability_ensemble": MethodStyle(BLUE, "D", (0, (1, 1.3))),
    "bernoulli": MethodStyle("#56B4E9", "p", (0, (3, 1.2, 1, 1.2))),
    "ema": MethodStyle("#009E73", "v", (0, (1, 1.3))),
    "early_stopping": MethodStyle("#E69F00", ">", (0, (5, 1.6))),
    "l2_to_theta_0": MethodStyle(VERMILLION, "^", (0, (1, 1.3))),
    "distillation": MethodStyle("#CC79A7", "X", (0, (5, 1.6))),
    "learning_rate": MethodStyle(GREY, "<", (0, (3, 1.2, 1, 1.2))),
}
"""Method -> its style; the two ensembles of outputs share a colour."""
_ALONG = ("output_ensemble", "probability_ensemble")
"""Methods with a point at each alpha: a line, and markers at few."""
_MARKED = (0.25, 0.5, 0.75)


def draw_alternatives(facts: Mapping[str, Any], path: Path | str) -> list[Path]:
    """Draw the chart as PNG and SVG, and return both paths.

    Args:
      facts: The content of ``alternatives.json``.
      path: Where to.
    """
    with matplotlib.rc_context(STYLE):
        return save_png_and_svg(alternatives_figure(facts), path)


def alternatives_figure(facts: Mapping[str, Any]) -> Figure:
    """Return the chart: WiSE-FT's curve with markers at 0, 0.5 and 1, and each alternative.

    Args:
      facts: The content of ``alternatives.json``.
    """
    figure = Figure(figsize=(10.2, 6.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)  # type: ignore[union-attr]
    points = facts["points"]
    sizes = facts["reference"]["n"], sum(facts["shifts"].values())
    for which, axis, n in (("x", "reference", sizes[0]), ("y", "shifts", sizes[1])):
        values = [_inside(point[axis]["value"], n) for point in points]
        set_logit_scale(axes, which, values, margin=0.12)  # type: ignore[arg-type]
    lines = []
    for method, style in STYLES.items():
        own = [point for point in points if point["method"] == method]
        if own:
            lines.append(_draw(axes, method, own, facts, style, sizes))
    _label_ends(axes, [p for p in points if p["method"] == "wise_ft"], lines, sizes)
    axes.set_xlabel(f"accuracy on {facts['reference']['dataset']} (reference)")
    count = len(facts["shifts"])
    axes.set_ylabel(
        f"mean accuracy on {count} shifts"
        if count > 1
        else f"accuracy on {next(iter(facts['shifts']))} (shift)"
    )
    axes.set_title("WiSE-FT and its alternatives")
    figure.legend(loc="outside right upper", frameon=False, handlelength=3.4, labelspacing=0.9)
    add_footnote(figure, _footnote(facts))
    return figure


def _draw(
    axes: Axes,
    method: str,
    own: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    style: MethodStyle,
    sizes: tuple[int, int],
) -> list[tuple[float, float]]:
    """Draw a method's line and markers; return the line."""
    line = [_place(point, sizes) for point in own]
    title = _legend_text(method, own, facts)
    first = method == "wise_ft"
    width, size = (2.6, 9.0) if first else (1.3, 6.5)
    axes.plot(
        *zip(*line, strict=True),
        color=style.colour,
        linestyle=style.dashes,
        linewidth=width,
        zorder=3 if first else 2,
    )
    marked = [
        at
        for at, point in zip(line, own, strict=True)
        if (method not in _ALONG and not first)
        or point["value"] in ((0.0, 0.5, 1.0) if first else _MARKED)
    ]
    axes.plot(
        *zip(*(marked or line), strict=True),
        style.marker,
        color=style.colour,
        markersize=size,
        markeredgecolor="white",
        markeredgewidth=0.7,
        zorder=6 if first else 4,
    )
    axes.plot(
        [], [], color=style.colour, linestyle=style.dashes, marker=style.marker, linewidth=width,
        markersize=size, markeredgecolor="white", markeredgewidth=0.7, label=title,
    )  # fmt: skip
    return line


def _legend_text(method: str, own: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    named = facts["methods"][method]
    values = sorted(point["value"] for point in own)
    if method in ("wise_ft", *_ALONG):
        return named["title"]
    if method == "early_stopping":
        return f"{named['title']}\n{named['value']} {values[0]:g} to {values[-1]:g}"
    return f"{named['title']}\n{named['value']} {', '.join(f'{value:g}' for value in values)}"


def _label_ends(
    axes: Axes,
    curve: Sequence[Mapping[str, Any]],
    lines: Sequence[Sequence[tuple[float, float]]],
    sizes: tuple[int, int],
) -> None:
    texts = {0.0: "zero-shot, α = 0", 0.5: "α = 0.5", 1.0: "fine-tuned, α = 1"}
    labels = [
        Label(*_place(point, sizes), texts[point["value"]], required=True)
        for point in curve
        if point["value"] in texts
    ]
    place_labels(axes, labels, lines)


def _place(point: Mapping[str, Any], sizes: tuple[int, int]) -> tuple[float, float]:
    return (
        _inside(point["reference"]["value"], sizes[0]),
        _inside(point["shifts"]["value"], sizes[1]),
    )


def _inside(value: float, n: int) -> float:
    """Return an accuracy half an example or more away from 0 and 1, which are infinitely far."""
    return min(max(value, 0.5 / n), 1 - 0.5 / n)


def _footnote(facts: Mapping[str, Any]) -> str:
    sizes = sorted({*facts["shifts"].values()})
    counted = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    half = {}
    for axis in ("reference", "shifts"):
        widths = [point["against"][axis] for point in facts["points"]]
        half[axis] = 100 * statistics.median(each["high"] - each["low"] for each in widths) / 2
    return (
        f"n = {facts['reference']['n']} ({facts['reference']['dataset']}) and {counted} (each"
        f" shift); one training seed; 95 % intervals of differences are about"
        f" ±{half['reference']:.1f} points on the reference and ±{half['shifts']:.1f} under shift"
        " (medians; Newcombe's, of means over draws the paired bootstrap); points of a method are"
        " joined in the order of its parameter"
    )
