"""What the study of backgrounds along WiSE-FT's alpha measures."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Literal, TypeAlias

import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.field_checks import as_floats

TrainOn: TypeAlias = Literal["original", "mixed_rand"]

REQUIRED = ("original", "only_bg_t", "mixed_same", "mixed_rand")
"""Variants without which there is no BG-Gap, no category of an image, or no attack."""

RESULT_NEUTRAL = ("bootstrap_samples",)
"""Fields that a study which goes on may change: they are of what is summed up last."""


@dataclasses.dataclass(frozen=True)
class AlphasConfig:
    """How a model leans on backgrounds along WiSE-FT's alpha."""

    alphas: tuple[float, ...] = tuple(step / 10 for step in range(11))
    """The grid, rising; with 0 (zero-shot) and 1 (fine-tuned), which all others are compared
    with."""
    pairing_seeds: int = 3
    """Pairings of Mixed-Same and Mixed-Rand, of seeds 0, 1, ...; the BG-Gap is their mean."""
    foregrounds: int = 100
    """Foregrounds of the challenge, drawn class by class; 0 leaves the challenge out."""
    backgrounds: int = 100
    """Backgrounds of the challenge, drawn class by class: fewer break fewer foregrounds, so its
    accuracy is an upper bound of the whole set's."""
    saliency_images: int = 200
    """Images whose maps are drawn; 0 leaves saliency out."""
    sample_seed: int = 0
    """Of the draws of foregrounds, backgrounds and images."""
    limit: int | None = None
    """At most so many images of each set, evenly of each class: to try a command."""
    bootstrap_samples: int = 4000
    """Of the intervals over foregrounds."""
    train_on: TrainOn = "original"
    """What `--demo` fine-tunes on."""
    epochs: float = 4.0
    """Of `--demo`'s fine-tuning."""
    learning_rate: float = 1e-3
    """The peak, of `--demo`'s fine-tuning."""
    training_seed: int = 0
    """Of `--demo`'s fine-tuning: its order and, on Mixed-Rand, its pairing."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        as_floats(self, ("epochs", "learning_rate"))
        finite = all(math.isfinite(alpha) for alpha in self.alphas)
        rises = finite and all(
            np.float32(low) < np.float32(high) for low, high in itertools.pairwise(self.alphas)
        )
        ends = rises and {0.0, 1.0} <= set(self.alphas)
        self._check("alphas", ends, "rising numbers, 0 and 1 among them")
        self._check("pairing_seeds", self.pairing_seeds >= 1, "an integer >= 1")
        self._check("bootstrap_samples", self.bootstrap_samples >= 1, "an integer >= 1")
        for field in ("foregrounds", "saliency_images", "sample_seed", "training_seed"):
            self._check(field, getattr(self, field) >= 0, "an integer >= 0")
        self._check("backgrounds", self.backgrounds >= 1, "an integer >= 1")
        self._check("limit", self.limit is None or self.limit >= 1, "an integer >= 1")
        for field in ("epochs", "learning_rate"):
            self._check(field, 0 < getattr(self, field) < math.inf, "a number > 0")

    def _check(self, field: str, fits: bool, expected: str) -> None:
        if not fits:
            option = field.replace("_", "-")
            raise InputError(f"--{option}: expected {expected}, found {getattr(self, field)!r}")

    @property
    def end_places(self) -> tuple[int, int]:
        """Where 0 and 1 are among the alphas."""
        return self.alphas.index(0.0), self.alphas.index(1.0)
