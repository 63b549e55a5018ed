"""Intervals of differences of two accuracies on the same images, in closed form (Newcombe's).

They are made of Wilson's score intervals, so they have a width where the bootstrap has none: of
models that never differ, of few examples, at 0 and 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

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


def interval_of_mean(
    values: Sequence[float],
    intervals: Sequence[Interval],
    correlations: Float64[np.ndarray, "K K"] | None = None,
) -> Interval:
    """Return the interval of the unweighted mean of K values, from that of each.

    With ``[l_k, u_k]`` those of the values ``v_k``, m their mean, and ``r_kj`` their correlations::

        m - sqrt(sum_kj r_kj (v_k - l_k) (v_j - l_j)) / K,  and likewise m + ... (u_k - v_k)

    Each side is put together from the same side of each, so it stays as skewed as they are ("square
    and add", MOVER). Source: Zou, Donner (2008), Statistics in Medicine 27:1693.

    Args:
      values: Of K sets.
      intervals: Of each, with one and the same coverage.
      correlations: Of the sets (``correlations_of``); none: they are independent.

    Raises:
      InputError: No values, or other numbers of both.
    """
    if not values or len(values) != len(intervals):
        raise InputError(
            f"intervals: expected one for each of 1 value or more, found {len(intervals)} for"
            f" {len(values)}"
        )
    mean, count = math.fsum(values) / len(values), len(values)
    own = np.eye(count) if correlations is None else correlations
    ends = np.abs(np.asarray(intervals, np.float64) - np.asarray(values)[:, None])
    down, up = (math.sqrt(max(0.0, float(side @ own @ side))) / count for side in ends.T)
    return mean - down, mean + up


def correlations_of(
    differences: Sequence[Float[np.ndarray, " _"]], images: Sequence[str]
) -> Float64[np.ndarray, "K K"]:
    """Return how the mean differences of K sets correlate: as those of the images that they share.

    Args:
      differences: Of each set one number an image, such as right after minus right before.
      images: Of each set a name of its images; sets of one name show the same ones in one order.

    Returns:
      1 of a set with itself, 0 of sets of other images and where nothing differs.
    """
    found = np.eye(len(images))
    centred = [each - np.mean(each) for each in differences]
    for k, j in itertools.combinations(range(len(images)), 2):
        scale = math.sqrt(float(np.sum(centred[k] ** 2)) * float(np.sum(centred[j] ** 2)))
        if images[k] == images[j] and scale > 0:
            found[k, j] = found[j, k] = float(centred[k] @ centred[j]) / scale
    return found


def _wilson(hits: np.ndarray, n: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    from scipy.stats import norm

    z = float(norm.ppf(1 - (1 - confidence) / 2))
    middle = hits + z**2 / 2
    width = z * np.sqrt(hits * (n - hits) / n + z**2 / 4)
    return (middle - width) / (n + z**2), (middle + width) / (n + z**2)
