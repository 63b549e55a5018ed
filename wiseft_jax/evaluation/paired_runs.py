"""Two runs on the same images: paired tests from their stored predictions, without jax."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int64

from wiseft_jax.core.paired import holm, mcnemar
from wiseft_jax.core.paired_intervals import correlations_of, interval_of_mean, newcombe
from wiseft_jax.core.results import MEAN_OF_SHIFTS
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.same_images import first_with_images


@dataclasses.dataclass(frozen=True)
class PairedRow:
    """The accuracies of two runs on one set, at one place of the path each.

    Attributes:
      dataset: The set, or ``MEAN_OF_SHIFTS``.
      split: Its split.
      role: Its role.
      at: ``zero_shot``, ``chosen`` or ``fine_tuned``.
      alphas: Of both.
      n: Images that count in both.
      values: The accuracies of both.
      difference: Second minus first.
      low: Lower end of its 95 % interval (Newcombe's; of a mean put together from the sets').
      high: Upper end.
      p_value: McNemar's exact test; None of a mean.
      p_holm: The same corrected for the sets compared at this place.
    """

    dataset: str
    split: Split
    role: Role
    at: str
    alphas: tuple[float, float]
    n: int
    values: tuple[float, float]
    difference: float
    low: float
    high: float
    p_value: float | None = None
    p_holm: float | None = None


def places_of(chosen: tuple[float, float]) -> dict[str, tuple[float, float]]:
    """Return where two runs are compared: at both ends, and at what each of them chose."""
    return {"zero_shot": (0.0, 0.0), "chosen": chosen, "fine_tuned": (1.0, 1.0)}


def compare_runs(
    first: Mapping[str, Predictions],
    second: Mapping[str, Predictions],
    chosen: tuple[float, float],
    *,
    same_classes: bool = True,
) -> tuple[list[PairedRow], dict[str, str]]:
    """Return the paired comparison of two runs, and why sets have none.

    Args:
      first: The predictions of one run by dataset.
      second: Of the other.
      chosen: The alpha that each chose.
      same_classes: Whether both have the same classes in the same order, so that labels must agree.

    Returns:
      A row for each place and set, and for the mean of the shifts that both have; and set -> the
      reason, for each set that only one has or whose images differ.
    """
    found: list[PairedRow] = []
    reasons: dict[str, str] = {}
    pairs = {}
    for name in dict.fromkeys([*first, *second]):
        if name not in first or name not in second:
            reasons[name] = f"only the {'first' if name in first else 'second'} run has it"
            continue
        order, why = matched(first[name], second[name], same_classes=same_classes)
        if order is None:
            reasons[name] = why
        else:
            pairs[name] = order
    images = first_with_images(first[name] for name in pairs)
    for at, alphas in places_of(chosen).items():
        rows, gains = [], {}
        for name, order in pairs.items():
            both = first[name], second[name]
            if any(alpha not in each.alphas for alpha, each in zip(alphas, both, strict=True)):
                continue
            right = _right(*both, order, alphas)
            rows.append(_row(both[0], at, alphas, right))
            if (both[0].split, both[0].role) == ("test", "shift"):
                gains[name] = right[1].astype(np.float64) - right[0]
        found += _corrected(rows)
        if len(gains) > 1:
            found.append(_mean([row for row in rows if row.dataset in gains], gains, images))
    return found, reasons


def matched(
    first: Predictions, second: Predictions, *, same_classes: bool = True
) -> tuple[Int64[np.ndarray, " N"] | None, str]:
    """Return where each image of the first is in the second; or None, and why not.

    Args:
      first: Predictions of one run.
      second: Of the other.
      same_classes: Whether labels must agree.
    """
    if len(set(first.ids)) < len(first.ids) or len(set(second.ids)) < len(second.ids):
        return None, "ids repeat, so that images can't be told apart"
    places = {name: place for place, name in enumerate(second.ids)}
    if places.keys() != set(first.ids):
        shared = len(places.keys() & set(first.ids))
        return None, f"other images ({len(first.ids)} and {len(second.ids)}, {shared} in common)"
    order = np.asarray([places[name] for name in first.ids], np.int64)
    labels = np.asarray(second.labels)[order]
    if same_classes and not np.array_equal(first.labels, labels):
        return None, "the same ids have other labels, so they aren't the same images"
    if not np.array_equal(np.asarray(first.labels) >= 0, labels >= 0):
        return None, "other images have labels"
    if not (labels >= 0).any():
        return None, "no image has a label"
    return order, ""


def _right(
    first: Predictions,
    second: Predictions,
    order: Int64[np.ndarray, " N"],
    alphas: tuple[float, float],
) -> Bool[np.ndarray, "2 M"]:
    """Return which of the labelled images each run gets right."""
    kept = np.asarray(first.labels) >= 0
    one = np.asarray(first.correct[first.alphas.index(alphas[0])])
    other = np.asarray(second.correct[second.alphas.index(alphas[1])])[order]
    return np.stack([one[kept], other[kept]])


def _row(
    of: Predictions,
    at: str,
    alphas: tuple[float, float],
    right: Bool[np.ndarray, "2 M"],
) -> PairedRow:
    test, (low, high) = mcnemar(right[0], right[1]), newcombe(right[0], right[1])
    values = float(right[0].mean()), float(right[1].mean())
    return PairedRow(
        of.dataset, of.split, of.role, at, alphas, right.shape[1], values, test.difference, low,
        high, test.p_value,
    )  # fmt: skip


def _corrected(rows: list[PairedRow]) -> list[PairedRow]:
    p_values = [row.p_value for row in rows if row.p_value is not None]
    if not p_values:
        return rows
    return [
        dataclasses.replace(row, p_holm=float(p))
        for row, p in zip(rows, holm(p_values), strict=True)
    ]


def _mean(
    rows: list[PairedRow], gains: Mapping[str, np.ndarray], images: Mapping[str, str]
) -> PairedRow:
    """Return the unweighted mean of the shifts; sets of the same images correlate in it."""
    names = [row.dataset for row in rows]
    low, high = interval_of_mean(
        [row.difference for row in rows],
        [(row.low, row.high) for row in rows],
        correlations_of([gains[name] for name in names], [images[name] for name in names]),
    )
    values = tuple(float(np.mean([row.values[side] for row in rows])) for side in (0, 1))
    return PairedRow(
        MEAN_OF_SHIFTS, "test", "shift", rows[0].at, rows[0].alphas, sum(row.n for row in rows),
        (values[0], values[1]), values[1] - values[0], low, high,
    )  # fmt: skip
