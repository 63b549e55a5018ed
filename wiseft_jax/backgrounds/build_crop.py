"""The middle of an image, and its mask and box cut out alike."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from wiseft_jax.backgrounds.feeding import fed_mask
from wiseft_jax.backgrounds.tiling import Box
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.transforms import eval_transform


@dataclasses.dataclass(frozen=True)
class Crop:
    """Resize the shorter side to ``size`` and take the middle, as ``EvalTransform`` does.

    Attributes:
      width: Of the image.
      height: Of the image.
      size: Side of what comes out.
    """

    width: int
    height: int
    size: int

    @property
    def resized(self) -> tuple[int, int]:
        """(width, height) between resizing and cropping."""
        if self.width <= self.height:
            return self.size, int(self.size * self.height / self.width)
        return int(self.size * self.width / self.height), self.size

    @property
    def corner(self) -> tuple[int, int]:
        """(left, top) of the crop in the resized image."""
        width, height = self.resized
        return (width - self.size) // 2, (height - self.size) // 2

    def image(self, image: Image.Image) -> UInt8[np.ndarray, "S S 3"]:
        """Return the pixels of the crop of an RGB image; bicubic."""
        return eval_transform(Preprocess(self.size, self.size))(image)

    def mask(self, mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "S S"]:
        """Return the crop of a mask, by the rule of ``fed_mask``."""
        return fed_mask(mask, Preprocess(self.size, self.size))

    def box(self, box: Box) -> tuple[Box, float]:
        """Return the part of a box that is in the crop, and its share of the box's area.

        Edges between pixels move outwards. Nothing left is an empty box and 0.
        """
        (width, height), (left, top) = self.resized, self.corner
        x0, x1 = box[0] * width // self.width, -(-box[2] * width // self.width)
        y0, y1 = box[1] * height // self.height, -(-box[3] * height // self.height)
        area = (x1 - x0) * (y1 - y0)
        across = [min(max(value - left, 0), self.size) for value in (x0, x1)]
        down = [min(max(value - top, 0), self.size) for value in (y0, y1)]
        kept = (across[1] - across[0]) * (down[1] - down[0])
        return (across[0], down[0], across[1], down[1]), kept / area if area else 0.0
