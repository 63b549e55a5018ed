"""Common corruptions of small images, in the manner of ImageNet-C, each in two severities.

Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019 (arXiv 1903.12261). Of their fifteen those that mean something at 32
pixels; the severities were set by eye, so that a person still reads a digit.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFilter

Pictures: TypeAlias = UInt8[np.ndarray, "N H W 3"]
Corrupt: TypeAlias = Callable[[np.random.Generator, np.ndarray, float], np.ndarray]

SEVERITIES: dict[str, tuple[float, float]] = {
    "gaussian_noise": (0.15, 0.3),
    "impulse_noise": (0.05, 0.15),
    "blur": (1.0, 1.8),
    "contrast": (0.4, 0.15),
    "brightness": (0.25, 0.5),
    "pixelate": (0.5, 0.35),
    "jpeg": (20.0, 6.0),
}
"""Corruption -> its strengths: standard deviation or share of pixels; blur's radius in pixels; the
contrast that is left; what is added; the side that is left; JPEG's quality."""


def gaussian_noise(rng: np.random.Generator, images: Pictures, sigma: float) -> Pictures:
    """Add Gaussian noise of a standard deviation of ``sigma``, of 1."""
    return _bytes(images / 255 + sigma * rng.standard_normal(images.shape))


def impulse_noise(rng: np.random.Generator, images: Pictures, share: float) -> Pictures:
    """Make a share of the pixels black or white."""
    drawn = rng.random((*images.shape[:3], 1))
    black, white = drawn < share / 2, drawn > 1 - share / 2
    return np.where(black, np.uint8(0), np.where(white, np.uint8(255), images))


def blur(rng: np.random.Generator, images: Pictures, radius: float) -> Pictures:
    """Blur by a Gaussian of a standard deviation of ``radius`` pixels."""
    del rng
    kernel = ImageFilter.GaussianBlur(radius)
    return np.stack([np.asarray(Image.fromarray(each).filter(kernel)) for each in images])


def contrast(rng: np.random.Generator, images: Pictures, left: float) -> Pictures:
    """Move every pixel towards its image's mean, so that ``left`` of the contrast is left."""
    del rng
    mean = images.mean((1, 2, 3), keepdims=True)
    return _bytes((mean + left * (images - mean)) / 255)


def brightness(rng: np.random.Generator, images: Pictures, added: float) -> Pictures:
    """Add to every pixel, of 1."""
    del rng
    return _bytes(images / 255 + added)


def pixelate(rng: np.random.Generator, images: Pictures, left: float) -> Pictures:
    """Reduce the sides to ``left`` of them by averaging, and enlarge again in blocks."""
    del rng
    height, width = images.shape[1:3]
    small = max(1, round(left * width)), max(1, round(left * height))
    box, nearest = Image.Resampling.BOX, Image.Resampling.NEAREST
    made = [
        np.asarray(Image.fromarray(each).resize(small, box).resize((width, height), nearest))
        for each in images
    ]
    return np.stack(made)


def jpeg(rng: np.random.Generator, images: Pictures, quality: float) -> Pictures:
    """Compress as JPEG."""
    del rng
    made = []
    for each in images:
        file = io.BytesIO()
        Image.fromarray(each).save(file, "JPEG", quality=round(quality))
        made.append(np.asarray(Image.open(file)))
    return np.stack(made)


CORRUPTIONS: dict[str, Corrupt] = {
    "gaussian_noise": gaussian_noise,
    "impulse_noise": impulse_noise,
    "blur": blur,
    "contrast": contrast,
    "brightness": brightness,
    "pixelate": pixelate,
    "jpeg": jpeg,
}


def corrupted(name: str, images: Pictures, severity: int, seed: int = 0) -> Pictures:
    """Return images under a corruption: the same bytes for the same arguments.

    Args:
      name: One of ``CORRUPTIONS``.
      images: The images.
      severity: 1 or 2.
      seed: Root seed of the draws.
    """
    from wiseft_jax.core.rng import numpy_stream

    rng = numpy_stream(seed, f"corruptions/{name}", severity)
    return CORRUPTIONS[name](rng, images, SEVERITIES[name][severity - 1])


def _bytes(pictures: np.ndarray) -> np.ndarray:
    return np.round(np.clip(pictures, 0, 1) * 255).astype(np.uint8)
