"""How training images are changed on the host: crop, flip, RandAugment."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from wiseft_jax.core.field_checks import check_field

if TYPE_CHECKING:
    from wiseft_jax.core.preprocess import Preprocess
    from wiseft_jax.data.transforms import TrainTransform

MAX_MAGNITUDE = 30
"""The scale of RandAugment's magnitude in its paper and in torchvision: 0 to 30."""


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """Crop, flip and RandAugment; the paper's fine-tuning crops alone."""

    crop_scale: tuple[float, float] = (0.9, 1.0)
    """Smallest and largest share of the image's area that a training crop covers."""
    flip: float = 0.0
    """Probability of a left-right flip; 0 where left and right mean something, as for digits."""
    rand_augment: int = 0
    """How many random operations RandAugment applies in turn; 0: none, its paper uses 2."""
    magnitude: int = 9
    """How strong they are, 0 to 30."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        scale, most = self.crop_scale, MAX_MAGNITUDE
        fits = len(scale) == 2 and 0 < scale[0] <= scale[1] <= 1
        self._check("crop_scale", fits, "two numbers, 0 < low <= high <= 1")
        self._check("flip", 0 <= self.flip <= 1, "a probability in [0, 1]")
        self._check("rand_augment", self.rand_augment >= 0, "an integer >= 0")
        self._check("magnitude", 0 <= self.magnitude <= most, f"0 to {most}")

    def _check(self, field: str, fits: bool, expected: str) -> None:
        check_field(self, "training.augmentation", field, fits, expected)

    def build(self, preprocess: Preprocess) -> TrainTransform:
        """Return the random transform ``(image, rng) -> uint8[size, size, 3]``."""
        from wiseft_jax.data.rand_augment import RandAugment
        from wiseft_jax.data.transforms import TrainTransform

        low, high = (float(bound) for bound in self.crop_scale)
        operations = RandAugment(self.rand_augment, self.magnitude) if self.rand_augment else None
        return TrainTransform(preprocess, (low, high), flip=self.flip, rand_augment=operations)
