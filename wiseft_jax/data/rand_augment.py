"""RandAugment by Pillow: a few random operations of one strength.

Cubuk et al. 2020, "RandAugment: Practical automated data augmentation with a reduced search space"
(CVPRW 2020, arXiv 1909.13719), with the operations and ranges of torchvision's ``RandAugment``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from wiseft_jax.data.augmentation import MAX_MAGNITUDE

_TURN_DEGREES = 30.0
_SHEAR = 0.3
_SHIFT_SHARE = 150 / 331  # of the side: 150 pixels of the 331 of AutoAugment's images
_ENHANCE = 0.9
_POSTERIZE_BITS = 4
_GREY = (128, 128, 128)

Operation = Callable[[Image.Image, float], Image.Image]
"""``(RGB image, strength in [-1, 1]) -> RGB image of the same size``."""


def _affine(
    image: Image.Image, strength: float, *, shear: tuple[int, int], shift: tuple[int, int]
) -> Image.Image:
    """Shear about the top left corner, or shift, along one axis; what is uncovered is grey."""
    width, height = image.size
    moved = (_SHIFT_SHARE * width * shift[0], _SHIFT_SHARE * height * shift[1])
    slant = (_SHEAR * shear[0], _SHEAR * shear[1])
    row = (1.0, strength * slant[0], strength * moved[0])
    column = (strength * slant[1], 1.0, strength * moved[1])
    return image.transform(
        image.size, Image.Transform.AFFINE, (*row, *column), Image.Resampling.NEAREST,
        fillcolor=_GREY,
    )  # fmt: skip


def _rotate(image: Image.Image, strength: float) -> Image.Image:
    angle = _TURN_DEGREES * strength
    return image.rotate(angle, Image.Resampling.NEAREST, fillcolor=_GREY)


def _enhance(
    image: Image.Image, strength: float, *, kind: Callable[[Image.Image], Any]
) -> Image.Image:
    return kind(image).enhance(1.0 + _ENHANCE * strength)


def _posterize(image: Image.Image, strength: float) -> Image.Image:
    return ImageOps.posterize(image, 8 - round(_POSTERIZE_BITS * abs(strength)))


def _solarize(image: Image.Image, strength: float) -> Image.Image:
    return ImageOps.solarize(image, round(255 * (1.0 - abs(strength))))


def _plain(
    image: Image.Image, strength: float, *, kind: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    del strength
    return kind(image)


OPERATIONS: dict[str, Operation] = {
    "identity": functools.partial(_plain, kind=Image.Image.copy),
    "shear_x": functools.partial(_affine, shear=(1, 0), shift=(0, 0)),
    "shear_y": functools.partial(_affine, shear=(0, 1), shift=(0, 0)),
    "translate_x": functools.partial(_affine, shear=(0, 0), shift=(1, 0)),
    "translate_y": functools.partial(_affine, shear=(0, 0), shift=(0, 1)),
    "rotate": _rotate,
    "brightness": functools.partial(_enhance, kind=ImageEnhance.Brightness),
    "color": functools.partial(_enhance, kind=ImageEnhance.Color),
    "contrast": functools.partial(_enhance, kind=ImageEnhance.Contrast),
    "sharpness": functools.partial(_enhance, kind=ImageEnhance.Sharpness),
    "posterize": _posterize,
    "solarize": _solarize,
    "auto_contrast": functools.partial(_plain, kind=ImageOps.autocontrast),
    "equalize": functools.partial(_plain, kind=ImageOps.equalize),
}
"""Name -> operation; those of the paper."""


@dataclasses.dataclass(frozen=True)
class RandAugment:
    """Apply ``count`` operations, drawn with replacement, each to one side or the other.

    Attributes:
      count: N of the paper.
      magnitude: M of the paper, 0 to 30.
    """

    count: int
    magnitude: int

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Return an RGB image of the same size."""
        names = tuple(OPERATIONS)
        for _ in range(self.count):
            name = names[int(rng.integers(len(names)))]
            sign = 1.0 if rng.random() < 0.5 else -1.0
            image = OPERATIONS[name](image, sign * self.magnitude / MAX_MAGNITUDE)
        return image
