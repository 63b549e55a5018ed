"""An image tower at another resolution: its position embedding, interpolated."""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import Params

_A = -0.5  # Keys' cubic, which PyTorch takes where it smooths (antialias=True), and Pillow

_log = logging.getLogger(__name__)


def at_resolution(
    params: Params, config: Any, preprocess: Preprocess, image_size: int, source: str
) -> tuple[Params, Preprocess]:
    """Return a CLIP's parameters and preprocessing for images of another size, and say so.

    Args:
      params: The canonical tree of a whole CLIP; not changed.
      config: Its ``CLIPConfig``; its ``image_size`` is set.
      preprocess: How its images are prepared; what is resized before the crop grows likewise.
      image_size: Side of the images in pixels.
      source: What to call the checkpoint.

    Raises:
      InputError: The side is no multiple of the patch's.
    """
    vision = config.vision_config
    grid, rest = divmod(image_size, vision.patch_size)
    if rest or grid < 1:
        raise InputError(
            f"{source}: images of {image_size} pixels; expected a multiple of the patch's side,"
            f" {vision.patch_size} pixels."
        )
    tower = params["vision_model"]
    old = tower["embeddings"]["position_embedding"]["embedding"]
    embeddings = {
        **tower["embeddings"],
        "position_embedding": {"embedding": resize_positions(old, grid, source)},
    }
    before = vision.image_size // vision.patch_size
    _log.info(
        "%s: positions interpolated (bicubic) from %d x %d to %d x %d patches; images of %d pixels",
        source, before, before, grid, grid, image_size,
    )  # fmt: skip
    resize = round(preprocess.resize * image_size / preprocess.size)
    vision.image_size = image_size
    return (
        {**params, "vision_model": {**tower, "embeddings": embeddings}},
        dataclasses.replace(preprocess, size=image_size, resize=resize),
    )


def resize_positions(
    embedding: Float[np.ndarray, "P W"], grid: int, source: str = "the checkpoint"
) -> Float32[np.ndarray, "Q W"]:
    """Return the position embedding of a square image with another number of patches.

    The class token's row stays; the others, a square, are resized by a cubic filter, widened where
    the grid shrinks, as open_clip's ``resize_pos_embed`` does (``F.interpolate`` with ``bicubic``,
    ``antialias=True``, ``align_corners=False``).

    Args:
      embedding: The class token's row, then the patches' row by row; P = side ** 2 + 1.
      grid: Patches along a side of the new image.
      source: What to call the checkpoint in an error.

    Returns:
      ``float32[grid ** 2 + 1, W]``; the embedding itself where the grid stays.

    Raises:
      InputError: There are not one more rows than a square.
    """
    side = math.isqrt(len(embedding) - 1)
    if side * side + 1 != len(embedding):
        raise InputError(
            f"{source}: the position embedding has {len(embedding)} rows; expected one more than a"
            " square."
        )
    if side == grid:
        return np.asarray(embedding, np.float32)
    weights = _weights(side, grid)
    patches = np.asarray(embedding[1:], np.float64).reshape(side, side, -1)
    resized = np.einsum("ai,bj,ijw->abw", weights, weights, patches)
    rows = resized.reshape(grid * grid, -1).astype(np.float32)
    return np.concatenate([np.asarray(embedding[:1], np.float32), rows])


def _weights(size: int, out: int) -> Float[np.ndarray, "Q P"]:
    """Row q has the shares of the old places in the new place q; each sums to one."""
    scale = size / out
    stretch = max(scale, 1.0)
    centres = (np.arange(out) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(size)[None] - centres[:, None]) / stretch
    near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * _A - 4 * _A
    share = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return share / share.sum(axis=1, keepdims=True)
