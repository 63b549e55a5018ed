"""WiSE-FT on top of each augmentation: one chart of accuracies, and of flips along alpha."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.axes import percent
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.patch_table import MIXERS
from wiseft_jax.reporting.saving import save_png_and_svg
from wiseft_jax.reporting.style import BLACK, BLUE, STYLE, VERMILLION

_STYLES = {
    "none": (BLACK, "o", (0, ())),
    "cutout": ("#009E73", "s", (0, (5, 1.6))),
    "cutmix": (BLUE, "D", (0, (1, 1.2))),
    "smoothmix": (VERMILLION, "^", (0, ())),
    "mixup": ("#CC79A7", "v", (0, (5, 1.4, 1, 1.4))),
}


def draw_patch_curves(summary: Mapping[str, Any], path: Path | str) -> list[Path]:
    """Draw the chart as PNG and SVG, and return both paths.

    Args:
      summary: The content of the study's ``summary.json``.
      path: Where to.

    Raises:
      InputError: If no model was fine-tuned, so that there is no curve.
    """
    with matplotlib.rc_context(STYLE):
        figure = patch_curves_figure(summary)
        return save_png_and_svg(figure, path)


def patch_curves_figure(summary: Mapping[str, Any]) -> Figure:
    """Return the chart: shifts against reference along alpha, and flips by a patch against alpha.

    Args:
      summary: The content of the study's ``summary.json``.

    Raises:
      InputError: If there is no curve.
    """
    curves = summary["curves"]
    if not curves:
        raise InputError("there are no curves: no CLIP is among the study's families")
    figure = Figure(figsize=(12.4, 5.0), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08, wspace=0.04)  # type: ignore[union-attr]
    for mixer, curve in curves.items():
        _draw_path(left, mixer, curve)
        _draw_flips(right, mixer, curve)
    shifts = len(summary["shifts"])
    left.set_xlabel(f"accuracy on {summary['reference']} (reference)")
    left.set_ylabel(f"mean accuracy on {shifts} shift{'s' if shifts > 1 else ''}")
    left.set_title("WiSE-FT on top of each augmentation")
    right.set_xlabel("α   (0: zero-shot, 1: fine-tuned)")
    right.set_ylabel("answers flipped by a pasted square")
    right.set_title("Flips by a square of another image, against α")
    for axes in (left, right):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(round(value, 4))))
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(round(value, 4))))
    options = {"frameon": False, "ncols": len(curves), "handlelength": 3.2}
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper right", **options)
    seeds = summary["seeds"]
    bands = (
        f"lines: means over {seeds} seeds; bands: 95 % intervals (Student's t) of those means"
        if seeds > 1
        else "one seed: no bands"
    )
    text = f"n = {summary['n']} ({summary['reference']}); square of {summary['patch_size']} pixels"
    add_footnote(figure, f"{text}; {bands}; large markers: α = 0, 0.5 and 1")
    return figure


def _draw_path(axes: Axes, mixer: str, curve: Mapping[str, Any]) -> None:
    colour, marker, dashes = _STYLES[mixer]
    x, line = curve["lines"]["reference"]["mean"], curve["lines"]["shifts"]
    if line["low"][0] is not None:
        axes.fill_between(x, line["low"], line["high"], color=colour, alpha=0.1, linewidth=0)
    label = MIXERS[mixer]
    axes.plot(x, line["mean"], color=colour, linestyle=dashes, linewidth=1.8, label=label)
    sizes = [7.5 if at in (0.0, 0.5, 1.0) else 3.2 for at in curve["alphas"]]
    for at, y, size in zip(x, line["mean"], sizes, strict=True):
        axes.plot(at, y, marker, color=colour, markersize=size)


def _draw_flips(axes: Axes, mixer: str, curve: Mapping[str, Any]) -> None:
    colour, marker, dashes = _STYLES[mixer]
    x, line = curve["alphas"], curve["lines"]["flip/image"]
    if line["low"][0] is not None:
        axes.fill_between(x, line["low"], line["high"], color=colour, alpha=0.1, linewidth=0)
    axes.plot(
        x,
        line["mean"],
        marker=marker,
        color=colour,
        linestyle=dashes,
        linewidth=1.8,
        markersize=4.5,
    )
