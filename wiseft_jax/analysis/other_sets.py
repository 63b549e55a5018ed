"""What is left of the zero-shot ability elsewhere: sets of other classes than the run's."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from wiseft_jax.analysis.intervals import percentile
from wiseft_jax.analysis.options import OTHER_SETS_DIR, AnalysisOptions
from wiseft_jax.analysis.stored_run import (
    ZERO_SHOT,
    StoredRun,
    labelled,
)
from wiseft_jax.core.analysis_rows import AnalysisRow, add_p_holm
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.paired import bootstrap_hits, mcnemar
from wiseft_jax.core.paired_intervals import newcombe
from wiseft_jax.core.results import of_two_sweeps, read_rows
from wiseft_jax.evaluation.predictions import Predictions, load_predictions

NAME = "other_sets"


def ability_kept(before: Bool[np.ndarray, " N"], after: Bool[np.ndarray, " N"]) -> float:
    """Return accuracy after fine-tuning over accuracy before, ``acc_after / acc_before``.

    Args:
      before: Which examples the zero-shot model gets right.
      after: Which the other one gets right.

    Returns:
      1: nothing is lost; above 1: something is won.

    Raises:
      InputError: If the zero-shot model gets none right.
    """
    if not before.any():
        raise InputError("before: expected an example that is right, found none; there is no ratio")
    return float(after.sum() / before.sum())


def other_sets(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return accuracy on sets of other classes, along alpha, and what of it is kept.

    Rows, for each set and alpha: ``accuracy`` (Clopper-Pearson), with heads made of the zero-shot
    text tower; for each alpha but 0 ``accuracy_change`` since zero-shot (Newcombe; ``p_value``:
    McNemar's; ``p_holm``: corrected for all alphas and sets) and ``ability_kept``, the ratio of the
    accuracies (paired bootstrap); none of the latter where zero-shot is never right.

    Args:
      run: The run, with the predictions that ``wiseft study other_sets`` stores.
      options: Seed and samples.

    Raises:
      InputError: If there are none, or they are of other ends than the run's.
    """
    directory = run.path / OTHER_SETS_DIR
    if {row["config_hash"] for row in read_rows(directory)} != {run.config_hash}:
        raise of_two_sweeps(
            run.path, f"results.jsonl and {OTHER_SETS_DIR}/", "wiseft study other_sets makes it"
        )
    rows = []
    for predictions in load_predictions(directory).values():
        rows += _of_set(run, predictions, options)
    add_p_holm(rows)
    return rows


def _of_set(
    run: StoredRun, predictions: Predictions, options: AnalysisOptions
) -> list[AnalysisRow]:
    right = np.asarray(predictions.correct[:, labelled(predictions)])
    n, start = right.shape[1], predictions.alphas.index(ZERO_SHOT)
    hits = bootstrap_hits(
        right, options.samples, options.seed, f"{NAME} {predictions.dataset}"
    ).astype(np.float64)
    rows = []
    for place, alpha in enumerate(predictions.alphas):
        found = Accuracy.of(right[place])
        rows.append(
            run.row(
                NAME,
                "accuracy",
                found.compute(),
                n,
                predictions,
                alpha=alpha,
                interval=found.interval(),
            )
        )
        if place == start:
            continue
        test = mcnemar(right[start], right[place])
        fields = {"alpha": alpha, "other": "zero_shot"}
        rows.append(
            run.row(
                NAME,
                "accuracy_change",
                test.difference,
                n,
                predictions,
                interval=newcombe(right[start], right[place]),
                p_value=test.p_value,
                **fields,
            )
        )
        if right[start].any():
            value = ability_kept(right[start], right[place])
            drawn = _ratios(hits[:, place], hits[:, start])
            rows.append(
                run.row(
                    NAME,
                    "ability_kept",
                    value,
                    n,
                    predictions,
                    interval=percentile(drawn, value),
                    seed=options.seed,
                    **fields,
                )
            )
    return rows


def _ratios(after: np.ndarray, before: np.ndarray) -> Float64[np.ndarray, " S"]:
    """Return the ratios of the samples in which the zero-shot model is ever right."""
    usable = before > 0
    return after[usable] / before[usable]
