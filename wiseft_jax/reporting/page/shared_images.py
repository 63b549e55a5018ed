"""The mean of the shifts of a page: sets that show the same images count together in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from wiseft_jax.core.paired_intervals import correlations_of
from wiseft_jax.reporting.series import Curves, mean_of


def with_correlations(
    curves: Curves, predictions: Mapping[str, Any], images: Mapping[str, str]
) -> Curves:
    """Return the curves, their mean with how the accuracies of the shifts correlate.

    Where a shift has no predictions, all of them count as independent, as in the rows.

    Args:
      curves: The rows, sorted.
      predictions: ``Predictions`` by data set.
      images: By data set a name of its images; sets of one name show the same ones, the others
        are independent.
    """
    names = [shift.name for shift in curves.shifts]
    if curves.mean is None or any(name not in predictions for name in names):
        return curves
    stored = [predictions[name] for name in names]
    shown = [images.get(name, name) for name in names]
    found = {}
    for alpha in curves.mean.alphas:
        if all(alpha in each.alphas for each in stored):
            found[alpha] = correlations_of([_right(each, alpha) for each in stored], shown)
    return dataclasses.replace(curves, mean=mean_of(curves.shifts, found))


def _right(stored: Any, alpha: float) -> np.ndarray:
    """Return 1 for each labelled image that is right at an alpha, else 0."""
    labelled = np.asarray(stored.labels) >= 0
    return np.asarray(stored.correct)[stored.alphas.index(alpha), labelled].astype(np.float64)
