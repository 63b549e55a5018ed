"""Along the line between the ends: is the path above the chord, above both ends, over a barrier?"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from wiseft_jax.analysis.calibration import probability_scores
from wiseft_jax.analysis.intervals import drawn_means, percentile
from wiseft_jax.analysis.landscape_bands import (
    interval_of_barrier,
    interval_of_best,
    interval_of_least,
    simultaneous_band,
    single_intervals,
    unmoved_intervals,
)
from wiseft_jax.analysis.options import AnalysisOptions, stored_logits
from wiseft_jax.analysis.stored_run import (
    FINE_TUNED,
    ZERO_SHOT,
    StoredRun,
    labelled,
    right_at,
)
from wiseft_jax.core.analysis_rows import AnalysisRow, add_p_holm
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.paired import bootstrap_hits, mcnemar_p_values
from wiseft_jax.core.softmax import finite_rows
from wiseft_jax.evaluation.predictions import Predictions

NAME = "landscape"

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Landscape:
    """Values along the line between the ends, against the chord through both ends.

    Attributes:
      alphas: float64[A], from 0 to 1, rising.
      gains: float64[A], how much better than the chord: accuracy minus the chord's, or the chord's
        loss minus the loss. 0 at both ends.
      barrier: The largest loss against the chord; 0 where there is none.
      barrier_alpha: Where it is.
    """

    alphas: Float64[np.ndarray, " A"]
    gains: Float64[np.ndarray, " A"]
    barrier: float
    barrier_alpha: float


def landscape(
    alphas: Float[np.ndarray, " A"],
    values: Float[np.ndarray, " A"],
    *,
    higher_is_better: bool,
) -> Landscape:
    """Compare values along alpha with the chord between alpha = 0 and alpha = 1.

    Observation 1 of Wortsman et al. 2022 (arXiv 2109.01903, section 4) says that the gains are not
    negative: ``acc(theta_alpha) >= (1 - alpha) acc(theta_0) + alpha acc(theta_1)``. The barrier is
    the largest violation (Frankle et al. 2020, arXiv 1912.05671, of the loss).

    Args:
      alphas: Rising, with 0 and 1; those outside are passed over.
      values: Accuracy or loss at each.
      higher_is_better: True for accuracies.

    Raises:
      InputError: If an end is missing.
    """
    inside = (alphas >= 0) & (alphas <= 1)
    at = np.asarray(alphas[inside], np.float64)
    if len(at) < 2 or at[0] != ZERO_SHOT or at[-1] != FINE_TUNED:
        raise InputError(f"alphas: expected 0 and 1 among them, found {alphas.tolist()}")
    gains = _gains(at, np.asarray(values, np.float64)[inside][None])[0]
    gains = gains if higher_is_better else -gains
    worst = int(np.argmin(gains))
    return Landscape(at, gains, max(0.0, -float(gains[worst])), float(at[worst]))


def _gains(alphas: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values minus the chord's, of samples ``[S, A]``; exactly 0 at both ends."""
    return values - (values[:, :1] * (1 - alphas) + values[:, -1:] * alphas)


def along_the_line(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return both observations and the barriers, of every set with labels at 0, 1 and between.

    Rows: ``accuracy`` at each alpha, ``accuracy_above_chord`` at each between;
    ``barrier_accuracy``, the largest violation; ``observation_1``, the least of these gains
    (``p_value``: that the path is nowhere below the chord, by the bootstrap of the largest
    violation over its standard error: a small one means that it is); ``observation_2``, the best
    accuracy between minus the better end's (``p_value``: that no alpha beats both ends, McNemar's
    exact test against each, times the number of alphas). Where logits are stored, ``loss`` in nats,
    ``loss_above_chord`` (positive: a lower loss than the chord's) and ``barrier_loss``.
    ``p_holm``: each observation is corrected for the number of sets.

    The alpha of an observation or a barrier is picked on the same images, so their intervals come
    from bands that hold at all alphas at once: ``observation_1`` and barriers from the max-t
    bootstrap, ``observation_2`` from Newcombe's intervals with Bonferroni's correction.

    Args:
      run: The run.
      options: Seed and samples.
    """
    rows = []
    for predictions in run.in_turn():
        alphas = [alpha for alpha in predictions.alphas if 0 <= alpha <= 1]
        if len(alphas) < 3 or alphas[0] != ZERO_SHOT or alphas[-1] != FINE_TUNED:
            logger.warning(
                "%s: left out, its alphas aren't 0, 1 and others between", predictions.dataset
            )
            continue
        rows += _of_accuracy(run, predictions, alphas, options)
        rows += _of_loss(run, predictions, alphas, options)
    add_p_holm(rows, family=lambda row: row["metric"])
    return rows


def _of_accuracy(
    run: StoredRun, predictions: Predictions, alphas: list[float], options: AnalysisOptions
) -> list[AnalysisRow]:
    right = np.stack([right_at(predictions, alpha) for alpha in alphas])
    n = right.shape[1]
    accuracies = right.sum(axis=1) / n
    drawn = bootstrap_hits(
        right, options.samples, options.seed, f"{NAME} {predictions.dataset}"
    ) / n  # fmt: skip
    found = landscape(np.array(alphas), accuracies, higher_is_better=True)
    between = slice(1, -1)
    gains = found.gains[between], _gains(found.alphas, drawn)[:, between]
    inside = found.alphas[between]
    band = simultaneous_band(*gains, unmoved_intervals(right, inside, at_once=len(inside)))
    fields: dict[str, Any] = {"of": predictions, "seed": options.seed}
    rows = [
        run.row(
            NAME,
            "accuracy",
            float(value),
            n,
            predictions,
            alpha=alpha,
            interval=clopper_pearson(int(hits), n),
        )
        for alpha, value, hits in zip(alphas, accuracies, right.sum(axis=1), strict=True)
    ]
    single = single_intervals(*gains, unmoved_intervals(right, inside))
    rows += _against_the_chord(run, "accuracy", found, (single, band), n, fields)
    worst = 1 + int(np.argmin(found.gains[between]))
    rows.append(
        run.row(
            NAME,
            "observation_1",
            float(found.gains[worst]),
            n,
            alpha=alphas[worst],
            interval=interval_of_least(band),
            p_value=_p_of_violation(*gains),
            **fields,
        )
    )
    better = np.maximum(accuracies[0], accuracies[-1])
    best = 1 + int(np.argmax(accuracies[between]))
    value = float(accuracies[best] - better)
    rows.append(
        run.row(
            NAME,
            "observation_2",
            value,
            n,
            alpha=alphas[best],
            other="better_end",
            interval=interval_of_best(right),
            p_value=_p_of_both_beaten(right),
            **fields,
        )
    )
    return rows


def _against_the_chord(
    run: StoredRun,
    what: str,
    found: Landscape,
    intervals: tuple[np.ndarray, np.ndarray],
    n: int,
    fields: dict[str, Any],
) -> list[AnalysisRow]:
    """Return the gains with single intervals, and the barrier with that of the band."""
    single, band = intervals
    rows = [
        run.row(
            NAME,
            f"{what}_above_chord",
            float(gain),
            n,
            alpha=float(alpha),
            other="chord",
            interval=interval.tolist(),
            **fields,
        )
        for alpha, gain, interval in zip(found.alphas[1:-1], found.gains[1:-1], single, strict=True)
    ]
    rows.append(
        run.row(
            NAME,
            f"barrier_{what}",
            found.barrier,
            n,
            alpha=found.barrier_alpha,
            other="chord",
            interval=interval_of_barrier(band),
            **fields,
        )
    )
    return rows


def _p_of_violation(gains: np.ndarray, drawn: np.ndarray) -> float:
    """Return the p-value of "nowhere below the chord": the largest violation, in standard errors.

    The draws are centred, as if all gains were 0; a gain without any spread is no violation unless
    it is one in every sample.
    """
    error = drawn.std(axis=0)
    moving = error > 0
    if (gains[~moving] < 0).any():
        return 1 / (1 + len(drawn))
    if not moving.any():
        return 1.0
    observed = np.max(-gains[moving] / error[moving])
    centred = ((gains - drawn)[:, moving] / error[moving]).max(axis=1)
    return float((1 + np.sum(centred >= observed)) / (1 + len(drawn)))


def _p_of_both_beaten(right: np.ndarray) -> float:
    """Return the p-value of "no alpha between beats both ends", corrected for their number."""
    between = right[1:-1]
    p_values = []
    for end in (right[0], right[-1]):
        lost, won = np.sum(end & ~between, axis=1), np.sum(~end & between, axis=1)
        p = mcnemar_p_values(lost, won)
        p_values.append(np.where(won > lost, p, 1.0))  # beaten in the other direction is no win
    both = np.maximum(*p_values)
    return float(min(1.0, both.min() * len(between)))


def _of_loss(
    run: StoredRun, predictions: Predictions, alphas: list[float], options: AnalysisOptions
) -> list[AnalysisRow]:
    """Return the rows of the loss, of the alphas whose logits are stored; [] without both ends."""
    logits = {alpha: stored_logits(predictions, alpha) for alpha in alphas}
    there = {alpha: each for alpha, each in logits.items() if each is not None}
    if not {ZERO_SHOT, FINE_TUNED} <= there.keys() or len(there) < 3:
        logger.info(
            "%s: no losses, which need the logits of both ends and between"
            " (--sweep.keep-logits all)",
            predictions.dataset,
        )
        return []
    usable = labelled(predictions)
    for each in there.values():
        usable = usable & finite_rows(each)
    if not usable.any():
        return []
    labels = np.asarray(predictions.labels[usable])
    anything = np.zeros(len(labels), bool)  # the loss doesn't depend on what counts as right
    losses = np.stack(
        [probability_scores(each[usable], labels, anything).nll for each in there.values()], axis=1
    )
    stream = f"{NAME} loss {predictions.dataset}"
    drawn = drawn_means(losses, samples=options.samples, seed=options.seed, stream=stream)
    means, n = losses.mean(axis=0), len(labels)
    found = landscape(np.array([*there]), means, higher_is_better=False)
    fields: dict[str, Any] = {"of": predictions, "seed": options.seed}
    rows = [
        run.row(
            NAME,
            "loss",
            float(value),
            n,
            alpha=alpha,
            interval=percentile(drawn[:, place], float(value)),
            **fields,
        )
        for place, (alpha, value) in enumerate(zip(there, means, strict=True))
    ]
    gains = found.gains[1:-1], -_gains(found.alphas, drawn)[:, 1:-1]
    intervals = single_intervals(*gains), simultaneous_band(*gains)
    return rows + _against_the_chord(run, "loss", found, intervals, n, fields)
