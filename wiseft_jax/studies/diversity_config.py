"""What the study of diversity compares: pairs of models, and probes that it fits by itself."""

from __future__ import annotations

import dataclasses
import math

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class DiversityConfig:
    """Which pairs are compared, and how sure the numbers are."""

    probe_splits: int = 2
    """How often the training images are split into halves, for two linear probes each; 0: none, and
    no image is read."""
    probe_c: tuple[float, ...] = (0.1, 1.0, 10.0)
    """Inverse strengths C of the probes' L2 penalty to try; validation accuracy chooses."""
    most_pairs: int = 60
    """Pairs of fine-tuned models, at most; of more, so many are drawn."""
    samples: int = 1_000
    """Bootstrap samples of the images."""
    seed: int = 0
    """Of splits, pairs and samples."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        for name, least in (("probe_splits", 0), ("most_pairs", 1), ("samples", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(
                    f"{name}: expected an integer >= {least}, found {getattr(self, name)}"
                )
        values = tuple(float(value) for value in self.probe_c)
        object.__setattr__(self, "probe_c", values)
        if not values or not all(math.isfinite(value) and value > 0 for value in values):
            raise InputError(f"probe_c: expected numbers > 0, found {list(values)}")
