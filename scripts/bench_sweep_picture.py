"""The picture of ``bench_sweep.py``: wall time against the number of alphas."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from wiseft_jax.core.writers import write_bytes
from wiseft_jax.reporting.labels import spread

End = tuple[float, float, str, str]
"""Where a line ends on the right, its label and its colour."""

# Okabe and Ito's colours; PyTorch is black. Towers differ in their lines.
COLOURS = {
    "torch": "#000000",
    "map": "#0072B2",
    "vmap": "#56B4E9",
    "sharded": "#CC79A7",
    "delta": "#E69F00",
    "auto": "#6B5B00",
    "curve": "#D55E00",
    "curve, exact": "#009E73",
}
STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.91",
    "axes.axisbelow": True,
}
DASHES = {"transformers": "--", "float32": ":"}
LABEL_HEIGHT = 0.032
"""As a share of the axis."""


def draw_times(groups: Mapping[str, Sequence[dict[Any, Any]]], path: Path, setting: str) -> None:
    """Draw a panel for each dtype, both axes logarithmic, and at each line's end its ratio.

    Args:
      groups: The benchmark's rows by dtype; those of PyTorch in float32 are in each.
      path: Where to, a PNG.
      setting: The line below: model, images, threads, processor.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.2 + 5.8 * len(groups), 5.6), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
        drawn = [
            (panel, draw_panel(panel, rows, dtype))
            for panel, (dtype, rows) in zip(axes, groups.items(), strict=True)
        ]
        for panel, ends in drawn:  # after all lines, which make out the common axis
            label_ends(panel, ends)
        axes[0].set_ylabel("wall time in seconds, compiling left out")
        figure.suptitle(
            f"{setting}; at the ends: speed against torch, float32", fontsize=9.5, x=0.01, ha="left"
        )
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=150, metadata={"Software": None})
    write_bytes(path, image.getvalue())


def draw_panel(axes: Any, rows: Sequence[dict[Any, Any]], title: str) -> list[End]:
    """Draw the lines of one dtype, and return their right ends."""
    lines: dict[str, list[dict[Any, Any]]] = {}
    for row in rows:
        lines.setdefault(line_name(row, title), []).append(row)
    ends = []
    for name, found in lines.items():
        method, _, tower = name.partition(" · ")
        colour, dashes = COLOURS.get(method, "#777777"), DASHES.get(tower, "-")
        x, y = ([row[key] for row in found] for key in ("alphas", "wall_s"))
        axes.plot(x, y, dashes, color=colour, marker="o", markersize=4, linewidth=1.6)
        is_reference = method == "torch" and found[-1]["dtype"] == "float32"
        ratio = "" if is_reference else f"  {found[-1]['ratio_to_reference']:.1f} x"
        ends.append((x[-1], y[-1], name + ratio, colour))
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({row["alphas"] for row in rows})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("alphas")
    axes.set_title(title, loc="left", fontweight="bold")
    return ends


def line_name(row: dict[Any, Any], dtype: str) -> str:
    """Return what a row's line is called: the method, then the tower or another dtype."""
    method, _, after = row["name"].partition(" (")[0].partition("-")
    method += ", exact" if method == "curve" and row["exact"] else ""
    after = after or ("" if row["dtype"] == dtype else row["dtype"])
    return f"{method} · {after}" if after else method


def label_ends(axes: Any, ends: Sequence[End]) -> None:
    """Write each line's name beside its right end, moved where names would overlap."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    gap = LABEL_HEIGHT * (high - low)
    heights = spread([math.log(y) for _, y, _, _ in ends], gap, low + gap, high)
    right = max(x for x, _, _, _ in ends)
    for (x, y, name, colour), height in zip(ends, heights, strict=True):
        axes.annotate(
            name,
            (x, y),
            (right * 1.45, math.exp(height)),
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 3,
            },
        )
    axes.set_xlim(axes.get_xlim()[0], right * 1.1)
