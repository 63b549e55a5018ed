"""The sheet of an image: a row for each saliency method, a column for each model."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.saliency import METHODS
from wiseft_jax.reporting.labels import add_footnote
from wiseft_jax.reporting.overlays import SIGNED, UNSIGNED, enlarge_image, overlay_map
from wiseft_jax.reporting.saving import save_figure
from wiseft_jax.reporting.style import STYLE

_SIDE = 1.55
_WRAP = 20


@dataclasses.dataclass(frozen=True)
class SaliencyColumn:
    """A model's maps of an image.

    Attributes:
      title: Which model.
      target: What the score is of: a class or a text.
      score: The score that is explained.
      maps: Method -> float[h, w], raw.
      score_name: Of what kind the score is.
    """

    title: str
    target: str
    score: float
    maps: Mapping[str, np.ndarray]
    score_name: str = "cos"


def draw_saliency(
    image: np.ndarray,
    columns: Sequence[SaliencyColumn],
    path: Path | str,
    *,
    title: str = "",
    mask: np.ndarray | None = None,
) -> Path:
    """Draw the sheet as PNG, and return its path.

    Args:
      image: uint8[H, W, 3], as the model saw it.
      columns: One for each model, with maps of the same methods.
      path: Where to.
      title: A line above, such as the file's name.
      mask: bool[H, W], outlined in every panel.

    Raises:
      InputError: If there is no column or no method.
    """
    with matplotlib.rc_context(STYLE):
        figure = saliency_figure(image, columns, title=title, mask=mask)
        return save_figure(figure, path)


def saliency_figure(
    image: np.ndarray,
    columns: Sequence[SaliencyColumn],
    *,
    title: str = "",
    mask: np.ndarray | None = None,
) -> Figure:
    """Return the sheet as a matplotlib figure; see ``draw_saliency``."""
    methods = list(columns[0].maps) if columns else []
    if not methods:
        raise InputError("there are no saliency maps to draw; name at least one method")
    width = _SIDE * (len(columns) + 1) + 1.6
    figure = Figure(figsize=(width, _SIDE * len(methods) + 1.7), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(methods), len(columns) + 1, squeeze=False)
    large = enlarge_image(image)
    for row, method in zip(panels, methods, strict=True):
        facts = METHODS[method]
        said = facts.label + ("\n(for no class:\nattention alone)" if facts.class_agnostic else "")
        _show(row[0], large, mask)
        row[0].set_ylabel(
            said, rotation=0, ha="right", va="center", labelpad=8, fontsize=9, color="0.1"
        )
        for axes, column in zip(row[1:], columns, strict=True):
            _show(axes, overlay_map(image, column.maps[method], signed=facts.signed), mask)
    panels[0, 0].set_title("image", loc="center", fontsize=8.5, pad=6, fontweight="normal")
    for axes, column in zip(panels[0, 1:], columns, strict=True):
        target = textwrap.shorten(column.target, 2 * _WRAP, placeholder="…")
        lines = [
            column.title,
            *textwrap.wrap(target, _WRAP),
            f"{column.score_name} {column.score:.3f}",
        ]
        axes.set_title("\n".join(lines), loc="center", fontsize=8.5, pad=6, fontweight="normal")
    _draw_scales(figure, panels, [METHODS[method].signed for method in methods])
    figure.suptitle(title, x=0.012, ha="left", fontsize=11)
    add_footnote(figure, "each panel has a scale of its own; compare places, not strengths")
    return figure


def _show(axes: Axes, pixels: np.ndarray, mask: np.ndarray | None) -> None:
    height, width = pixels.shape[:2]
    axes.imshow(pixels, interpolation="nearest", extent=(0, width, height, 0))
    if mask is not None and mask.any() and not mask.all():
        factor = height // mask.shape[0]
        large = np.pad(mask.repeat(factor, 0).repeat(factor, 1).astype(np.float32), 1)
        places = np.arange(-1, width + 1) + 0.5, np.arange(-1, height + 1) + 0.5
        for colour, thickness in (("white", 2.2), ("black", 1.0)):
            axes.contour(*places, large, levels=[0.5], colors=colour, linewidths=thickness)
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _draw_scales(figure: Figure, panels: np.ndarray, signed: Sequence[bool]) -> None:
    """Draw a colour bar beside the rows for each kind of map that there is."""
    kinds = [
        (False, UNSIGNED, ["low", "high"], [0.0, 1.0]),
        (True, SIGNED, ["against", "0", "for"], [0.0, 0.5, 1.0]),
    ]
    for kind, name, words, places in kinds:
        rows = [row for row, each in enumerate(signed) if each == kind]
        if not rows:
            continue
        scale = ScalarMappable(Normalize(0, 1), name)
        bar = figure.colorbar(
            scale, ax=panels.ravel().tolist(), location="bottom", aspect=30, pad=0.015,
            shrink=0.75, fraction=0.04,
        )  # fmt: skip
        bar.set_ticks(places, labels=words)
        bar.outline.set_visible(False)  # pyright: ignore
        bar.ax.tick_params(length=0, labelsize=8)
        bar.ax.grid(False)
