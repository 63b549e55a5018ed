"""The jackknife: how sure a statistic of few groups is, by leaving out each of them in turn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Int64

from wiseft_jax.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class Jackknife:
    """A statistic with its jackknife interval.

    Attributes:
      value: Of all groups.
      standard_error: By the jackknife; None of a single group.
      low: The lower end of the interval; None of a single group.
      high: The upper end.
      groups: How many there are.
    """

    value: float
    standard_error: float | None
    low: float | None
    high: float | None
    groups: int


def jackknife(
    statistic: Callable[[Int64[np.ndarray, " K"]], float], groups: int, confidence: float = 0.95
) -> Jackknife:
    """Return a statistic with the interval that leaving out one group at a time gives it.

    With ``t`` of all K groups, ``t_(-k)`` of all but the k-th, and ``t_(.)`` the mean of these::

        se^2 = (K - 1) / K  sum_k (t_(-k) - t_(.))^2,    t +- q se,

    q the quantile of Student's law with K - 1 degrees of freedom. For the mean of K numbers that is
    the usual interval of a mean. It is one over *groups*: of few shifts it is wide, however many
    images each has. Source: Tukey (1958), Annals of Mathematical Statistics 29:614; Efron,
    Tibshirani (1993), An Introduction to the Bootstrap, chapter 11.

    Args:
      statistic: ``places int64[K'] -> value``, of the groups at these places.
      groups: How many groups there are, K.
      confidence: Coverage of the interval.

    Raises:
      InputError: No groups, or a confidence outside (0, 1).

    Example:
      >>> jackknife(lambda places: float(lost[places].mean()), len(lost)).low
      0.4
    """
    if groups < 1:
        raise InputError(f"groups: expected at least 1, found {groups}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence: expected a fraction between 0 and 1, found {confidence}")
    every = np.arange(groups)
    value = float(statistic(every))
    if groups == 1:
        return Jackknife(value, None, None, None, 1)
    from scipy.stats import t

    without = np.array([float(statistic(np.delete(every, place))) for place in every])
    squares = float(np.sum((without - without.mean()) ** 2))
    error = math.sqrt((groups - 1) / groups * squares)
    width = float(t.ppf((1 + confidence) / 2, groups - 1)) * error
    return Jackknife(value, error, value - width, value + width, groups)
