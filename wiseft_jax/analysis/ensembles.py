"""Ensembles of outputs beside the ensemble of weights: two models' logits, or probabilities, mixed.

They cost two forward passes where merged weights cost one. If the model is linear in its weights
along the path, mixing logits and mixing weights is the same (Wortsman et al. 2022, arXiv
2109.01903, proposition 1); how far they differ tells how far it isn't.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from wiseft_jax.analysis.options import AnalysisOptions, stored_logits
from wiseft_jax.analysis.stored_run import (
    FINE_TUNED,
    ZERO_SHOT,
    StoredRun,
    classes_at,
    labelled,
    right_at,
)
from wiseft_jax.core.analysis_rows import AnalysisRow, add_p_holm
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.metrics import Accuracy, clopper_pearson
from wiseft_jax.core.paired import mcnemar
from wiseft_jax.core.paired_intervals import correlations_of, interval_of_mean, newcombe
from wiseft_jax.core.results import MEAN_OF_SHIFTS
from wiseft_jax.core.softmax import row_blocks, softmax
from wiseft_jax.evaluation.linear import LinearLogits
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.same_images import first_with_images

logger = logging.getLogger(__name__)

NAME = "ensembles"
KINDS = ("output", "probability")
WEIGHT_SPACE = "weight_space"


def output_ensemble(
    logits_0: Float[np.ndarray, "N K"], logits_1: Float[np.ndarray, "N K"], alpha: float
) -> Float64[np.ndarray, "N K"]:
    """Return ``(1 - alpha) z_0 + alpha z_1``; at 0 and 1 the ends themselves.

    Args:
      logits_0: Of the model at alpha = 0.
      logits_1: Of the model at alpha = 1.
      alpha: The weight of the second.

    Example:
      >>> output_ensemble(np.array([[0.0, 2.0]]), np.array([[4.0, 0.0]]), 0.5)
      array([[2., 1.]])
    """
    return _mixed(np.asarray(logits_0, np.float64), np.asarray(logits_1, np.float64), alpha)


def probability_ensemble(
    logits_0: Float[np.ndarray, "N K"], logits_1: Float[np.ndarray, "N K"], alpha: float
) -> Float64[np.ndarray, "N K"]:
    """Return ``(1 - alpha) softmax(z_0) + alpha softmax(z_1)``; its rows sum to 1.

    Args:
      logits_0: Of the model at alpha = 0.
      logits_1: Of the model at alpha = 1.
      alpha: The weight of the second.
    """
    return _mixed(softmax(logits_0), softmax(logits_1), alpha)


def ensemble_right(
    kind: str,
    logits_0: Float[np.ndarray, "N K"],
    logits_1: Float[np.ndarray, "N K"],
    labels: Int[np.ndarray, " N"],
    alphas: Sequence[float] | Float[np.ndarray, " A"],
) -> Bool[np.ndarray, "A N"]:
    """Return which examples an ensemble gets right at each alpha, exactly.

    Logits, or probabilities, are lines in alpha, so each example is right on one interval, which is
    computed once for all alphas (``evaluation.linear``). An example without finite logits is wrong.

    Args:
      kind: ``"output"`` mixes logits, ``"probability"`` probabilities.
      logits_0: Of the model at alpha = 0.
      logits_1: Of the model at alpha = 1.
      labels: Classes, none of them negative.
      alphas: Any real numbers.

    Raises:
      InputError: Unknown kind; negative labels.
    """
    if kind not in KINDS:
        raise unknown_name("kind of ensemble", kind, KINDS)
    if (labels < 0).any():
        raise InputError("labels: expected classes, found negative ones; leave them out")
    right = np.zeros((len(alphas), len(labels)), bool)
    for block in row_blocks(logits_0.shape):
        ends = [np.asarray(each[block], np.float64) for each in (logits_0, logits_1)]
        if kind == "probability":
            ends = [softmax(each) for each in ends]
        curve = LinearLogits(ends[0], ends[1], labels[block]).curve()
        right[:, block] = curve.correct(np.asarray(alphas, np.float64))
    return right


def _mixed(first: np.ndarray, second: np.ndarray, alpha: float) -> np.ndarray:
    if alpha in (ZERO_SHOT, FINE_TUNED):  # 0 times an infinite logit is NaN
        return second if alpha else first
    return (1 - alpha) * first + alpha * second


def ensembles(run: StoredRun, options: AnalysisOptions = AnalysisOptions()) -> list[AnalysisRow]:
    """Return the accuracies of both ensembles at each alpha, beside those of the merged weights.

    Metrics ``weight_space`` (the merged weights), ``output_ensemble`` and ``probability_ensemble``
    (accuracies, Clopper-Pearson) and ``..._gain`` (minus the merged weights' at the same alpha:
    Newcombe's interval; McNemar's exact p-value, corrected by Holm for all alphas and sets of the
    kind). There is no gain at alpha 0 and 1, where an ensemble is the merged model by construction.
    The mean of the shifts (no dataset, the group ``"mean of shifts"``) has gains alone; its
    interval is put together from those of the sets (``interval_of_mean``), which correlate where
    they show the same images.

    Args:
      run: The run, with logits of both ends.
      options: Not looked at.
    """
    del options
    sets = [each for each in run.in_turn() if can_be_mixed(each)]
    images = first_with_images(sets)
    rows = [_of_weights(run, each, alpha) for each in sets for alpha in each.alphas]
    return rows + [row for kind in KINDS for row in _of_kind(run, sets, images, kind)]


def can_be_mixed(predictions: Predictions) -> bool:
    """Return whether both ends' logits are stored and are what the predictions were made of.

    A warning says why not.

    Args:
      predictions: Of a set.
    """
    name = predictions.dataset
    for alpha in (ZERO_SHOT, FINE_TUNED):
        logits = stored_logits(predictions, alpha)
        if logits is None:
            logger.warning("%s: left out, its logits at alpha %g are not stored", name, alpha)
            return False
        finite = np.isfinite(np.asarray(predictions.margin[predictions.alphas.index(alpha)]))
        if (logits.argmax(axis=1) != classes_at(predictions, alpha))[finite].any():
            logger.warning(
                "%s: left out, its predictions are not the largest of its stored logits: it is"
                " projected, or other classes than the label count as right",
                name,
            )
            return False
    return True


def _of_weights(run: StoredRun, predictions: Predictions, alpha: float) -> AnalysisRow:
    found = Accuracy.of(right_at(predictions, alpha))
    return run.row(
        NAME,
        WEIGHT_SPACE,
        found.compute(),
        found.n,
        predictions,
        alpha=alpha,
        interval=found.interval(),
    )


def _of_kind(
    run: StoredRun, sets: Sequence[Predictions], images: Mapping[str, str], kind: str
) -> list[AnalysisRow]:
    rows: list[AnalysisRow] = []
    gains: list[AnalysisRow] = []
    shifts: dict[float, list[_Gain]] = {}
    for each in sets:
        known = labelled(each)
        ends = [each.logits_at(alpha)[known] for alpha in (ZERO_SHOT, FINE_TUNED)]
        right = ensemble_right(kind, ends[0], ends[1], each.labels[known], each.alphas)
        del ends
        each.let_logits_go()
        for alpha, own in zip(each.alphas, right, strict=True):
            pair = right_at(each, alpha), own
            shared: dict[str, Any] = {"alpha": alpha, "other": WEIGHT_SPACE}
            hits, n = int(own.sum()), len(own)
            interval = clopper_pearson(hits, n)
            rows.append(
                run.row(NAME, f"{kind}_ensemble", hits / n, n, each, interval=interval, **shared)
            )
            if alpha in (ZERO_SHOT, FINE_TUNED):  # the same model: there is nothing to test
                continue
            test = mcnemar(*pair)
            gains.append(
                run.row(
                    NAME,
                    f"{kind}_ensemble_gain",
                    test.difference,
                    n,
                    each,
                    interval=newcombe(*pair),
                    p_value=test.p_value,
                    **shared,
                )
            )
            if (each.role, each.split) == ("shift", "test"):
                differences = pair[1].astype(np.float64) - pair[0]
                shifts.setdefault(alpha, []).append(
                    _Gain(gains[-1], differences, images[each.dataset])
                )
    add_p_holm(gains)
    return rows + gains + _of_shifts(run, kind, shifts)


class _Gain(NamedTuple):
    """A gain on a shift: its row, what it is the mean of, and which images it is on."""

    row: AnalysisRow
    differences: np.ndarray
    images: str


def _of_shifts(
    run: StoredRun, kind: str, shifts: Mapping[float, Sequence[_Gain]]
) -> list[AnalysisRow]:
    rows = []
    for alpha, own in sorted(shifts.items()):
        if len(own) < 2:
            continue
        values = [each.row["value"] for each in own]
        ends = [(each.row["ci_low"] or 0.0, each.row["ci_high"] or 0.0) for each in own]
        _, differences, images = zip(*own, strict=True)
        rows.append(
            run.row(
                NAME,
                f"{kind}_ensemble_gain",
                float(np.mean(values)),
                sum(each.row["n"] for each in own),
                group=MEAN_OF_SHIFTS,
                split="test",
                role="shift",
                alpha=alpha,
                other=WEIGHT_SPACE,
                interval=interval_of_mean(values, ends, correlations_of(differences, images)),
            )
        )
    return rows
