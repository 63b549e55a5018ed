"""How differently two models err: prediction diversity, kappa's complement, KL divergence."""

from __future__ import annotations

import itertools
import logging

import numpy as np
from jaxtyping import Float, Float64, Int

from wiseft_jax.analysis.intervals import Interval, jackknifed, mean_interval, within
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
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.paired import mcnemar
from wiseft_jax.core.softmax import finite_rows, log_softmax, row_blocks
from wiseft_jax.evaluation.predictions import Predictions

NAME = "diversity"

logger = logging.getLogger(__name__)


def prediction_diversity(
    pred_f: Int[np.ndarray, " N"], pred_g: Int[np.ndarray, " N"], labels: Int[np.ndarray, " N"]
) -> float:
    """Return the share of the examples of which exactly one of two models is right.

    ``PD = mean_i 1[f_i = y_i] xor 1[g_i = y_i]``. Source: Wortsman et al. 2022 (arXiv 2109.01903),
    appendix on diversity measures.

    Args:
      pred_f: Classes that the first model predicts.
      pred_g: Those of the second.
      labels: Classes; a negative one marks an example that doesn't count.

    Returns:
      A fraction.

    Raises:
      InputError: If no example has a label.

    Example:
      >>> prediction_diversity(np.array([0, 1]), np.array([0, 0]), np.array([0, 1]))
      0.5
    """
    counted = labels >= 0
    if not counted.any():
        raise InputError("labels: expected at least one, found none")
    return float(np.mean(((pred_f == labels) != (pred_g == labels))[counted]))


def kappa_complement(pred_f: Int[np.ndarray, " N"], pred_g: Int[np.ndarray, " N"]) -> float:
    """Return the complement of Cohen's kappa: disagreement, beside what chance would give.

    ``CC = (1 - p_o) / (1 - p_e)``, with ``p_o`` the share of examples on which the models agree and
    ``p_e = sum_c n_f(c) n_g(c) / N^2``. 0: they always agree; 1: as often as by chance; more: less
    often than that. Models that predict one and the same class for everything agree: 0.

    Args:
      pred_f: Classes that the first model predicts.
      pred_g: Those of the second.

    Raises:
      InputError: If there are no examples.

    Example:
      >>> kappa_complement(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
      1.0
    """
    return kappa_interval(pred_f, pred_g)[0]


def kappa_interval(
    pred_f: Int[np.ndarray, " N"], pred_g: Int[np.ndarray, " N"]
) -> tuple[float, Interval | None]:
    """Return ``kappa_complement`` and its 95 % interval by the infinitesimal jackknife.

    Args:
      pred_f: Classes that the first model predicts.
      pred_g: Those of the second.

    Raises:
      InputError: If there are no examples.
    """
    count = len(pred_f)
    if count == 0:
        raise InputError("predictions: expected at least one example, found none")
    classes, inverse = np.unique(np.concatenate([pred_f, pred_g]), return_inverse=True)
    f, g = inverse[:count], inverse[count:]
    share_f, share_g = (np.bincount(each, minlength=len(classes)) / count for each in (f, g))
    differ, chance = (f != g).astype(np.float64), float(share_f @ share_g)
    if chance >= 1:  # one class for everything, in both
        return 0.0, None
    value = float(differ.mean()) / (1 - chance)
    moves = share_g[f] + share_f[g] - 2 * chance
    influence = (differ - differ.mean() + value * moves) / (1 - chance)
    value, interval = jackknifed(value, influence)
    return value, within(interval, 0.0, np.inf)


def kl_divergence(logits_f: Float[np.ndarray, "N K"], logits_g: Float[np.ndarray, "N K"]) -> float:
    """Return the mean Kullback-Leibler divergence of two models' softmax distributions, in nats.

    ``KL(f || g) = mean_i sum_c p_f(c|x_i) log(p_f(c|x_i) / p_g(c|x_i))``, from log-softmax in
    float64. It isn't symmetric.

    Args:
      logits_f: Of the first model.
      logits_g: Of the second.

    Raises:
      InputError: If there are no examples, or a logit isn't finite.
    """
    if len(logits_f) == 0:
        raise InputError("logits: expected at least one example, found none")
    if not (finite_rows(logits_f) & finite_rows(logits_g)).all():
        raise InputError("logits: expected finite numbers, found others; leave those examples out")
    return float(kl_by_example(logits_f, logits_g).mean())


def kl_by_example(
    logits_f: Float[np.ndarray, "N K"], logits_g: Float[np.ndarray, "N K"]
) -> Float64[np.ndarray, " N"]:
    """Return the divergence of each example, in nats; see ``kl_divergence``."""
    found = np.empty(len(logits_f))
    for block in row_blocks(logits_f.shape):
        log_f, log_g = log_softmax(logits_f[block]), log_softmax(logits_g[block])
        found[block] = np.sum(np.exp(log_f) * (log_f - log_g), axis=1)
    return np.maximum(found, 0.0)  # rounding may leave -1e-17


def diversity(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return the diversity of zero-shot, fine-tuned and merged, pair by pair and set by set.

    Rows: ``prediction_diversity`` (Clopper-Pearson; ``p_value``: McNemar's, of equal accuracies;
    ``p_holm``: corrected for all pairs and sets),
    ``kappa_complement`` (infinitesimal jackknife) and, where logits are stored, ``kl_divergence``
    both ways (jackknife). ``alpha`` is the first model's, ``other`` names the second, ``group``
    the pair.

    Args:
      run: The run.
      options: Not looked at.
    """
    del options
    models = {"zero_shot": ZERO_SHOT, "merged": run.chosen, "fine_tuned": FINE_TUNED}
    if run.chosen in (ZERO_SHOT, FINE_TUNED):
        models.pop("merged")
    rows = []
    for predictions in run.in_turn():
        there = {name: at for name, at in models.items() if at in predictions.alphas}
        for one, other in itertools.combinations(there, 2):
            rows += _pair(run, predictions, (one, there[one]), (other, there[other]))
    add_p_holm(rows)
    return rows


def _pair(
    run: StoredRun,
    predictions: Predictions,
    one: tuple[str, float],
    other: tuple[str, float],
) -> list[AnalysisRow]:
    counted = labelled(predictions)
    right_f, right_g = (right_at(predictions, at) for _, at in (one, other))
    differ, n = int(np.sum(right_f != right_g)), len(right_f)
    fields = {"alpha": one[1], "other": other[0], "group": f"{one[0]}/{other[0]}"}
    rows = [
        run.row(
            NAME,
            "prediction_diversity",
            differ / n,
            n,
            predictions,
            interval=clopper_pearson(differ, n),
            p_value=mcnemar(right_f, right_g).p_value,
            **fields,
        )
    ]
    classes = [classes_at(predictions, at)[counted] for _, at in (one, other)]
    value, interval = kappa_interval(*classes)
    rows.append(
        run.row(NAME, "kappa_complement", value, n, predictions, interval=interval, **fields)
    )
    logits = [stored_logits(predictions, at) for _, at in (one, other)]
    if logits[0] is not None and logits[1] is not None:
        rows += _divergences(run, predictions, (one, other), logits[0], logits[1])
    else:
        logger.info(
            "%s: no divergence of %s and %s, whose logits aren't both stored (--sweep.keep-logits)",
            predictions.dataset, one[0], other[0],
        )  # fmt: skip
    return rows


def _divergences(
    run: StoredRun,
    predictions: Predictions,
    models: tuple[tuple[str, float], tuple[str, float]],
    logits_f: np.ndarray,
    logits_g: np.ndarray,
) -> list[AnalysisRow]:
    """Return the divergence both ways, over the examples whose logits are all finite."""
    usable = np.flatnonzero(finite_rows(logits_f) & finite_rows(logits_g) & labelled(predictions))
    rows = []
    if len(usable) == 0:
        return rows
    both = logits_f[usable], logits_g[usable]
    for (one, other), (f, g) in ((models, both), (models[::-1], both[::-1])):
        value, interval = mean_interval(kl_by_example(f, g))
        rows.append(
            run.row(
                NAME,
                "kl_divergence",
                value,
                len(usable),
                predictions,
                alpha=one[1],
                other=other[0],
                group=f"{one[0]}/{other[0]}",
                interval=within(interval, 0.0, np.inf),
            )
        )
    return rows
