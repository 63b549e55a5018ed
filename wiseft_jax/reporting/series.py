"""Result rows as curves over alpha: one for each set, and the mean of the shifts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.paired_intervals import interval_of_mean
from wiseft_jax.core.results import MEAN_OF_SHIFTS, Row
from wiseft_jax.core.typing import Role, Split


@dataclasses.dataclass(frozen=True)
class Value:
    """An accuracy with its 95 % interval; fractions.

    Attributes:
      value: The accuracy.
      low: The interval's lower end.
      high: Its upper end.
      band: Of a continuous curve, the accuracy with what is uncertain counted as wrong, and as
        right; None of what was counted.
    """

    value: float
    low: float
    high: float
    band: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Series:
    """The accuracy of one set over alpha.

    Attributes:
      name: The dataset, or ``MEAN_OF_SHIFTS``.
      split: Its split.
      role: Its role.
      n: Examples; for the mean, of all shifts together.
      points: alpha -> accuracy, by rising alpha.
      matched_reference: Of a shift, the set that it is set against, where that isn't the reference.
    """

    name: str
    split: Split
    role: Role
    n: int
    points: dict[float, Value]
    matched_reference: str = ""

    @property
    def alphas(self) -> list[float]:
        """The alphas, rising."""
        return list(self.points)

    @property
    def values(self) -> list[float]:
        """The accuracies, by rising alpha."""
        return [point.value for point in self.points.values()]

    def at(self, alpha: float | None) -> Value | None:
        """Return the accuracy at ``alpha``, if it was measured."""
        return None if alpha is None else self.points.get(alpha)


@dataclasses.dataclass(frozen=True)
class Curves:
    """The sets of a result, by what they are for.

    Attributes:
      reference: The test set of the reference distribution (without one, its validation set).
      shifts: The shifted test sets, in the rows' order.
      mean: The unweighted mean of the shifts, where all of them were measured.
      others: Every other set: matched references, validation, further references, training.
    """

    reference: Series | None
    shifts: tuple[Series, ...]
    mean: Series | None
    others: tuple[Series, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Curves:
        """Sort top-1 rows into curves.

        Raises:
          InputError: If there are none.
        """
        series = all_series(rows)
        if not series:
            raise InputError("there are no top-1 rows to show")
        references = [each for each in series if each.role == "reference"]
        references.sort(key=lambda each: ("test", "validation", "train").index(each.split))
        reference = references[0] if references else None
        shifts = tuple(each for each in series if each.role == "shift" and each.split == "test")
        others = tuple(each for each in series if each is not reference and each not in shifts)
        return cls(reference, shifts, mean_of(shifts), others)

    @property
    def all(self) -> list[Series]:
        """The reference, the mean (of several shifts), the shifts, then the others."""
        mean = [self.mean] if self.mean is not None and len(self.shifts) > 1 else []
        reference = [self.reference] if self.reference is not None else []
        return [*reference, *mean, *self.shifts, *self.others]

    @property
    def axis(self) -> Series | None:
        """What ``mean`` is set against: of a single shift its matched reference, if it has one."""
        name = self.shifts[0].matched_reference if len(self.shifts) == 1 else ""
        return next((each for each in self.others if name and each.name == name), self.reference)

    @property
    def alphas(self) -> list[float]:
        """Every alpha of any set, rising."""
        return sorted({alpha for each in self.all for alpha in each.points})


def all_series(rows: Sequence[Row]) -> list[Series]:
    """Return one series for each dataset and split of the top-1 rows, in their order."""
    found: dict[tuple[str, Split], list[Row]] = {}
    for row in rows:
        if row["metric"] == "top1" and row["n"] > 0:
            found.setdefault((row["dataset"], row["split"]), []).append(row)
    return [
        Series(
            name=name,
            split=split,
            role=own[0]["role"],
            n=own[0]["n"],
            points={
                row["alpha"]: Value(row["value"], row["ci_low"], row["ci_high"], _band(row))
                for row in sorted(own, key=lambda row: row["alpha"])
            },
            matched_reference=own[0].get("matched_reference", ""),
        )
        for (name, split), own in found.items()
    ]


def _band(row: Row) -> tuple[float, float] | None:
    if "band_low" not in row or "band_high" not in row:
        return None
    return row["band_low"], row["band_high"]


def mean_of(
    shifts: Sequence[Series],
    correlations: Mapping[float, Float64[np.ndarray, "K K"]] | None = None,
) -> Series | None:
    """Return the unweighted mean of the shifts, with an interval.

    The interval is put together from those of the sets (``core.paired_intervals``). Of sets whose
    correlations aren't given it is as if they were independent, which shifts made from the same
    images are not: for them it is too narrow or too wide.

    Args:
      shifts: K sets.
      correlations: alpha -> how the accuracies of the shifts correlate there, where that is known.
    """
    if not shifts:
        return None
    known = correlations or {}
    common = [alpha for alpha in shifts[0].points if all(alpha in each.points for each in shifts)]
    points = {
        alpha: _mean([each.points[alpha] for each in shifts], known.get(alpha)) for alpha in common
    }
    return Series(MEAN_OF_SHIFTS, "test", "shift", sum(each.n for each in shifts), points)


def _mean(values: Sequence[Value], correlations: Float64[np.ndarray, "K K"] | None) -> Value:
    count = len(values)
    mean = sum(each.value for each in values) / count
    low, high = interval_of_mean(
        [each.value for each in values], [(each.low, each.high) for each in values], correlations
    )
    band = None
    if any(each.band for each in values):
        bands = [each.band or (each.value, each.value) for each in values]
        band = sum(low for low, _ in bands) / count, sum(high for _, high in bands) / count
    return Value(mean, max(0.0, low), min(1.0, high), band)
