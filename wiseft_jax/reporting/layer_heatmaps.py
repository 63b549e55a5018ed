"""CKA between the layers of two models: a heat map for each pair of models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.saving import save_png_and_svg
from wiseft_jax.reporting.style import STYLE

_COLOURS = "viridis"
_MOST_NUMBERS = 10
"""Layers a side: of more, the cells are too small for their numbers."""
_DARK_BELOW = 0.6
"""Of the scale: white numbers stand on what is darker."""
_SIDE = 3.4


def draw_layer_heatmaps(
    rows: Sequence[AnalysisRow], path: Path | str, dataset: str | None = None
) -> list[Path]:
    """Draw the heat maps of one set as PNG and SVG, and return both paths.

    Args:
      rows: Of the analysis ``cka``.
      path: Where to.
      dataset: The set; the first one in the rows by default.

    Raises:
      InputError: If there are no rows of it.
    """
    with matplotlib.rc_context(STYLE):
        figure = layer_heatmaps_figure(rows, dataset)
        return save_png_and_svg(figure, path)


def layer_heatmaps_figure(rows: Sequence[AnalysisRow], dataset: str | None = None) -> Figure:
    """Return the heat maps as a matplotlib figure; see ``draw_layer_heatmaps``."""
    found = [row for row in rows if row["metric"] == "minibatch_cka"]
    names = list(dict.fromkeys(row["dataset"] for row in found))
    if dataset is None and names:
        dataset = names[0]
    found = [row for row in found if row["dataset"] == dataset]
    if not found:
        raise InputError(
            f"there is no CKA of layers on {dataset!r} to draw; make it: wiseft report RUN"
            " --analyses cka"
        )
    pairs = list(dict.fromkeys((row["alpha"], row["other"]) for row in found))
    layers = list(dict.fromkeys(_layers(row)[0] for row in found))
    side = max(_SIDE, 0.21 * len(layers))
    size = (side * len(pairs) + 1.6, side + 1.6)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    image = None
    for axes, pair in zip(panels, pairs, strict=True):
        values = _matrix([row for row in found if (row["alpha"], row["other"]) == pair], layers)
        image = axes.imshow(values, vmin=0, vmax=1, cmap=_COLOURS, origin="lower")
        _dress(axes, layers, values)
        axes.set_title(f"{_model(pair[0])} × {_model(pair[1])}", fontsize=10, pad=8)
        axes.set_ylabel(f"layers, {_model(pair[0])}")
        axes.set_xlabel(f"layers, {_model(pair[1])}")
    assert image is not None
    bar = figure.colorbar(image, ax=list(panels), fraction=0.04, pad=0.015, aspect=25, shrink=0.75)
    bar.set_label("linear CKA (minibatch)")
    bar.outline.set_visible(False)  # pyright: ignore
    figure.suptitle(f"How alike the layers are on {dataset}", x=0.012, ha="left", fontweight="bold")
    add_footnote(figure, _footnote(rows, found, dataset))
    return figure


def _layers(row: AnalysisRow) -> tuple[str, str]:
    first, _, second = str(row["group"]).partition(":")
    return first, second


def _matrix(rows: Sequence[AnalysisRow], layers: Sequence[str]) -> Float[np.ndarray, "L L"]:
    """Return the values, rows by the first model's layers; NaN where there is no row."""
    values = np.full((len(layers), len(layers)), np.nan)
    for row in rows:
        first, second = _layers(row)
        values[layers.index(first), layers.index(second)] = row["value"]
    return values


def _model(alpha: float | str | None) -> str:
    """Return what a model is called, of its alpha or of ``"alpha 0.5"``."""
    number = float(str(alpha).removeprefix("alpha "))
    names = {0.0: "zero-shot", 1.0: "fine-tuned"}
    return names.get(number, f"α = {number:g}")


def _dress(axes: Axes, layers: Sequence[str], values: np.ndarray) -> None:
    shown = [name.replace("_", " ") for name in layers]
    size = 8 if len(layers) <= _MOST_NUMBERS else 7
    axes.set_xticks(range(len(layers)), shown, rotation=90, fontsize=size)
    axes.set_yticks(range(len(layers)), shown, fontsize=size)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    if len(layers) > _MOST_NUMBERS:
        return
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < _DARK_BELOW else "black"
        axes.text(
            column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=7
        )  # fmt: skip


def _footnote(
    rows: Sequence[AnalysisRow], found: Sequence[AnalysisRow], dataset: str | None
) -> str:
    lines = [
        f"n = {found[0]['n']} images; unbiased HSIC summed over minibatches; what is below 0 or"
        " above 1 has the colour of that end"
    ]
    for row in rows:
        if row["metric"] == "cka_complement" and row["dataset"] == dataset:
            interval = "no interval"
            if row["ci_low"] is not None and row["ci_high"] is not None:
                interval = f"95 % [{row['ci_low']:.4f}, {row['ci_high']:.4f}]"
            pair = f"{_model(row['alpha'])} / {_model(row['other'])}"
            lines.append(f"1 − CKA of the {row['group']}, {pair}: {row['value']:.4f} ({interval})")
    return "\n".join(lines)
