"""How a matrix of foregrounds and backgrounds is filled."""

from __future__ import annotations

import dataclasses
import math

from wiseft_jax.core.errors import InputError

BLOCK_ROWS = 64
"""Foregrounds that lie on the devices, and are saved, together: 13 MB of 224 pixels square."""


@dataclasses.dataclass(frozen=True)
class AttackConfig:
    """Which pairs are tried, and how many at once."""

    foregrounds: int | None = None
    """So many foregrounds, drawn class by class, in place of all."""
    backgrounds: int | None = None
    """So many backgrounds, drawn class by class, in place of all: fewer break fewer foregrounds, so
    the challenge accuracy of a sample is an upper bound, and the paper's rate a lower bound."""
    seed: int = 0
    """Of both draws; a larger sample of the same seed has the images of a smaller one."""
    early_exit: bool = False
    """Leave a foreground at its first wrong answer: the same challenge accuracy with fewer pairs;
    the paper's rate is then a lower bound, and backgrounds have no rates."""
    chunk_foregrounds: int = 8
    """Foregrounds at once, at most 64."""
    chunk_backgrounds: int = 32
    """Backgrounds at once; a forward pass is of `chunk-foregrounds` x `chunk-backgrounds`
    images."""
    save_every_secs: float = 30.0
    """Seconds of work that a killed run loses at most, and a chunk of backgrounds."""

    def __post_init__(self) -> None:
        """Check the fields."""
        for field in ("foregrounds", "backgrounds", "chunk_foregrounds", "chunk_backgrounds"):
            value = getattr(self, field)
            if value is not None and value < 1:
                name = field.replace("_", "-")
                raise InputError(f"--{name}: expected an integer >= 1, found {value}")
        if self.chunk_foregrounds > BLOCK_ROWS:
            raise InputError(
                f"--chunk-foregrounds: expected at most {BLOCK_ROWS}, found"
                f" {self.chunk_foregrounds}; give more --chunk-backgrounds"
            )
        if self.seed < 0:
            raise InputError(f"--seed: expected an integer >= 0, found {self.seed}")
        if not (math.isfinite(self.save_every_secs) and self.save_every_secs >= 0):
            found = self.save_every_secs
            raise InputError(f"--save-every-secs: expected a number >= 0, found {found}")
