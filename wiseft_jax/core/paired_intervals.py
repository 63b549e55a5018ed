"""Intervals of differences of two accuracies on the same images, in closed form (Newcombe's).

They are made of Wilson's score intervals, so they have a width where the bootstrap has none: of
models that never differ, of few examples, at 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float64, Int

from wiseft_jax.core.errors import InputError

Interval: TypeAlias = tuple[float, float]


def paired_difference(
    a_only: Int[np.ndarray, " T"],
    b_only: Int[np.ndarray, " T"],
    both: Int[np.ndarray, " T"],
    n: Int[np.ndarray, " T"],
    confidence: float = 0.95,
) -> Float64[np.ndarray, "T 2"]:
    """Return the intervals of T differences of paired proportions, second minus first.

    Wilson's intervals of both proportions, put together with their correlation ("square and add",
    Newcombe 1998, Statistics in Medicine 17:2635, method 10). A closed form that behaves well for
    few examples and at 0 and 1, and always holds the difference itself.

    Args:
      a_only: Examples that only the first gets right.
      b_only: Examples that only the second gets right.
      both: Examples that both get right.
      n: All examples, at least 1 each.
      confidence: Coverage of each interval. For T that hold all at once, give ``1 - 0.05 / T``
        (Bonferroni).
    """
    total = n.astype(np.float64)
    first, second = (both + a_only).astype(np.float64), (both + b_only).astype(np.float64)
    low_a, high_a = _wilson(first, total, confidence)
    low_b, high_b = _wilson(second, total, confidence)
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


def newcombe(
    a: Bool[np.ndarray, " N"], b: Bool[np.ndarray, " N"], confidence: float = 0.95
) -> Interval:
    """Return the interval of one difference of accuracies, ``b``'s minus ``a``'s.

    Args:
      a: Which examples the first model gets right; at least one example.
      b: Which the second gets right.
      confidence: Coverage.

    Example:
      >>> newcombe(right[0], right[10])
      (0.012, 0.047)
    """
    low, high = newcombe_of_many(a, b[None], confidence)[0]
    return float(low), float(high)


def newcombe_of_many(
    a: Bool[np.ndarray, " N"], others: Bool[np.ndarray, "T N"], confidence: float = 0.95
) -> Float64[np.ndarray, "T 2"]:
    """Return the intervals of the accuracies of T models minus that of one.

    Args:
      a: Which examples the one gets right; at least one example.
      others: Which each of the T gets right.
      confidence: As ``paired_difference``.
    """
    a_only, b_only, both = (each.sum(axis=1) for each in (a & ~others, ~a & others, a & others))
    return paired_difference(a_only, b_only, both, np.full(len(others), len(a)), confidence)


def interval_of_mean(values: Sequence[float], intervals: Sequence[Interval]) -> Interval:
    """Return the interval of the unweighted mean of independent values, from that of each.

    With ``[l_k, u_k]`` those of the K values ``v_k`` and m their mean::

        [m - sqrt(sum_k (v_k - l_k)^2) / K,  m + sqrt(sum_k (u_k - v_k)^2) / K]

    Each side is put together from the same side of each, so it stays as skewed as they are ("square
    and add", MOVER). Source: Zou, Donner (2008), Statistics in Medicine 27:1693.

    Args:
      values: Of sets whose images were drawn independently; of sets that show the same images the
        interval is off, too narrow where they err alike.
      intervals: Of each, with one and the same coverage.

    Raises:
      InputError: No values, or other numbers of both.
    """
    if not values or len(values) != len(intervals):
        raise InputError(
            f"intervals: expected one for each of 1 value or more, found {len(intervals)} for"
            f" {len(values)}"
        )
    mean, count = math.fsum(values) / len(values), len(values)
    down = math.hypot(*(v - low for v, (low, _) in zip(values, intervals, strict=True)))
    up = math.hypot(*(high - v for v, (_, high) in zip(values, intervals, strict=True)))
    return mean - down / count, mean + up / count


def _wilson(hits: np.ndarray, n: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    from scipy.stats import norm

    z = float(norm.ppf(1 - (1 - confidence) / 2))
    middle = hits + z**2 / 2
    width = z * np.sqrt(hits * (n - hits) / n + z**2 / 4)
    return (middle - width) / (n + z**2), (middle + width) / (n + z**2)
