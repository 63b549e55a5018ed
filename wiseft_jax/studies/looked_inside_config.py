"""On which images a run's models are looked inside, and which plane through them is drawn."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class FeaturesConfig:
    """On which images the features of layers are extracted, for CKA."""

    dataset: str | None = None
    """The set, by its name in the run's tables; the reference test set by default."""
    images: int = 2_000
    """How many of its images, drawn by the seed, at most."""
    batch_size: int = 64
    """Images at once."""
    seed: int = 0
    """Of the draw."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_counts(self, images=4, batch_size=1, seed=0)


@dataclasses.dataclass(frozen=True)
class PlaneConfig:
    """The plane through zero-shot, fine-tuned and a third model."""

    other: Path | None = None
    """The third model: another run of the same CLIP and classes (its fine-tuned end), or an
    exported model."""
    dataset: str | None = None
    """The set, by its name in the run's tables; the reference test set by default."""
    images: int = 500
    """How many of its labelled images, drawn by the seed, at most."""
    points: int = 11
    """Points of the grid, a side."""
    margin: float = 0.25
    """Space around the three models, as a share of their larger extent."""
    batch_size: int = 64
    """Images at once."""
    seed: int = 0
    """Of the draw."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_counts(self, images=1, batch_size=1, points=2, seed=0)
        if not 0 <= self.margin <= 10:
            raise InputError(f"plane.margin: expected 0 to 10, found {self.margin}")

    def settings(self) -> dict[str, Any]:
        """Return what decides the points and the images, beside the models."""
        return {name: getattr(self, name) for name in ("images", "points", "margin", "seed")}


def _check_counts(config: Any, **least: int) -> None:
    for name, low in least.items():
        if getattr(config, name) < low:
            raise InputError(f"{name}: expected at least {low}, found {getattr(config, name)}")
