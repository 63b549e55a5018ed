"""How the backgrounds study's miniature is made; loads nothing heavy, as ``--help`` reads it."""

from __future__ import annotations

import dataclasses

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class DemoConfig:
    """How the miniature is made."""

    strength: float = 0.7
    """Probability that a background is of the digit's own kind; 0: it tells nothing."""
    contrast: float = 0.6
    """How far a digit's brightness is from its background's, in [0, 1]: less is harder."""
    noise: float = 0.06
    """Standard deviation of the noise on everything."""

    def __post_init__(self) -> None:
        """Check the fields."""
        for field in ("strength", "contrast", "noise"):
            value = getattr(self, field)
            if not 0 <= value <= 1:
                raise InputError(f"--{field}: expected a number in [0, 1], found {value}")
