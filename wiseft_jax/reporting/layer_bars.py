"""How far each layer moved: bars of the relative distance, cosines below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.axes import percent
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.saving import save_png_and_svg
from wiseft_jax.reporting.style import BLACK, BLUE, GREY, STYLE, VERMILLION

_PANELS = (
    ("relative_distance", "distance moved,\n% of the weights' length"),
    ("cosine", "cosine of\nthe two ends"),
    ("task_cosine", "cosine of change\nand zero-shot"),
)
_WHOLE = "all"


def draw_layer_bars(rows: Sequence[AnalysisRow], path: Path | str) -> list[Path]:
    """Draw the chart as PNG and SVG, and return both paths.

    Args:
      rows: Of the analysis ``layers``.
      path: Where to.

    Raises:
      InputError: If there are none.
    """
    with matplotlib.rc_context(STYLE):
        figure = layer_bars_figure(rows)
        return save_png_and_svg(figure, path)


def layer_bars_figure(rows: Sequence[AnalysisRow]) -> Figure:
    """Return the chart as a matplotlib figure; see ``draw_layer_bars``."""
    groups = list(dict.fromkeys(str(row["group"]) for row in rows if row["metric"] == "distance"))
    layers = [group for group in groups if group != _WHOLE]
    if not layers:
        raise InputError(
            "there are no distances of layers to draw; make them: wiseft report RUN --analyses"
            " layers"
        )
    by_metric = {
        metric: {str(row["group"]): row["value"] for row in rows if row["metric"] == metric}
        for metric, _ in _PANELS
    }
    width = max(6.4, 0.36 * len(layers) + 2.2)
    figure = Figure(figsize=(width, 6.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1, 1))
    for axes, (metric, label) in zip(panels, _PANELS, strict=True):
        _draw(axes, metric, by_metric[metric], layers)
        axes.set_ylabel(label, fontsize=8.5)
        axes.grid(axis="x", visible=False)
    panels[0].set_title("How far fine-tuning moved each layer", pad=10)
    shown = [layer.replace("_", " ") for layer in layers]
    panels[-1].set_xticks(range(len(layers)), shown, rotation=90, fontsize=8)
    panels[-1].set_xlim(-0.7, len(layers) - 0.3)
    figure.align_ylabels(list(panels))
    count = next((row["n"] for row in rows if row["group"] == _WHOLE), 0)
    text = f"{count:,} parameters".replace(",", " ")
    add_footnote(
        figure,
        f"{text}; dashed: all layers together. A change at a cosine below 0 shrinks the weights,"
        " near 0 it turns them; layers that didn't move have no such cosine.",
    )
    return figure


def _draw(axes: Axes, metric: str, values: dict[str, float], layers: Sequence[str]) -> None:
    places = [place for place, layer in enumerate(layers) if layer in values]
    heights = [values[layer] for layer in layers if layer in values]
    if metric == "relative_distance":
        axes.bar(places, [100 * height for height in heights], color=BLUE, width=0.72)
        axes.set_ylim(0, 112 * max([*heights, values.get(_WHOLE, 0.0), 1e-9]))
        if _WHOLE in values:
            axes.axhline(100 * values[_WHOLE], color=VERMILLION, linewidth=1.2, linestyle="--")
            axes.annotate(
                f"all: {percent(round(values[_WHOLE], 5))}",
                (1, 100 * values[_WHOLE]), xycoords=("axes fraction", "data"),
                xytext=(-2, 3), textcoords="offset points", ha="right", color=VERMILLION,
                fontsize=8.5,
            )  # fmt: skip
        return
    axes.plot(places, heights, "o-", color=BLACK, markersize=4, linewidth=1.2)
    axes.ticklabel_format(axis="y", useOffset=False)
    if metric == "task_cosine":
        axes.axhline(0, color=GREY, linewidth=0.8)
    if _WHOLE in values:
        axes.axhline(values[_WHOLE], color=VERMILLION, linewidth=1.2, linestyle="--")
