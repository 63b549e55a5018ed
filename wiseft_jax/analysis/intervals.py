"""How sure a number is: closed forms where there are any, the paired bootstrap elsewhere."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float64, Int

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.rng import numpy_stream

Interval: TypeAlias = tuple[float, float]

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2
_DRAWS_AT_ONCE = 2**22  # of whole numbers in memory, 32 MiB


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
    at_once = max(1, _DRAWS_AT_ONCE // count)
    means = np.empty((samples, values.shape[1]))
    for start in range(0, samples, at_once):
        size = min(at_once, samples - start)
        drawn = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        means[start : start + size] = weights @ exact / count
    return means


def paired_difference(
    a_only: Int[np.ndarray, " T"],
    b_only: Int[np.ndarray, " T"],
    both: Int[np.ndarray, " T"],
    n: Int[np.ndarray, " T"],
) -> Float64[np.ndarray, "T 2"]:
    """Return the 95 % intervals of T differences of paired proportions, second minus first.

    Wilson's intervals of both proportions, put together with their correlation ("square and add",
    Newcombe 1998, Statistics in Medicine 17:2635, method 10). A closed form that behaves well for
    few examples and at 0 and 1, and always holds the difference itself.

    Args:
      a_only: Examples that only the first gets right.
      b_only: Examples that only the second gets right.
      both: Examples that both get right.
      n: All examples, at least 1 each.
    """
    total = n.astype(np.float64)
    first, second = (both + a_only).astype(np.float64), (both + b_only).astype(np.float64)
    (low_a, high_a), (low_b, high_b) = _wilson(first, total), _wilson(second, total)
    neither = total - both - a_only - b_only
    product = first * (total - first) * second * (total - second)
    cross = both * neither - a_only * b_only.astype(np.float64)
    # The correlation is pulled towards 0 where it is positive, as Newcombe does.
    cross = np.where(cross > 0, np.maximum(cross - total / 2, 0), cross)
    phi = np.divide(cross, np.sqrt(product), out=np.zeros_like(cross), where=product > 0)
    p, q = first / total, second / total
    down, up = (q - low_b, high_a - p), (high_b - q, p - low_a)
    widths = [np.sqrt(np.maximum(x**2 - 2 * phi * x * y + y**2, 0)) for x, y in (down, up)]
    return np.stack([q - p - widths[0], q - p + widths[1]], axis=1)


def _wilson(hits: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.stats import norm

    z = float(norm.ppf(1 - _TAIL))
    middle = hits + z**2 / 2
    width = z * np.sqrt(hits * (n - hits) / n + z**2 / 4)
    return (middle - width) / (n + z**2), (middle + width) / (n + z**2)


def mcnemar_p_values(
    a_only: Int[np.ndarray, " T"], b_only: Int[np.ndarray, " T"]
) -> Float64[np.ndarray, " T"]:
    """Return the exact two-sided p-values of ``core.paired.mcnemar``, of T tests at once.

    Args:
      a_only: Examples that only the first gets right.
      b_only: Examples that only the second gets right.
    """
    from scipy.stats import binom

    tails = binom.cdf(np.minimum(a_only, b_only), a_only + b_only, 0.5)
    return np.minimum(1.0, 2 * tails)
