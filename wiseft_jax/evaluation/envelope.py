"""The upper envelope of lines, walked from the left: which class leads, and where that changes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, Int


def walk(
    rows: Int[np.ndarray, " N"],
    z_0: Float64[np.ndarray, "N K"],
    slope: Float64[np.ndarray, "N K"],
    low: float,
    high: float,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield ``(example, alpha, before, after, at)``, one crossing of each row that has more.

    Args:
      rows: What the examples are called.
      z_0: Their logits at alpha = 0.
      slope: How these change with alpha.
      low: Where to start.
      high: Where to stop, included.
    """
    z = z_0 + low * slope
    at_low = z.argmax(axis=1)
    ties = z == z.max(axis=1, keepdims=True)
    current = np.where(ties, slope, -np.inf).argmax(axis=1)
    if (moved := at_low != current).any():
        here = np.full(int(moved.sum()), low)
        yield rows[moved], here, at_low[moved], current[moved], at_low[moved]
    alpha = np.full(len(rows), low)
    while len(rows):
        rise = slope - np.take_along_axis(slope, current[:, None], 1)
        lead = np.take_along_axis(z_0, current[:, None], 1) - z_0
        with np.errstate(divide="ignore", invalid="ignore"):
            # A steeper line is not above the present one, so it meets it here or later; where
            # rounding says earlier, it is here.
            meets = np.where(rise > 0, np.maximum(lead / rise, alpha[:, None]), np.inf)
        first = meets.argmin(axis=1)
        alpha = np.take_along_axis(meets, first[:, None], 1)[:, 0]
        goes_on = alpha <= high
        if not goes_on.any():
            return
        rows, alpha, before = rows[goes_on], alpha[goes_on], current[goes_on]
        z_0, slope, meets, first = (x[goes_on] for x in (z_0, slope, meets, first))
        current = np.where(meets == alpha[:, None], slope, -np.inf).argmax(axis=1)
        yield rows, alpha, before, current, np.minimum(before, first)
