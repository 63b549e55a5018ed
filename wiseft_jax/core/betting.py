"""Does one model beat another on a whole finite set? A test that may be read at any time.

The examples of a set come in random order. Model j earns ``d = right_j - right_i`` against i on
each. If j is not better than i by more than a tolerance on the whole set, the d that are still to
come have at most a known mean ``m``, and nobody gets rich by betting that they are larger: the
wealth ``prod (1 + c (d - m) / (1 + m))`` reaches ``1 / p`` with probability at most p, whenever one
looks. Source: Waudby-Smith and Ramdas (2020), Confidence sequences for sampling without
replacement, NeurIPS 33; Ville's inequality.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int

from wiseft_jax.core.errors import InputError

_STAKES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""The share of the largest safe bet; wealth is the mean over these, which may be bet as well."""

_ROUNDING = 1e-9  # of a sum of whole numbers and tolerance * total


class PairedBets:
    """The wealth of a bettor for each ordered pair: "j beats i".

    Args:
      models: How many models there are, A.
      total: Examples in the whole set, N; they arrive in a uniformly random order.
      tolerance: The claim of pair [i, j] is: accuracy of j > accuracy of i - ``tolerance``. With 0,
        that j is better; with 0.01, that i is not better by a point or more; with -0.01, that j
        is better by more than a point.
    """

    def __init__(self, models: int, total: int, tolerance: float = 0.0) -> None:
        if models < 1 or total < 1:
            raise InputError(f"bets on {models} models and {total} examples: expected at least 1")
        self._total = total
        self._seen = 0
        self._owed = -tolerance * total  # the largest sum of d that the null hypothesis allows
        self._earned = np.zeros((models, models))
        self._log_wealth = np.zeros((len(_STAKES), models, models))
        self._certain = np.zeros((models, models), bool)

    def add(self, models: Int[np.ndarray, " M"], correct: Bool[np.ndarray, "M B"]) -> None:
        """Take in the next examples.

        Args:
          models: Distinct indices; pairs with a model that is left out once mean nothing after.
          correct: Which of the next B examples of the order each gets right.
        """
        count = correct.shape[1]
        if self._seen + count > self._total:
            raise InputError(f"{self._seen + count} examples of a set of {self._total}")
        pairs = np.ix_(models, models)
        right = correct.astype(np.float64)
        gain = right[None] - right[:, None]  # [i, j, example]
        earned = self._earned[pairs][..., None] + np.cumsum(gain, axis=-1)
        left = self._total - self._seen - np.arange(count)
        mean = (self._owed - (earned - gain)) / left
        # Even if j loses every example to come it stays ahead: the hypothesis is refuted. Its mean
        # is at most 1 as well: above, it says nothing, and a bet on d > 1 would only lose.
        certain = (mean < -1 - _ROUNDING).any(axis=-1) | (
            earned[..., -1] - (self._total - self._seen - count) > self._owed + _ROUNDING
        )
        room = np.maximum(1 + np.minimum(mean, 1.0), 1e-9)
        surplus = np.maximum((gain - np.minimum(mean, 1.0)) / room, -1.0)
        for index, stake in enumerate(_STAKES):
            self._log_wealth[index][pairs] += np.log1p(stake * surplus).sum(axis=-1)
        self._certain[pairs] |= certain
        self._earned[pairs] = earned[..., -1]
        self._seen += count

    def log_wealth(self) -> Float64[np.ndarray, "A A"]:
        """Return [i, j], the logarithm of the wealth of betting on j; inf where it is certain."""
        top = self._log_wealth.max(axis=0)
        mean = top + np.log(np.exp(self._log_wealth - top).mean(axis=0))
        return np.where(self._certain, np.inf, mean)
