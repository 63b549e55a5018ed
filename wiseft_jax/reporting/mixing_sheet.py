"""The contact sheet of mixing: sources, mask and result of each mixer, with lambda."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wiseft_jax.core.errors import InputError
from wiseft_jax.reporting.saving import save_figure
from wiseft_jax.reporting.style import STYLE

_SIDE = 1.15
_BLOCKS_A_ROW = 2


@dataclasses.dataclass(frozen=True)
class MixedPicture:
    """An image that was mixed.

    Attributes:
      own: uint8[H, W, 3], source i.
      partner: Source j; None if there is none.
      mask: float[H, W]: how much of each pixel is the own image's.
      result: uint8[H, W, 3].
      share: lambda, the share of the own target.
    """

    own: np.ndarray
    partner: np.ndarray | None
    mask: np.ndarray
    result: np.ndarray
    share: float


@dataclasses.dataclass(frozen=True)
class MixingBlock:
    """What a mixer makes of some images.

    Attributes:
      title: Which mixer.
      pictures: At least one.
    """

    title: str
    pictures: Sequence[MixedPicture]


def draw_mixing(blocks: Sequence[MixingBlock], path: Path | str) -> Path:
    """Draw the sheet as PNG, a block for each mixer, and return its path.

    Args:
      blocks: With as many pictures each.
      path: Where to.

    Raises:
      InputError: If there is no block.
    """
    with matplotlib.rc_context(STYLE):
        figure = mixing_figure(blocks)
        return save_figure(figure, path)


def mixing_figure(blocks: Sequence[MixingBlock]) -> Figure:
    """Return the sheet as a matplotlib figure; see ``draw_mixing``."""
    if not blocks:
        raise InputError("there is no mixer to show")
    wide = min(_BLOCKS_A_ROW, len(blocks))
    high = math.ceil(len(blocks) / wide)
    each = len(blocks[0].pictures) * (_SIDE + 0.1) + 0.75
    size = (wide * (4 * _SIDE + 0.7), high * each + 0.55)
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    places: Any = figure.subfigures(high, wide, squeeze=False, wspace=0.05, hspace=0.03)
    for place, block in zip(places.flat, blocks, strict=False):
        _draw_block(place, block)
    figure.suptitle(
        "What mixing makes of images: mask · source i + (1 - mask) · source j; λ is the share of"
        " i's target" if wide > 1 else "mask · source i + (1 - mask) · source j",
        x=0.012, ha="left", fontsize=10,
    )  # fmt: skip
    return figure


def _draw_block(place: Any, block: MixingBlock) -> None:
    place.suptitle(block.title, fontsize=10.5, fontweight="bold")
    panels = place.subplots(len(block.pictures), 4, squeeze=False)
    for row, picture in zip(panels, block.pictures, strict=True):
        _show(row[0], picture.own)
        whole = bool((picture.mask == 1).all())
        _show(row[1], picture.partner, "not mixed" if whole else "none")
        _show(row[2], picture.mask)
        _show(row[3], picture.result)
        row[2].set_xlabel(f"mean {picture.mask.mean():.3f}", fontsize=8, labelpad=2)
        row[3].set_xlabel(f"λ = {picture.share:.3f}", fontsize=8, labelpad=2)
    for axes, title in zip(panels[0], ("source i", "source j", "mask", "result"), strict=True):
        axes.set_title(title, loc="center", fontsize=8.5, pad=3, fontweight="normal")


def _show(axes: Axes, pixels: np.ndarray | None, instead: str = "") -> None:
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(pixels is not None)
    axes.spines[:].set_color("0.75")
    if pixels is None:
        axes.text(
            0.5, 0.5, instead, transform=axes.transAxes, ha="center", va="center", color="0.4"
        )
        axes.set_aspect("equal")
        return
    axes.imshow(pixels, interpolation="nearest", cmap="gray", vmin=0, vmax=1)
