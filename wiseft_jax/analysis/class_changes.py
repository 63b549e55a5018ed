"""Which classes win and which lose: accuracy by class, at one alpha against another, tested."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import (
    FINE_TUNED,
    ZERO_SHOT,
    StoredRun,
    labelled,
    right_at,
)
from wiseft_jax.core.analysis_rows import AnalysisRow
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.paired import holm, mcnemar_p_values
from wiseft_jax.core.paired_intervals import paired_difference
from wiseft_jax.evaluation.predictions import Predictions

NAME = "classes"
LEVEL = 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class ClassChanges:
    """How accuracies of T classes change from one model to another on the same examples.

    Attributes:
      classes: int64[T], those that have examples, rising.
      n: int64[T], their examples.
      change: float64[T], accuracy of the second model minus that of the first, fractions.
      intervals: float64[T, 2], 95 % each (Newcombe's, of paired proportions).
      p_values: float64[T], McNemar's exact test, of each class by itself.
      p_holm: float64[T], corrected by Holm's method for all T classes.
    """

    classes: Int64[np.ndarray, " T"]
    n: Int64[np.ndarray, " T"]
    change: Float64[np.ndarray, " T"]
    intervals: Float64[np.ndarray, "T 2"]
    p_values: Float64[np.ndarray, " T"]
    p_holm: Float64[np.ndarray, " T"]


def class_changes(
    before: Bool[np.ndarray, " N"], after: Bool[np.ndarray, " N"], labels: Int[np.ndarray, " N"]
) -> ClassChanges:
    """Compare two models class by class.

    Args:
      before: Which examples the first gets right.
      after: Which the second gets right.
      labels: Classes, 0 or more.

    Raises:
      InputError: If there are no examples, or one has no label.

    Example:
      >>> class_changes(right_0, right_1, labels).change
      array([ 0.1, -0.02,  0.  ])
    """
    if len(labels) == 0 or labels.min() < 0:
        raise InputError("labels: expected examples with a label each, found none or one without")
    classes, place = np.unique(labels, return_inverse=True)
    n, a_only, b_only, both = (
        np.bincount(place[kept], minlength=len(classes)).astype(np.int64)
        for kept in (np.full(len(labels), True), before & ~after, after & ~before, before & after)
    )
    p_values = mcnemar_p_values(a_only, b_only)
    return ClassChanges(
        classes.astype(np.int64),
        n,
        (b_only - a_only) / n,
        paired_difference(a_only, b_only, both, n),
        p_values,
        holm(p_values),
    )


def by_class(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return the gains and losses of every class on every set.

    Three comparisons: fine-tuned with zero-shot, and the chosen alpha with both ends. Rows:
    ``class_gain`` of each class (``group``; n: its examples), at ``alpha`` against ``other``, with
    ``p_value`` and, corrected for the set's classes, ``p_holm``; then ``classes_up`` and
    ``classes_down``, the share of the n classes whose change is significant after the correction.

    Args:
      run: The run.
      options: Not looked at.
    """
    del options
    rows = []
    for predictions in run.sets():
        for alpha, other, start in comparisons(run, predictions):
            rows += _rows(run, predictions, alpha, other, start)
    return rows


def comparisons(run: StoredRun, predictions: Predictions) -> list[tuple[float, str, float]]:
    """Return what is compared on a set: ``(alpha, name of the other, alpha of the other)``."""
    wanted = [
        (FINE_TUNED, "zero_shot", ZERO_SHOT),
        (run.chosen, "zero_shot", ZERO_SHOT),
        (run.chosen, "fine_tuned", FINE_TUNED),
    ]
    kept = [each for each in dict.fromkeys(wanted) if each[0] != each[2]]
    if run.chosen == ZERO_SHOT:  # then the last is the first, the other way round
        kept = kept[:1]
    return [each for each in kept if {each[0], each[2]} <= {*predictions.alphas}]


def _rows(
    run: StoredRun, predictions: Predictions, alpha: float, other: str, start: float
) -> list[AnalysisRow]:
    labels = np.asarray(predictions.labels[labelled(predictions)])
    found = class_changes(right_at(predictions, start), right_at(predictions, alpha), labels)
    rows = [
        run.row(
            NAME,
            "class_gain",
            float(found.change[place]),
            int(found.n[place]),
            predictions,
            alpha=alpha,
            other=other,
            group=run.class_name(predictions, int(label)),
            interval=(float(found.intervals[place, 0]), float(found.intervals[place, 1])),
            p_value=float(found.p_values[place]),
            p_holm=float(found.p_holm[place]),
        )
        for place, label in enumerate(found.classes)
    ]
    count, sure = len(found.classes), found.p_holm <= LEVEL
    for metric, kept in (("classes_up", found.change > 0), ("classes_down", found.change < 0)):
        hits = int(np.sum(sure & kept))
        rows.append(
            run.row(
                NAME,
                metric,
                hits / count,
                count,
                predictions,
                alpha=alpha,
                other=other,
                interval=clopper_pearson(hits, count),
            )
        )
    return rows
