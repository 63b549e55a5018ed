"""The picture of ``bench_sweep.py``: wall time against the number of alphas."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from wiseft_jax.core.writers import write_bytes

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
STYLE: dict[str, Any] = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.91",
    "axes.axisbelow": True,
}
DASHES = {"transformers": "--", "float32": ":"}
CLOSEST = 1.16
"""The least ratio of the heights of two labels."""


def draw_times(groups: Mapping[str, Sequence[dict[str, Any]]], path: Path, setting: str) -> None:
    """Draw one panel for each dtype, both axes logarithmic, and a label at the end of each line.

    Args:
      groups: The benchmark's rows by dtype; those of PyTorch in float32 are in each.
      path: Where to, a PNG.
      setting: The line below: model, images, threads, processor.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.2 + 5.6 * len(groups), 5.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
        for panel, (dtype, rows) in zip(axes, groups.items(), strict=True):
            draw_panel(panel, rows, dtype)
        axes[0].set_ylabel("wall time in seconds, compiling left out")
        figure.suptitle(f"Evaluating every alpha: {setting}", fontsize=9.5, x=0.01, ha="left")
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=150, metadata={"Software": None})
    write_bytes(path, image.getvalue())


def draw_panel(axes: Any, rows: Sequence[dict[str, Any]], title: str) -> None:
    """Draw the lines of one dtype."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        lines.setdefault(line_name(row, title), []).append(row)
    ends = []
    for name, found in lines.items():
        method, _, tower = name.partition(" · ")
        colour, dashes = COLOURS.get(method, "#777777"), DASHES.get(tower, "-")
        x, y = ([row[key] for row in found] for key in ("alphas", "wall_s"))
        axes.plot(x, y, dashes, color=colour, marker="o", markersize=4, linewidth=1.6)
        ends.append((x[-1], y[-1], name, colour))
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({row["alphas"] for row in rows})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("alphas")
    axes.set_title(title, loc="left", fontweight="bold")
    label_ends(axes, ends)


def line_name(row: dict[str, Any], dtype: str) -> str:
    """Return what a row's line is called: the method, then the tower or another dtype."""
    method, _, after = row["name"].partition(" (")[0].partition("-")
    method += ", exact" if method == "curve" and row["exact"] else ""
    after = after or ("" if row["dtype"] == dtype else row["dtype"])
    return f"{method} · {after}" if after else method


def label_ends(axes: Any, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's name at its right end, moved up where names would overlap."""
    right, lowest = max(end[0] for end in ends), 0.0
    for x, y, name, colour in sorted(ends, key=lambda end: end[1]):
        lowest = max(y, lowest * CLOSEST)
        axes.annotate(
            name,
            (x, y),
            (right * 1.25, lowest),
            textcoords="data",
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.5},
        )
    low, _ = axes.get_xlim()
    axes.set_xlim(low, right * 1.1)
