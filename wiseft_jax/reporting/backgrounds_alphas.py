"""Four panels along alpha: accuracies, the BG-Gap, the challenge, and where the model looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.reporting.axes import percent
from wiseft_jax.reporting.backgrounds_alphas_table import RULES, challenge_words
from wiseft_jax.reporting.labels import add_footnote, spread
from wiseft_jax.reporting.saving import save_png_and_svg
from wiseft_jax.reporting.style import BLACK, BLUE, GREY, STYLE, VERMILLION

_GREEN = "#009E73"
_SOLID = (0, ())
_LINES = {
    "accuracy/original": ("Original", BLACK, "o", _SOLID),
    "accuracy/mixed_same": ("Mixed-Same", BLUE, "s", (0, (5, 1.6))),
    "accuracy/mixed_rand": ("Mixed-Rand", VERMILLION, "^", _SOLID),
    "gap": ("BG-Gap", BLACK, "o", _SOLID),
    "energy/true": ("of the true class", _GREEN, "o", _SOLID),
    "energy/predicted": ("of the answer", VERMILLION, "^", (0, (5, 1.6))),
}
"""Measure -> label, colour, marker and dashes."""

_SPLIT = "test"
_FEWER = {1: "#9ecae1", 5: "#5aa5cf"}
_PALE = tuple(_FEWER.values())


def draw_alphas(summary: Mapping[str, Any], path: Path | str) -> list[Path]:
    """Draw the chart as PNG and SVG, and return both paths.

    Args:
      summary: The content of the study's ``summary.json``.
      path: Where to; ``alphas.png`` gives ``alphas.png`` and ``alphas.svg``.
    """
    with matplotlib.rc_context(STYLE):
        figure = alphas_figure(summary)
        return save_png_and_svg(figure, path)


def alphas_figure(summary: Mapping[str, Any]) -> Figure:
    """Return the chart; parts that weren't measured have no panel.

    Args:
      summary: The content of the study's ``summary.json``.
    """
    curves = summary["curves"][_SPLIT]
    panels = [_draw_accuracies, _draw_gap]
    panels += [_draw_challenge] if "challenge_accuracy" in curves else []
    panels += [_draw_energy] if "mask_area" in curves else []
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(12.4, 4.6 * rows + 0.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    room = {"w_pad": 0.12, "h_pad": 0.1, "wspace": 0.03, "hspace": 0.03}
    figure.get_layout_engine().set(**room)  # type: ignore[union-attr]
    grid = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes, draw in zip(grid, panels, strict=False):
        draw(axes, summary)
        axes.set_xlabel("α   (0: zero-shot, 1: fine-tuned)")
        form = _points if draw is _draw_gap else percent
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _, form=form: form(value)))
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    add_footnote(figure, _footnote(summary))
    return figure


def _draw_accuracies(axes: Axes, summary: Mapping[str, Any]) -> None:
    names = [f"accuracy/{kind}" for kind in ("original", "mixed_same", "mixed_rand")]
    _draw(axes, summary, names)
    axes.set_title("Accuracy")
    axes.set_ylabel("accuracy")
    axes.legend(frameon=False, handlelength=3.2)


def _draw_gap(axes: Axes, summary: Mapping[str, Any]) -> None:
    axes.axhline(0, color=GREY, linewidth=1)
    curve = summary["curves"][_SPLIT]["gap"]
    for each in curve["per_seed"] if len(curve["per_seed"]) > 1 else []:
        axes.plot(summary["alphas"], each, color="0.7", linewidth=0.8, zorder=1.5)
    _draw(axes, summary, ["gap"])
    for row in summary["choices"]:
        if row["rule"] == "smallest_gap":
            axes.axvline(row["alpha"], color=_GREEN, linewidth=1.2, linestyle=(0, (2, 2)))
            label = f"{RULES['smallest_gap']}\non validation: α = {row['alpha']:g}"
            right = row["alpha"] > np.mean(summary["alphas"])
            axes.annotate(
                label,
                (row["alpha"], 0.98),
                xycoords=("data", "axes fraction"),
                xytext=(-6 if right else 6, 0),
                textcoords="offset points",
                ha="right" if right else "left",
                va="top",
                fontsize=8.5,
                color=_GREEN,
            )
    axes.set_title("BG-Gap: Mixed-Same minus Mixed-Rand")
    axes.set_ylabel("BG-Gap, in points")


def _draw_challenge(axes: Axes, summary: Mapping[str, Any]) -> None:
    curves, most = summary["curves"][_SPLIT], summary["challenge"]["backgrounds"]["n"]
    lines: list[tuple[str, str, str, str, Any]] = [
        (f"challenge_of/{count}", f"right on {count} drawn", shade, "s", _SOLID)
        for count, shade in _FEWER.items()
        if count < most and f"challenge_of/{count}" in curves
    ]
    lines.append(
        ("challenge_accuracy", f"right on all {most}:\nchallenge accuracy", BLUE, "o", _SOLID)
    )
    turned = "turned to a background's\nclass (paper)"
    lines.append(("paper_fooled_rate", turned, VERMILLION, "^", (0, (5, 1.6))))
    for name, label, colour, marker, dashes in lines:
        _draw_curve(axes, summary, curves[name], (label, colour, marker, dashes))
    axes.set_title("The challenge: each foreground on many backgrounds")
    axes.set_ylabel("share of foregrounds")
    axes.set_ylim(-0.04, 1.04)
    _label_ends(axes, summary, lines)


def _label_ends(
    axes: Axes, summary: Mapping[str, Any], lines: Sequence[tuple[str, str, str, str, Any]]
) -> None:
    """Write each line's label at its right end, in room that is made for it."""
    curves, (first, *_, last) = summary["curves"][_SPLIT], summary["alphas"]
    width = last - first
    ticks = axes.get_xticks()
    axes.set_xlim(first - 0.05 * width, last + 0.52 * width)
    axes.set_xticks([tick for tick in ticks if first <= round(tick, 9) <= last])
    ends = [curves[name]["value"][-1] for name, *_ in lines]
    for (_, label, colour, *_), y in zip(lines, spread(ends, 0.1, 0.0, 1.0), strict=True):
        axes.annotate(
            label,
            (last, y),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=colour if colour not in _PALE else "0.35",
        )


def _draw_energy(axes: Axes, summary: Mapping[str, Any]) -> None:
    area = summary["curves"][_SPLIT]["mask_area"]["value"][0]
    label = "the objects' share of the images"
    axes.axhline(area, color=GREY, linewidth=1.2, linestyle=(0, (2, 2)), label=label)
    _draw(axes, summary, ["energy/true", "energy/predicted"])
    axes.set_title("Where it looks: energy of Grad-CAM on the object")
    axes.set_ylabel("mean energy in the mask")
    axes.legend(frameon=False, handlelength=3.2)


def _draw(axes: Axes, summary: Mapping[str, Any], names: list[str]) -> None:
    for name in names:
        _draw_curve(axes, summary, summary["curves"][_SPLIT][name], _LINES[name])


def _draw_curve(
    axes: Axes,
    summary: Mapping[str, Any],
    curve: Mapping[str, Any],
    style: tuple[str, str, str, Any],
) -> None:
    label, colour, marker, dashes = style
    low, value, high = (
        np.asarray([np.nan if each is None else each for each in curve[key]], float)
        for key in ("low", "value", "high")
    )
    x = summary["alphas"]
    axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(
        x,
        value,
        color=colour,
        marker=marker,
        linestyle=dashes,
        linewidth=1.8,
        markersize=5,
        label=label,
    )


def _points(value: float) -> str:
    return f"{round(100 * value, 2) + 0.0:g}"


def _footnote(summary: Mapping[str, Any]) -> str:
    seeds = summary["pairing_seeds"]
    lines = [
        f"{summary['model']}; n = {summary['n'][_SPLIT]} foregrounds ({summary['data'][_SPLIT]});"
        f" mixed sets: mean over {seeds} pairing{'s' if seeds > 1 else ''}"
        + (" (grey: each)" if seeds > 1 else ""),
        "bands: 95 % intervals, pointwise, of other foregrounds (Clopper-Pearson, bootstrap)",
    ]
    if summary.get("challenge"):
        lines.append(challenge_words(summary["challenge"]))
    if summary.get("saliency"):
        count = summary["saliency"]["images"]["n"]
        lines.append(f"energy: positive part of Grad-CAM on tokens, {count} originals")
    return "\n".join(lines)
