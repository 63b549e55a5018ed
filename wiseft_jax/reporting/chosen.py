"""The chosen alpha in the picture: where it is, and whether it was run there or read off."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from wiseft_jax.core.results import Row
from wiseft_jax.reporting.series import Curves, Series, Value

_READ_OFF = " (read off the curve)"
_NOT_RUN = " (not run)"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The chosen alpha, and how its accuracies are known.

    Attributes:
      alpha: The coefficient.
      how: What its name says beside; empty where every prediction was run, or is certain.
      reference: Its accuracy on the reference; None where it isn't known.
      mean: The same, of the mean of the shifts.
      axis: The same, of what that mean is set against (``Curves.axis``).
    """

    alpha: float
    how: str
    reference: Value | None
    mean: Value | None
    axis: Value | None

    @classmethod
    def of(cls, alpha: float, curves: Curves, dense: Curves | None, rows: Sequence[Row]) -> Chosen:
        """Return what is known of ``alpha``.

        Args:
          alpha: The coefficient.
          curves: At the alphas asked for.
          dense: The continuous curves, if there are any.
          rows: What ``curves`` are of.
        """
        if alpha in curves.alphas or dense is None:
            here = [row for row in rows if row["alpha"] == alpha]
            how = _NOT_RUN if not here else _READ_OFF if any(map(_is_uncertain, here)) else ""
            known = [each and each.at(alpha) for each in _sets(curves)]
            return cls(alpha, how, *known)
        read = [each and _between(each, alpha) for each in _sets(dense)]
        return cls(alpha, _READ_OFF if any(read) else _NOT_RUN, *read)

    @property
    def face(self) -> str:
        """The colour inside its star: grey where it was not run."""
        return "0.72" if self.how else "white"


def _sets(curves: Curves) -> tuple[Series | None, ...]:
    return curves.reference, curves.mean, curves.axis


def _is_uncertain(row: Row) -> bool:
    """Return whether a row is read off a curve, and not exact: what is uncertain wasn't run."""
    if row["method"] != "curve":
        return False
    return row.get("band_low", 0.0) < row.get("band_high", 1.0)


def _between(line: Series, alpha: float) -> Value | None:
    """Return a continuous curve's value at any alpha; None beyond its ends."""
    if not line.alphas[0] <= alpha <= line.alphas[-1]:
        return None
    points = line.points.values()
    columns = zip(*((each.value, each.low, each.high) for each in points), strict=True)
    value, low, high = (float(np.interp(alpha, line.alphas, column)) for column in columns)
    return Value(value, low, high)
