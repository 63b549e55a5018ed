"""The model's own answers for pairs of an alpha and an example, kept over several readings."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float32, Int32

from wiseft_jax.evaluation.pairs import Found


@dataclasses.dataclass(frozen=True)
class Answers:
    """What direct evaluation gave so far.

    Attributes:
      known: Which pairs have been evaluated.
      top1: Their classes; 0 elsewhere.
      margin: Their largest logit minus the second largest.
      entropy: Of their softmax, in nats.
    """

    known: Bool[np.ndarray, "A N"]
    top1: Int32[np.ndarray, "A N"]
    margin: Float32[np.ndarray, "A N"]
    entropy: Float32[np.ndarray, "A N"]

    @classmethod
    def none(cls, num_alphas: int, examples: int) -> Answers:
        """Return room for the answers of a set.

        Args:
          num_alphas: Of the grid.
          examples: Of the set.
        """
        size = (num_alphas, examples)
        return cls(
            np.zeros(size, bool),
            np.zeros(size, np.int32),
            np.zeros(size, np.float32),
            np.zeros(size, np.float32),
        )

    def put(self, found: Found) -> None:
        """Keep what was found."""
        self.known[found.alpha, found.positions] = True
        for name, values in self.columns().items():
            values[found.alpha, found.positions] = getattr(found, name)

    def columns(self) -> dict[str, np.ndarray]:
        """Return what is known of each pair by name."""
        return {"top1": self.top1, "margin": self.margin, "entropy": self.entropy}
