"""The patch study's sheet: a patched image beside the maps of the models, with class and score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.patch_table import FAMILIES, MIXERS
from wiseft_jax.reporting.saving import save_figure
from wiseft_jax.reporting.style import BLACK, STYLE, VERMILLION

_CELL_INCHES = 1.42
_LEAST_COLUMNS = 3  # so that notes have room
_MAP_NAMES = {"resnet": "CAM", "clip": "Grad-CAM"}


def draw_sheet(rows: Sequence[Mapping[str, Any]], path: Path | str, *, note: str = "") -> Path:
    """Draw the sheet as PNG and return its path.

    Args:
      rows: For each image ``image``, ``mask``, ``label`` and ``models``; see ``sheet_figure``.
      path: Where to.
      note: Small lines below.

    Raises:
      InputError: If there are no rows.
    """
    with matplotlib.rc_context(STYLE):
        figure = sheet_figure(rows, note=note)
        return save_figure(figure, Path(path).with_suffix(".png"))


def sheet_figure(rows: Sequence[Mapping[str, Any]], *, note: str = "") -> Figure:
    """Return the sheet as a figure: a line of pictures for each image.

    Args:
      rows: ``image`` uint8[H, W, 3], ``mask`` bool[H, W] (the square), ``label`` and ``models``:
        each with ``family``, ``mixer``, ``map`` float32[H, W], ``answer``, ``right``, ``score``.
      note: A line below.

    Raises:
      InputError: If there are no rows.
    """
    if not rows:
        raise InputError("there are no images to draw a sheet of")
    columns = 1 + len(rows[0]["models"])
    size = (
        max(columns, _LEAST_COLUMNS) * _CELL_INCHES + 0.2,
        len(rows) * (_CELL_INCHES + 0.3) + 0.95,
    )
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)  # type: ignore[union-attr]
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(panels, rows, strict=True):
        _show(line[0], row["image"], row["mask"])
        line[0].set_xlabel(f"true: {row['label']}", fontsize=9)
        for axes, model in zip(line[1:], row["models"], strict=True):
            _show(axes, overlaid(row["image"], model["map"]), row["mask"])
            mark = "✓" if model["right"] else "✗"
            colour = BLACK if model["right"] else VERMILLION
            weight = "normal" if model["right"] else "bold"
            text = f"{mark} {model['answer']} {model['score']:.2f}"
            axes.set_xlabel(text, fontsize=9, color=colour, fontweight=weight)
    panels[0, 0].set_title("patched image", fontsize=9.5, pad=5, loc="center", fontweight="bold")
    for axes, model in zip(panels[0, 1:], rows[0]["models"], strict=True):
        kind = f"{FAMILIES[model['family']]} ({_MAP_NAMES[model['family']]})"
        title = f"{kind}\n{MIXERS[model['mixer']]}"
        axes.set_title(title, fontsize=9.5, pad=5, loc="center", fontweight="bold")
    if note:
        add_footnote(figure, note)
    return figure


def overlaid(
    image: Float[np.ndarray, "H W 3"] | np.ndarray, heat: Float[np.ndarray, "H W"]
) -> np.ndarray:
    """Return an image in grey under a map's positive part, scaled to its largest value.

    Args:
      image: uint8[H, W, 3].
      heat: The map, raw.

    Returns:
      float[H, W, 3] in [0, 1]; nothing but the grey image where the map is nowhere positive.
    """
    grey = np.asarray(image, np.float64).mean(-1, keepdims=True) / 255
    positive = np.maximum(np.asarray(heat, np.float64), 0.0)
    scaled = positive / max(float(positive.max()), 1e-30)
    colours = matplotlib.colormaps["inferno"](scaled)[..., :3]
    weight = 0.62 * np.sqrt(scaled)[..., None]
    return np.clip((1 - weight) * (0.15 + 0.7 * grey) + weight * colours, 0, 1)


def _show(axes: Axes, picture: Any, mask: Any) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    corner = columns[0] - 0.5, rows[0] - 0.5
    frame = {"fill": False, "edgecolor": "#56B4E9", "linewidth": 1.6}
    axes.add_patch(Rectangle(corner, len(columns), len(rows), **frame))
