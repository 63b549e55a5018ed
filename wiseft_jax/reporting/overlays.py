"""A saliency map as a picture: stretched to its own range, coloured, over the image in grey."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from wiseft_jax.core.saliency import enlarge_map
from wiseft_jax.core.writers import write_bytes

UNSIGNED, SIGNED = "viridis", "RdBu_r"
"""Colour maps that all common kinds of colour blindness can read; the signed one is 0 in white."""

LEAST_SIDE = 224
_OPACITY = 0.7
_PALE = 0.25  # of the image in grey: black and white would pass for values of the map


def stretch_map(values: Float[np.ndarray, "h w"], *, signed: bool) -> Float32[np.ndarray, "h w"]:
    """Return a map in [0, 1] for a picture; a constant one is 0, or the middle where it is signed.

    Args:
      values: Raw.
      signed: Whether 0 comes to the middle, with the same scale on both sides; else the least value
        comes to 0.
    """
    if signed:
        most = np.abs(values).max()
        return (0.5 + values / (2 * most if most > 0 else 1)).astype(np.float32)
    low, high = values.min(), values.max()
    return ((values - low) / (high - low if high > low else 1)).astype(np.float32)


def overlay_map(
    image: UInt8[np.ndarray, "H W 3"], values: Float[np.ndarray, "h w"], *, signed: bool = False
) -> UInt8[np.ndarray, "U V 3"]:
    """Return a map in colour over the image in grey, enlarged by a whole factor to be legible.

    Each value stays as large as it is, a patch or a pixel: a smooth enlargement would show places
    that the map doesn't tell apart.

    Args:
      image: What the model saw.
      values: Raw, on any grid that covers the image.
      signed: As in ``stretch_map``.
    """
    large = enlarge_image(image)
    at_pixels = enlarge_map(stretch_map(values, signed=signed), *large.shape[:2])
    colours = matplotlib.colormaps[SIGNED if signed else UNSIGNED](at_pixels)[..., :3]
    grey = np.asarray(Image.fromarray(large).convert("L"), np.float32)[..., None] / 255
    grey = _PALE + (1 - 2 * _PALE) * grey
    blended = _OPACITY * colours + (1 - _OPACITY) * grey
    return np.round(255 * blended).astype(np.uint8)


def enlarge_image(
    image: UInt8[np.ndarray, "H W 3"], least: int = LEAST_SIDE
) -> UInt8[np.ndarray, "U V 3"]:
    """Return an image with each pixel repeated, so that its shorter side has ``least`` or more."""
    factor = -(-least // min(image.shape[:2]))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def write_picture(path: Path | str, pixels: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write pixels as PNG, atomically."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG", optimize=True)
    write_bytes(path, encoded.getvalue())
