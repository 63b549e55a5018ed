"""How a race is run: the configuration."""

from __future__ import annotations

import dataclasses

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class RaceConfig:
    """How to find the best of many alphas with a fraction of a sweep's forward passes."""

    batch_size: int = 64
    """Examples between two looks."""
    confidence: float = 0.95
    """The best candidate of the whole set survives with at least this probability."""
    tolerance: float = 0.0
    """Stop as soon as one candidate is surely less than this below the best (a fraction; 0.005 is
    half a point); 0 goes on until one is left or all examples were seen. A positive one takes half
    of the error `1 - confidence`."""
    neighbours: bool = True
    """Whether candidates are in an order in which neighbours are alike, as alphas are."""
    fill_error: float = 0.002
    """With neighbours, a candidate is out only when it is surely more than this below another one
    (a fraction): what filled-in results may do to a difference."""
    audit: float = 0.01
    """The share of filled-in results that is evaluated as well."""
    budget: float = 1.0
    """The share of the forward passes of a full sweep that the race may take, padding of batches
    included: a round like the dearest so far must fit in. Then the race is undecided if several are
    left, and the leader's count may be incomplete. 1 is no limit."""
    seed: int = 0
    """Seed of the order of images and of the audit."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        if self.batch_size < 1:
            raise InputError(f"racing.batch_size: expected at least 1, found {self.batch_size}")
        if not 0 < self.confidence < 1:
            found = self.confidence
            raise InputError(f"racing.confidence: expected between 0 and 1, found {found}")
        for name in ("tolerance", "fill_error", "audit"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"racing.{name}: expected 0 to 1, found {getattr(self, name)}")
        if not 0 < self.budget <= 1:
            raise InputError(f"racing.budget: expected a share in (0, 1], found {self.budget}")


@dataclasses.dataclass(frozen=True)
class ModelRaceConfig:
    """How to find the best of several models with a fraction of the forward passes of all."""

    batch_size: int = 64
    """Images between two looks."""
    confidence: float = 0.95
    """The best model of the whole set survives with at least this probability."""
    tolerance: float = 0.0
    """Stop as soon as one model is surely less than this below the best (a fraction; 0.005 is half
    a point); 0 goes on until one is left or all images were seen. A positive one takes half of the
    error `1 - confidence`."""
    budget: float = 1.0
    """The share of the forward passes of all models on all images that the race may take, padding
    of batches included. Then the race is undecided if several are left. 1 is no limit."""
    seed: int = 0
    """Seed of the order of images."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        self.build()

    def build(self) -> RaceConfig:
        """Return how ``race`` is run: between models nothing is filled in."""
        return RaceConfig(**dataclasses.asdict(self), neighbours=False)
