"""What the patch study trains and measures."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Literal, TypeAlias, get_args

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.field_checks import as_floats
from wiseft_jax.mixing.config import MixingConfig

Family: TypeAlias = Literal["resnet", "clip"]
"""``resnet``: from random weights, as in the paper; ``clip``: fine-tuned from a CLIP."""

MixerChoice: TypeAlias = Literal["none", "cutout", "cutmix", "smoothmix", "mixup"]

PATCH_KINDS = ("image", "noise")
"""What is pasted: a part of another image, of another class; uniform noise."""

_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class PatchConfig:
    """The patch study: which augmentation makes a model look at the edges of a pasted square."""

    families: tuple[Family, ...] = ("resnet", "clip")
    """`resnet`: a small one from random weights; `clip`: the embedded CLIP, fine-tuned."""
    mixers: tuple[MixerChoice, ...] = ("none", "cutout", "cutmix", "smoothmix")
    """The augmentations; models that differ in nothing else are compared."""
    seeds: int = 3
    """How many models of each kind, of seeds 0, 1, ...; intervals over seeds need two."""
    epochs: float = 10.0
    """Passes over the training set, of every model."""
    batch_size: int = 64
    """Images per step."""
    resnet_learning_rate: float = 3e-3
    """The peak, of the ResNets."""
    clip_learning_rate: float = 1e-3
    """The peak, of the CLIPs."""
    weight_decay: float = 0.1
    """Decoupled (AdamW)."""
    patch_size: int = 10
    """Side of the pasted square, in pixels."""
    patch_seed: int = 0
    """Draws places and contents of the patches: the same for all models."""
    alphas: tuple[float, ...] = tuple(step / 10 for step in range(11))
    """The grid of WiSE-FT on top of each CLIP; starts at 0 and ends at 1."""
    bootstrap_samples: int = 4000
    """Of the intervals of differences between augmentations."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        as_floats(self, ("epochs", "resnet_learning_rate", "clip_learning_rate", "weight_decay"))
        for field, known in (("families", Family), ("mixers", MixerChoice)):
            self._check_names(field, get_args(known))
        self._check("seeds", self.seeds >= 1, "an integer >= 1")
        for field in ("epochs", "resnet_learning_rate", "clip_learning_rate"):
            value = getattr(self, field)
            self._check(field, 0 < value < math.inf, "a number > 0")
        self._check("weight_decay", 0 <= self.weight_decay < math.inf, "a number >= 0")
        self._check("batch_size", self.batch_size >= 2, "an integer >= 2")
        self._check("patch_size", self.patch_size >= 1, "pixels, at least 1")
        self._check("patch_seed", 0 <= self.patch_seed < 2**32, "an integer in [0, 2**32)")
        self._check("bootstrap_samples", self.bootstrap_samples >= 1, "an integer >= 1")
        rises = all(low + _ROUNDING < high for low, high in itertools.pairwise(self.alphas))
        ends = rises and self.alphas[:1] == (0.0,) and self.alphas[-1:] == (1.0,)
        self._check("alphas", ends, "rising numbers from 0 to 1, both among them")

    def _check(self, field: str, fits: bool, expected: str) -> None:
        if not fits:
            option = field.replace("_", "-")
            raise InputError(f"--{option}: expected {expected}, found {getattr(self, field)!r}")

    def _check_names(self, field: str, known: tuple[str, ...]) -> None:
        given = getattr(self, field)
        fits = len(given) > 0 and set(given) <= set(known) and len(set(given)) == len(given)
        self._check(field, fits, f"some of {', '.join(known)}, each once")

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every model that is trained, seed by seed: a broken-off study has whole seeds."""
        return tuple(
            Cell(family, mixer, seed)
            for seed in range(self.seeds)
            for family in self.families
            for mixer in self.mixers
        )


@dataclasses.dataclass(frozen=True)
class Cell:
    """One model of the study.

    Attributes:
      family: Which kind of model.
      mixer: Which augmentation.
      seed: Of initial weights, order and draws.
    """

    family: Family
    mixer: MixerChoice
    seed: int

    @property
    def name(self) -> str:
        """The name of its directory."""
        return f"{self.family}-{self.mixer}-{self.seed}"

    @property
    def mixing(self) -> MixingConfig:
        """The augmentation with the defaults of ``MixingConfig``: every image is mixed."""
        return MixingConfig(self.mixer)
