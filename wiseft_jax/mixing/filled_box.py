"""Cutout: a square of the image is filled; the target stays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32

from wiseft_jax.mixing.mixer import (
    Mode,
    Prob,
    check_batch,
    clipped_box,
    drawn_center,
    drawn_choice,
    drawn_masks,
)


def cutout(
    key: Array,
    images: Float[Array, "B H W C"],
    targets: Float[Array, "B K"],
    *,
    size: float = 0.5,
    fill: Any = 0.0,
    prob: Prob = 1.0,
    mode: Mode = "elem",
    mask: Bool[Array, " B"] | None = None,
) -> tuple[Float[Array, "B H W C"], Float[Array, "B K"]]:
    """Fill a square around a random pixel, clipped by the image; targets stay as they are.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017
    (arXiv 1708.04552).

    Args:
      key: The only source of randomness.
      images: In any scale, floating.
      targets: Returned as they are.
      size: The square's side, as a fraction of the shorter side of the image.
      fill: What is put there: a number, or one for each channel. The mean of the data is right:
        0 for normalised images, ``255 * preprocess.mean`` for pixels in 0..255.
      prob: How likely an image, or the batch, is cut at all.
      mode: Whether draws are an image's (``elem``) or the batch's (``batch``).
      mask: Where it is False a row is padding and stays as it is.

    Returns:
      Images in the dtype that they came in, and the targets.

    Raises:
      ValueError: As ``Mixer``; a size outside of (0, 1].
    """
    check_batch(images, targets)
    if not 0 < size <= 1:
        raise ValueError(f"size: expected a fraction in (0, 1], found {size}")
    masks, chosen = jax.random.split(key)

    def draw(key: Array, height: int, width: int) -> Float32[Array, "H W"]:
        sides = jnp.full(2, round(size * min(height, width)), jnp.int32)
        return clipped_box(height, width, drawn_center(key, height, width), sides)

    weight = drawn_masks(masks, images, draw, mode)[..., None]
    cut = drawn_choice(chosen, len(images), prob, mode)
    if mask is not None:
        cut &= mask
    kept = (weight > 0) | ~cut[:, None, None, None]
    return jnp.where(kept, images, jnp.asarray(fill, images.dtype)), targets
