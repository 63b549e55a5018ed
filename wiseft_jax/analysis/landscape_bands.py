"""How sure gains over the chord are: at one alpha, and at all alphas between the ends at once.

Which alpha is best or worst is picked on the images that it is measured on. A band that holds at
all alphas at once pays for that: whatever alpha is picked, its interval holds.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64

from wiseft_jax.core.paired_intervals import Interval, newcombe_of_many

_ERROR = 0.05


def single_intervals(
    gains: Float[np.ndarray, " B"],
    drawn: Float[np.ndarray, "S B"],
    unmoved: Float[np.ndarray, "B 2"] | None = None,
) -> Float64[np.ndarray, "B 2"]:
    """Return the 95 % percentile interval of each gain by itself, reaching as far as the gain.

    Args:
      gains: At the B alphas between the ends.
      drawn: Those of S bootstrap samples.
      unmoved: What stands for an interval where all draws are alike, as no prediction differs.
    """
    ends = np.quantile(drawn, [_ERROR / 2, 1 - _ERROR / 2], axis=0).T
    found = np.stack([np.minimum(ends[:, 0], gains), np.maximum(ends[:, 1], gains)], axis=1)
    return _where_moved(drawn, found, unmoved)


def simultaneous_band(
    gains: Float[np.ndarray, " B"],
    drawn: Float[np.ndarray, "S B"],
    unmoved: Float[np.ndarray, "B 2"] | None = None,
) -> Float64[np.ndarray, "B 2"]:
    """Return intervals that hold at all B alphas at once with 95 %, by the max-t bootstrap.

    ``gain_k +- c se_k``, with ``se_k`` the draws' standard deviation and c the 95 % quantile of
    ``max_k |drawn_k - gain_k| / se_k``: neighbours along alpha are alike, so c is less than for B
    independent numbers. Source: Romano, Wolf (2005), Econometrica 73:1237.

    Args:
      gains: At the B alphas between the ends.
      drawn: Those of S bootstrap samples.
      unmoved: As ``single_intervals``; its intervals hold at once too.
    """
    error = drawn.std(axis=0)
    moved = error > 0
    found = np.stack([gains, gains], axis=1).astype(np.float64)
    if moved.any():
        apart = np.abs(drawn[:, moved] - gains[moved]) / error[moved]
        width = np.quantile(apart.max(axis=1), 1 - _ERROR) * error[moved]
        found[moved] += np.stack([-width, width], axis=1)
    return _where_moved(drawn, found, unmoved)


def unmoved_intervals(
    right: Bool[np.ndarray, "A N"], alphas: Float[np.ndarray, " B"], at_once: int = 1
) -> Float64[np.ndarray, "B 2"]:
    """Return intervals of gains over the chord from Newcombe's against both ends.

    The gain is ``(1 - alpha) (acc - acc_0) + alpha (acc - acc_1)``; the two intervals are mixed
    likewise, each with half of the error, so what is held is more than 95 %. They have a width
    where no prediction differs, and are too wide elsewhere.

    Args:
      right: Which examples are right at the first end, at B alphas between, and at the last end.
      alphas: The B.
      at_once: How many of them hold at once with 95 % (Bonferroni).
    """
    confidence = 1 - _ERROR / (2 * at_once)
    first, last = (newcombe_of_many(right[end], right[1:-1], confidence) for end in (0, -1))
    return (1 - alphas)[:, None] * first + alphas[:, None] * last


def interval_of_best(right: Bool[np.ndarray, "A N"]) -> Interval:
    """Return the 95 % interval of ``max_k min(acc_k - acc_0, acc_k - acc_1)`` over alphas between.

    Newcombe's intervals of all 2 (A - 2) differences, each with the same part of the error
    (Bonferroni), hold at once; and with them the largest, over alphas, of the smaller of the two
    lower ends, and of the two upper ends. Neighbours along alpha are alike, so it covers more.

    Args:
      right: Which examples are right at each of A >= 3 alphas, the ends first and last.
    """
    confidence = 1 - _ERROR / (2 * (len(right) - 2))
    ends = [newcombe_of_many(right[end], right[1:-1], confidence) for end in (0, -1)]
    low, high = np.minimum(ends[0], ends[1]).max(axis=0)
    return float(low), float(high)


def interval_of_least(band: Float[np.ndarray, "B 2"]) -> Interval:
    """Return the interval of the least gain, from a band that holds at all alphas at once."""
    return float(band[:, 0].min()), float(band[:, 1].min())


def interval_of_barrier(band: Float[np.ndarray, "B 2"]) -> Interval:
    """Return the interval of the barrier, ``max(0, -least gain)``, from such a band."""
    low, high = interval_of_least(band)
    return max(0.0, -high), max(0.0, -low)


def _where_moved(drawn: np.ndarray, found: np.ndarray, unmoved: np.ndarray | None) -> np.ndarray:
    if unmoved is None:
        return found
    return np.where((np.ptp(drawn, axis=0) > 0)[:, None], found, unmoved)
