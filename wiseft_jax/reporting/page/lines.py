"""The curves of a page: every set at every alpha, and how it compares with both ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from wiseft_jax.core.curve_rows import CurveRow
from wiseft_jax.core.paired import mcnemar
from wiseft_jax.core.paired_intervals import (
    Interval,
    correlations_of,
    interval_of_mean,
    newcombe,
)
from wiseft_jax.reporting.series import Curves, Series

ENDS = (0.0, 1.0)
_DIGITS = 7  # far more than are shown: a number that is rounded twice differs from the tables'

Kind = Literal["reference", "mean", "shift", "matched", "other"]


@dataclasses.dataclass(frozen=True)
class Against:
    """One set at every alpha against one end, paired; fractions.

    Attributes:
      end: 0 or 1.
      difference: Accuracy minus the end's.
      low: The lower end of its 95 % interval (Newcombe's).
      high: The upper end.
      won: Images that are right here and wrong at the end.
      lost: Images that are wrong here and right at the end.
      p_value: Of McNemar's exact test.
    """

    end: float
    difference: list[float]
    low: list[float]
    high: list[float]
    won: list[int]
    lost: list[int]
    p_value: list[float]


@dataclasses.dataclass(frozen=True)
class Line:
    """The accuracy of one set, or of the mean of the shifts, over alpha; fractions.

    Attributes:
      name: The set.
      kind: What it is for.
      split: Its split.
      n: Images.
      alphas: Where it was measured, rising.
      values: The accuracies.
      low: The lower ends of their 95 % intervals.
      high: The upper ends.
      against: Comparisons with the ends, where predictions are stored.
      between: The continuous curve: ``alphas``, ``values``, ``low`` and ``high``; None without one.
      classes: How many classes the set has, where predictions are stored; else 0.
      matched_reference: Of a shift, the set of its classes that it is set against; else empty.
    """

    name: str
    kind: Kind
    split: str
    n: int
    alphas: list[float]
    values: list[float]
    low: list[float]
    high: list[float]
    against: list[Against]
    between: dict[str, list[float]] | None = None
    classes: int = 0
    matched_reference: str = ""


def lines_of(
    curves: Curves,
    predictions: Mapping[str, Any],
    curve_rows: Sequence[CurveRow] = (),
    alpha: float | None = None,
    images: Mapping[str, str] | None = None,
) -> list[Line]:
    """Return a line for each set: the reference, the mean, the shifts, the others.

    Args:
      curves: The rows, sorted.
      predictions: ``Predictions`` by data set.
      curve_rows: The continuous curves.
      alpha: The chosen one, at which the mean of the shifts is compared too.
      images: By data set a name of its images; sets of one name show the same ones, the others
        are independent.
    """
    continuous = {(row["dataset"], row["split"]): row for row in curve_rows}
    lines = []
    for series in curves.all:
        stored = predictions.get(series.name)
        if series is curves.mean:
            against = _against_of_mean(series, curves.shifts, predictions, alpha, images or {})
        elif stored is not None and stored.split == series.split:
            against = _against_of_set(series, stored)
        else:
            against = []
        row = continuous.get((series.name, series.split))
        line = _line(series, _kind(series, curves), against, row)
        classes = 0 if stored is None else stored.num_classes
        lines.append(dataclasses.replace(line, classes=classes))
    return lines


def _kind(series: Series, curves: Curves) -> Kind:
    if series is curves.mean:
        return "mean"
    if series is curves.reference:
        return "reference"
    if series in curves.shifts:
        return "shift"
    return "matched" if series.role == "matched_reference" else "other"


def _line(series: Series, kind: Kind, against: list[Against], row: CurveRow | None) -> Line:
    points = series.points.values()
    return Line(
        name=series.name,
        kind=kind,
        split=series.split,
        n=series.n,
        alphas=series.alphas,
        values=rounded(point.value for point in points),
        low=rounded(point.low for point in points),
        high=rounded(point.high for point in points),
        against=against,
        between=None if row is None else _between(row),
        matched_reference=series.matched_reference,
    )


def _between(row: CurveRow) -> dict[str, list[float]]:
    shares = {
        name: rounded(count / row["n"] for count in row[key])
        for name, key in (("values", "hits"), ("low", "low"), ("high", "high"))
    }
    return {"alphas": rounded(row["alphas"]), **shares}


def _against_of_set(series: Series, stored: Any) -> list[Against]:
    labelled = np.asarray(stored.labels) >= 0
    if not labelled.any() or list(stored.alphas) != series.alphas:
        return []
    right = np.asarray(stored.correct)[:, labelled]
    return [_against(right, series.alphas, end) for end in ENDS if end in series.alphas]


def _against(right: np.ndarray, alphas: Sequence[float], end: float) -> Against:
    first = right[list(alphas).index(end)]
    found = Against(end, [], [], [], [], [], [])
    for alpha, second in zip(alphas, right, strict=True):
        test = mcnemar(first, second)
        low, high = (0.0, 0.0) if alpha == end else newcombe(first, second)
        found.difference.append(round(test.difference, _DIGITS))
        found.low.append(round(low, _DIGITS))
        found.high.append(round(high, _DIGITS))
        found.won.append(test.b_only)
        found.lost.append(test.a_only)
        found.p_value.append(float(f"{test.p_value:.{_DIGITS}g}"))
    return found


def _against_of_mean(
    series: Series,
    shifts: Sequence[Series],
    predictions: Mapping[str, Any],
    alpha: float | None,
    images: Mapping[str, str],
) -> list[Against]:
    """Return the mean's comparisons: differences everywhere, an interval at ``alpha`` alone."""
    found = []
    for end in ENDS:
        base = series.at(end)
        if base is None:
            continue
        differences = rounded(point.value - base.value for point in series.points.values())
        low, high = list(differences), list(differences)
        interval = _interval_of_mean(shifts, predictions, (end, alpha), images)
        if interval is not None and alpha in series.points:
            place = series.alphas.index(alpha)
            low[place], high[place] = interval
        found.append(Against(end, differences, low, high, [], [], []))
    return found


def _interval_of_mean(
    shifts: Sequence[Series],
    predictions: Mapping[str, Any],
    alphas: tuple[float, float | None],
    images: Mapping[str, str],
) -> Interval | None:
    """Return the interval of the mean over shifts of what the second alpha gains on the first."""
    values, intervals, differences = [], [], []
    for shift in shifts:
        stored = predictions.get(shift.name)
        if stored is None or alphas[0] == alphas[1] or not {*alphas} <= {*stored.alphas}:
            return None
        labelled = np.asarray(stored.labels) >= 0
        if not labelled.any():
            return None
        end, own = (np.asarray(stored.correct)[stored.alphas.index(at), labelled] for at in alphas)
        differences.append(own.astype(np.float64) - end)
        values.append(float(differences[-1].mean()))
        intervals.append(newcombe(end, own))
    if not values:
        return None
    shown = [images.get(shift.name, shift.name) for shift in shifts]
    low, high = interval_of_mean(values, intervals, correlations_of(differences, shown))
    return round(low, _DIGITS), round(high, _DIGITS)


def rounded(values: Any) -> list[float]:
    """Return numbers with five decimals, a tenth of what a picture can show."""
    return [round(float(value), _DIGITS) + 0.0 for value in values]
