"""How sure a number is: the jackknife where there is one, the bootstrap elsewhere.

Of differences of accuracies on the same images: ``core.paired_intervals``.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Float64

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.paired_intervals import Interval
from wiseft_jax.core.resampling import drawn_sums, placed_counts
from wiseft_jax.core.rng import numpy_stream

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2


def mean_interval(values: Float[np.ndarray, " N"]) -> tuple[float, Interval | None]:
    """Return the mean of N values and its 95 % interval by the jackknife; None of a single value.

    Leaving out one value at a time, the jackknife of a mean is Student's interval::

        m +- t sqrt(sum_i (x_i - m)^2 / (N (N - 1))).

    Args:
      values: Of independent examples.

    Raises:
      InputError: No values.
    """
    if len(values) == 0:
        raise InputError("values: expected at least one, found none")
    exact = np.asarray(values, np.float64)
    return jackknifed(float(exact.mean()), exact - exact.mean())


def jackknifed(value: float, influence: Float[np.ndarray, " N"]) -> tuple[float, Interval | None]:
    """Return a statistic and its 95 % interval by the infinitesimal jackknife.

    With ``I_i``, how the statistic moves as example i weighs more, ``se^2 = sum_i I_i^2 / (N
    (N - 1))``, and Student's law with N - 1 degrees of freedom; None of a single example. Source:
    Jaeckel (1972), Bell Laboratories MM 72-1215-11; Efron, Tibshirani (1993), chapter 11.

    Args:
      value: Of all examples.
      influence: Of mean 0, one for each example; for a mean, the value minus the mean.
    """
    count = len(influence)
    if count < 2:
        return value, None
    from scipy.stats import t

    error = math.sqrt(float(np.sum(np.square(influence))) / (count * (count - 1)))
    width = float(t.ppf(1 - _TAIL, count - 1)) * error
    return value, (value - width, value + width)


def mean_p_value(values: Float[np.ndarray, " N"]) -> float | None:
    """Return the two-sided p-value of "the mean is 0", by Student's test; None of a single value.

    It fits ``mean_interval``: below 0.05 where that doesn't hold 0. Without any spread it is 1 if
    the mean is 0, else 0.

    Args:
      values: Of independent examples, such as paired differences.
    """
    count = len(values)
    if count < 2:
        return None
    from scipy.stats import t

    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    if deviation == 0:
        return float(mean == 0)
    return float(2 * t.sf(abs(mean) / (deviation / math.sqrt(count)), count - 1))


def within(interval: Interval | None, low: float, high: float) -> Interval | None:
    """Return an interval cut to the values that are possible."""
    if interval is None:
        return None
    return max(interval[0], low), min(interval[1], high)


def percentile(drawn: Float[np.ndarray, " S"], value: float) -> Interval:
    """Return the 95 % percentile interval of bootstrap draws, reaching as far as the value.

    Args:
      drawn: The statistic in each sample.
      value: Of the sample at hand; of a maximum the draws may all lie on one side of it.
    """
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return min(float(low), value), max(float(high), value)


def pivotal(drawn: Float[np.ndarray, " S"], value: float) -> Interval:
    """Return the 95 % pivotal interval of bootstrap draws, reaching as far as the value.

    ``(2 v - q_97.5, 2 v - q_2.5)``: as the draws are biased against the value, so is the value
    against the truth (Efron, Tibshirani 1993, chapter 13). For statistics that sampling makes
    larger, such as calibration errors.

    Args:
      drawn: The statistic in each sample.
      value: Of the sample at hand.
    """
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return min(2 * value - float(high), value), max(2 * value - float(low), value)


def drawn_means(
    values: Float[np.ndarray, "N C"], *, samples: int, seed: int, stream: str
) -> Float64[np.ndarray, "S C"]:
    """Return the means of C columns in each bootstrap sample of their N rows.

    A row is drawn with all its columns, so what they share cancels in their differences.

    Args:
      values: One row an example.
      samples: S.
      seed: Of the draws.
      stream: A name, such as the set's: draws of other names are independent.
    """
    count = len(values)
    rng = numpy_stream(seed, f"analysis bootstrap {stream}")
    exact = np.asarray(values, np.float64)
    return drawn_sums(placed_counts(rng, count, samples), exact) / count
