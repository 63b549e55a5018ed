"""The continuous curve as series: dense values, and the band of what is uncertain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wiseft_jax.core.curve_rows import CurveRow
from wiseft_jax.core.results import Row
from wiseft_jax.reporting.series import Curves, Series, Value, mean_of


def continuous(curve_rows: Sequence[CurveRow], rows: Sequence[Row]) -> Curves | None:
    """Return the curves of the sets that ``rows`` show, tabulated finely; None without any.

    Each value's ``low`` and ``high`` are the band: uncertain predictions counted as wrong, or as
    right. It has nothing to do with the sampling interval of an accuracy. Of the mean of the shifts
    the band is the mean of theirs.

    Args:
      curve_rows: The continuous curves; those of sets that ``rows`` don't have are passed over.
      rows: What decides which set is what.
    """
    coarse = Curves.of(rows)
    against = {series.name: series.matched_reference for series in coarse.shifts}
    dense = {
        (row["dataset"], row["split"]): Series(
            name=row["dataset"],
            split=row["split"],
            role=row["role"],
            n=row["n"],
            points={
                alpha: Value(hits / row["n"], low / row["n"], high / row["n"])
                for alpha, hits, low, high in zip(
                    row["alphas"], row["hits"], row["low"], row["high"], strict=True
                )
            },
            matched_reference=against.get(row["dataset"], ""),
        )
        for row in curve_rows
        if row["n"] > 0
    }
    shown = [series for series in coarse.all if series is not coarse.mean]
    if any((series.name, series.split) not in dense for series in shown):
        return None

    def finely(series: Series) -> Series:
        return dense[series.name, series.split]

    shifts = tuple(finely(series) for series in coarse.shifts)
    return Curves(
        None if coarse.reference is None else finely(coarse.reference),
        shifts,
        _mean_of(shifts),
        tuple(finely(series) for series in coarse.others),
    )


def _mean_of(shifts: Sequence[Series]) -> Series | None:
    mean = mean_of(shifts)
    if mean is None:
        return None
    bands = {
        alpha: Value(
            point.value,
            float(np.mean([each.points[alpha].low for each in shifts])),
            float(np.mean([each.points[alpha].high for each in shifts])),
        )
        for alpha, point in mean.points.items()
    }
    return Series(mean.name, mean.split, mean.role, mean.n, bands)
