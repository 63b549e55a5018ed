"""The model's own answers for pairs of an alpha and an example, kept over several readings.

With them are the logits that are stored, the polynomial's where there is no answer: one array of
them, as they may be large.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32

from wiseft_jax.evaluation.collected import compacted
from wiseft_jax.evaluation.kept_logits import logit_alphas
from wiseft_jax.evaluation.pairs import Found
from wiseft_jax.evaluation.predictions import Predictions


@dataclasses.dataclass(frozen=True)
class Answers:
    """What direct evaluation gave so far.

    Attributes:
      known: Which pairs have been evaluated.
      top1: Their classes; 0 elsewhere.
      margin: Their largest logit minus the second largest.
      entropy: Of their softmax, in nats.
      kept: Places of the alphas whose logits are stored.
      logits: Theirs; where nothing is known what ``interpolated`` last put there. None if ``kept``
        is empty.
    """

    known: Bool[np.ndarray, "A N"]
    top1: Int32[np.ndarray, "A N"]
    margin: Float32[np.ndarray, "A N"]
    entropy: Float32[np.ndarray, "A N"]
    kept: tuple[int, ...] = ()
    logits: Float32[np.ndarray, "P N C"] | None = None

    @classmethod
    def none(
        cls, num_alphas: int, examples: int, kept: tuple[int, ...] = (), classes: int = 0
    ) -> Answers:
        """Return room for the answers of a set.

        Args:
          num_alphas: Of the grid.
          examples: Of the set.
          kept: Places of the alphas whose logits are stored.
          classes: Of the set.
        """
        size = (num_alphas, examples)
        return cls(
            np.zeros(size, bool),
            np.zeros(size, np.int32),
            np.zeros(size, np.float32),
            np.zeros(size, np.float32),
            kept,
            np.zeros((len(kept), examples, classes), np.float32) if kept else None,
        )

    def put(self, found: Found) -> None:
        """Keep what was found."""
        self.known[found.alpha, found.positions] = True
        for name, values in self.columns().items():
            values[found.alpha, found.positions] = getattr(found, name)
        if self.logits is not None and found.logits is not None:
            own = self.logits[self.kept.index(found.alpha)]
            own[found.positions] = found.logits[:, : own.shape[1]]

    def interpolated(
        self, positions: Int[np.ndarray, " M"], logits: Float32[np.ndarray, "P M G"]
    ) -> None:
        """Keep the polynomial's logits of some examples where there is no answer.

        Args:
          positions: The examples.
          logits: At ``kept``; of a projected set, those of its classes come first.
        """
        assert self.logits is not None
        for row, place in enumerate(self.kept):
            unknown = ~self.known[place, positions]
            own = self.logits[row]
            own[positions[unknown]] = logits[row, unknown, : own.shape[1]]

    def with_logits(self, predictions: Predictions, read: Int[np.ndarray, " M"]) -> Predictions:
        """Return predictions with the logits, which aren't copied; once, when all is read.

        Args:
          predictions: Of the whole grid.
          read: Positions of the examples that could be read, rising.
        """
        if self.logits is None:
            return predictions
        return dataclasses.replace(
            predictions,
            logits=compacted(self.logits, read),
            logit_alphas=logit_alphas(self.kept, predictions.alphas),
        )

    def columns(self) -> dict[str, np.ndarray]:
        """Return what is known of each pair by name."""
        return {"top1": self.top1, "margin": self.margin, "entropy": self.entropy}
