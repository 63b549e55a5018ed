"""Metrics in NumPy: mergeable counts and exact binomial intervals."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Int


def clopper_pearson(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact (Clopper-Pearson 1934) two-sided interval of a binomial proportion.

    Args:
      hits: Number of successes, 0 <= hits <= n.
      n: Number of trials; n = 0 gives (0, 1).
      confidence: Coverage of the interval.

    Returns:
      ``(low, high)``, fractions.
    """
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(1 - tail, hits + 1, n - hits))
    return low, high


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """A mergeable top-1 accuracy: exact integer counts, never an average of averages."""

    hits: int = 0
    n: int = 0

    @classmethod
    def of(cls, correct: Bool[np.ndarray, " N"] | Int[np.ndarray, " N"]) -> Accuracy:
        """Return the accuracy of a 0/1 array."""
        return cls(int(np.sum(correct)), len(correct))

    def merge(self, other: Accuracy) -> Accuracy:
        """Return the accuracy of both sets together."""
        return Accuracy(self.hits + other.hits, self.n + other.n)

    def compute(self) -> float:
        """Return the fraction in [0, 1]; NaN when there are no examples."""
        return self.hits / self.n if self.n else float("nan")

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the exact binomial interval of the fraction."""
        return clopper_pearson(self.hits, self.n, confidence)
