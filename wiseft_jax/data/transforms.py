"""From an RGB image to the uint8 pixels that a tower takes, by Pillow as in the reference.

Normalisation (``/255``, mean, std) happens on the device, inside the compiled function.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.rand_augment import RandAugment

_RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
}
_ATTEMPTS = 10


@dataclasses.dataclass(frozen=True)
class EvalTransform:
    """Resize the shorter side to ``preprocess.resize``, crop the middle ``preprocess.size``.

    The longer side becomes ``int(resize * long / short)`` and the crop starts at ``(side - size) //
    2``: bit for bit what ``CLIPImageProcessor`` does. A crop larger than the image is padded with
    black, as there.
    """

    preprocess: Preprocess

    def __call__(self, image: Image.Image) -> UInt8[np.ndarray, "S S 3"]:
        """Return the pixels of ``image``."""
        target, size = self.preprocess.resize, self.preprocess.size
        width, height = image.size
        if width <= height:
            shape = (target, int(target * height / width))
        else:
            shape = (int(target * width / height), target)
        if shape != image.size:
            image = image.resize(shape, _RESAMPLING[self.preprocess.interpolation])
        if shape != (size, size):
            left, top = (shape[0] - size) // 2, (shape[1] - size) // 2
            image = image.crop((left, top, left + size, top + size))
        return np.asarray(image)


@dataclasses.dataclass(frozen=True)
class TrainTransform:
    """Random resized crop to ``preprocess.size``; then a flip and RandAugment, if wanted.

    Draws up to ten times an area (uniform in ``scale``, a fraction of the image's) and an aspect
    ratio (log-uniform in ``ratio``) until the box fits; else takes the middle: torchvision's
    ``RandomResizedCrop``, with another generator.
    """

    preprocess: Preprocess
    scale: tuple[float, float] = (0.9, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.0
    rand_augment: RandAugment | None = None

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise InputError(f"crop scale: expected 0 < low <= high <= 1, found {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise InputError(f"crop ratio: expected 0 < low <= high, found {self.ratio}")

    def box(self, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Return ``(left, top, right, bottom)`` of a random crop of an image of ``size`` (w, h)."""
        width, height = size
        log_low, log_high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(_ATTEMPTS):
            area = width * height * rng.uniform(*self.scale)
            ratio = math.exp(rng.uniform(log_low, log_high))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
                return left, top, left + w, top + h
        w = min(width, max(1, round(height * self.ratio[1])))
        h = min(height, max(1, round(width / self.ratio[0])))
        left, top = (width - w) // 2, (height - h) // 2
        return left, top, left + w, top + h

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
        """Return the pixels of a random crop of ``image``."""
        size = (self.preprocess.size, self.preprocess.size)
        image = image.crop(self.box(image.size, rng))
        if image.size != size:
            image = image.resize(size, _RESAMPLING[self.preprocess.interpolation])
        if self.flip > 0 and rng.random() < self.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.rand_augment is not None:
            image = self.rand_augment(image, rng)
        return np.asarray(image)


def eval_transform(preprocess: Preprocess) -> EvalTransform:
    """Return the deterministic transform ``image -> uint8[size, size, 3]``."""
    return EvalTransform(preprocess)


def train_transform(
    preprocess: Preprocess, scale: tuple[float, float] = (0.9, 1.0)
) -> TrainTransform:
    """Return the random transform ``(image, rng) -> uint8[size, size, 3]``.

    Args:
      preprocess: What the tower expects.
      scale: Range of the crop's area as a fraction of the image's.
    """
    return TrainTransform(preprocess, (float(scale[0]), float(scale[1])))
