"""Which pairs the audit of a continuous curve runs: a random sample in batches of one alpha.

A mistake of a polynomial is wrong for many images at a few alphas, so a sample at a few alphas may
well miss it however many images it has. Each alpha between the nodes is drawn wherever the set is
large enough that the pairs of one alpha fill half of a small batch; each pair then has the same
chance, independently of all others, and Clopper-Pearson's bound of its mistakes holds (given its
size, such a sample is a simple random one). On a smaller set as many alphas are drawn as can be
filled like this: a cluster sample, whose bound must count alphas (Cochran, "Sampling techniques",
1977, chapter 9).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Int

from wiseft_jax.core.rng import numpy_stream

_FEWEST = 8
"""Alphas that are drawn however small the set is."""


@dataclasses.dataclass(frozen=True)
class AuditDraw:
    """The audit's sample of one reading: some alphas, and at each of them some images.

    Attributes:
      alphas: Places in the grid, rising.
      everywhere: Whether these are all that lie between the nodes.
      chance: Of each pair at these alphas, to be drawn.
      seed: The root of the randomness.
      name: The dataset's.
      attempt: How many readings failed before; each is audited by a draw of its own.
    """

    alphas: Int[np.ndarray, " K"]
    everywhere: bool
    chance: float
    seed: int
    name: str
    attempt: int = 0

    @classmethod
    def of(
        cls,
        between: Int[np.ndarray, " G"],
        *,
        images: int,
        passes: float,
        small: int,
        seed: int,
        name: str,
        attempt: int = 0,
    ) -> AuditDraw:
        """Return the draw for a set.

        Args:
          between: Places of the grid between the nodes; at a node the model itself answers.
          images: How many the set has.
          passes: What the audit may cost, in pairs for each image.
          small: Rows of a small batch of one alpha, which are run whether filled or not.
          seed: As in ``AuditDraw``.
          name: As in ``AuditDraw``.
          attempt: As in ``AuditDraw``.
        """
        filled = int(2 * images * passes / small)
        count = min(len(between), max(_FEWEST, filled))
        rng = numpy_stream(seed, f"audit alphas/{name}", attempt)
        drawn = np.sort(rng.permutation(between)[:count]).astype(int)
        chance = min(1.0, passes / max(count, 1))
        return cls(drawn, count == len(between), chance, seed, name, attempt)

    def pairs(self, number: int, rows: int, num_alphas: int) -> Bool[np.ndarray, "A B"]:
        """Return which pairs of a batch are drawn, in all processes the same.

        Args:
          number: Of the batch.
          rows: Its images.
          num_alphas: Of the grid.
        """
        name = f"audit/{self.name}" + (f"/{self.attempt}" if self.attempt else "")
        rng = numpy_stream(self.seed, name, number)
        drawn = np.zeros((num_alphas, rows), bool)
        drawn[self.alphas] = rng.random((len(self.alphas), rows)) < self.chance
        return drawn
