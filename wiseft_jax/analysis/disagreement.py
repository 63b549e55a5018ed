"""Whose answer the merged model gives where the two ends disagree, and how sure each end is."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
from jaxtyping import Bool, Float, Int

from wiseft_jax.analysis.intervals import mean_interval, mean_p_value
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import (
    FINE_TUNED,
    ZERO_SHOT,
    StoredRun,
    classes_at,
    index_of,
)
from wiseft_jax.core.analysis_rows import AnalysisRow, add_p_holm
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.paired import mcnemar_of_counts
from wiseft_jax.evaluation.predictions import Predictions

NAME = "overrides"

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Overrides:
    """Where two models disagree, whose answer a third one gives.

    Attributes:
      first: Examples on which it gives the first one's.
      second: Examples on which it gives the second one's.
      neither: Examples on which it gives another.
      n: Examples on which the two disagree.
    """

    first: int
    second: int
    neither: int
    n: int

    @property
    def p_value(self) -> float:
        """Of "it takes either's answer equally often", exact and two-sided (a sign test)."""
        return mcnemar_of_counts(self.first, self.second, self.n).p_value


def overrides(
    first: Int[np.ndarray, " N"], second: Int[np.ndarray, " N"], merged: Int[np.ndarray, " N"]
) -> Overrides:
    """Count whose answer a merged model gives on the examples on which its two ends disagree.

    Source: Wortsman et al. 2022 (arXiv 2109.01903), section 5: zero-shot overrides where the
    merged model takes its answer.

    Args:
      first: Classes that the zero-shot model predicts.
      second: Classes that the fine-tuned one predicts.
      merged: Classes that the merged one predicts.

    Example:
      >>> overrides(np.array([0, 1, 2]), np.array([0, 2, 1]), np.array([0, 1, 0]))
      Overrides(first=1, second=0, neither=1, n=2)
    """
    differ = first != second
    takes_first = int(np.sum(differ & (merged == first)))
    takes_second = int(np.sum(differ & (merged == second)))
    n = int(np.sum(differ))
    return Overrides(takes_first, takes_second, n - takes_first - takes_second, n)


def confidence_row(
    run: StoredRun,
    predictions: Predictions,
    alpha: float,
    margins: Float[np.ndarray, " N"],
    **fields: object,
) -> AnalysisRow:
    """Return a row of mean margins, in logits, with their 95 % interval (jackknife).

    Args:
      run: The run.
      predictions: The set.
      alpha: The model's.
      margins: Largest logit minus the second largest, finite; at least one.
      **fields: Further fields of the row.
    """
    value, interval = mean_interval(margins)
    metric = str(fields.pop("metric", "confidence"))
    return run.row(
        NAME, metric, value, len(margins), predictions, alpha=alpha, interval=interval, **fields
    )


def overridden(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return, for each set, whose answer the merged model gives, and the confidence of both ends.

    Rows at ``options.override_alpha``: ``zero_shot_overrides``, ``zero_shot_overridden`` and
    ``neither``, shares of the n examples on which the ends disagree (Clopper-Pearson; ``p_value``
    of the first two: a sign test against each other); ``disagreement``, the share of all examples
    on which they do. Of each end ``confidence``, the mean margin between its two largest logits,
    of all examples and of those in disagreement (``group``), and ``confidence_gain`` of
    fine-tuned over zero-shot, paired (``p_value``: Student's). ``p_holm``: the sign tests of all
    sets are corrected together, and so are the tests of confidence.

    Args:
      run: The run.
      options: The alpha.
    """
    rows = []
    for predictions in run.sets():
        at = options.override_alpha
        if not {ZERO_SHOT, FINE_TUNED, at} <= {*predictions.alphas}:
            logger.warning(
                "%s: left out, it has no predictions at alpha 0, %g or 1", predictions.dataset, at
            )
            continue
        classes = [classes_at(predictions, alpha) for alpha in (ZERO_SHOT, FINE_TUNED, at)]
        rows += _shares(run, predictions, overrides(*classes), at)
        rows += _confidences(run, predictions, classes[0] != classes[1])
    add_p_holm(
        rows,
        family=lambda row: row["metric"] == "confidence_gain",
        twins=("zero_shot_overrides", "zero_shot_overridden"),
    )
    return rows


def _shares(
    run: StoredRun, predictions: Predictions, found: Overrides, alpha: float
) -> list[AnalysisRow]:
    total = len(predictions)
    rows = [
        run.row(
            NAME,
            "disagreement",
            found.n / total,
            total,
            predictions,
            alpha=ZERO_SHOT,
            other="fine_tuned",
            interval=clopper_pearson(found.n, total),
        )
    ]
    if found.n == 0:
        logger.warning("%s: the ends never disagree, so nothing overrides", predictions.dataset)
        return rows
    counts = {
        "zero_shot_overrides": found.first,
        "zero_shot_overridden": found.second,
        "neither": found.neither,
    }
    for metric, count in counts.items():
        rows.append(
            run.row(
                NAME,
                metric,
                count / found.n,
                found.n,
                predictions,
                alpha=alpha,
                interval=clopper_pearson(count, found.n),
                p_value=None if metric == "neither" else found.p_value,
            )
        )
    return rows


def _confidences(
    run: StoredRun, predictions: Predictions, differ: Bool[np.ndarray, " N"]
) -> list[AnalysisRow]:
    margins = [
        np.asarray(predictions.margin[index_of(predictions, at)], np.float64)
        for at in (ZERO_SHOT, FINE_TUNED)
    ]
    usable = np.isfinite(margins[0]) & np.isfinite(margins[1])
    if not usable.all():
        logger.warning(
            "%s: %d examples have no finite margin and don't count in confidences",
            predictions.dataset, int(np.sum(~usable)),
        )  # fmt: skip
    rows = []
    for group, kept in (("all", usable), ("disagreement", usable & differ)):
        if not kept.any():
            continue
        zero_shot, fine_tuned = (each[kept] for each in margins)
        rows += [
            confidence_row(run, predictions, ZERO_SHOT, zero_shot, group=group),
            confidence_row(run, predictions, FINE_TUNED, fine_tuned, group=group),
            confidence_row(
                run,
                predictions,
                FINE_TUNED,
                fine_tuned - zero_shot,
                group=group,
                metric="confidence_gain",
                other="zero_shot",
                p_value=mean_p_value(fine_tuned - zero_shot),
            ),
        ]
    return rows
