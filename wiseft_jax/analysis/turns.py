"""Which examples flip where: the alphas at which predictions turn right, wrong, or other."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
from jaxtyping import Bool, Int, Int64

from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun, labelled
from wiseft_jax.core.analysis_rows import AnalysisRow, add_p_holm
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.paired import mcnemar_of_counts
from wiseft_jax.evaluation.predictions import Predictions

NAME = "flips"
KINDS = ("won", "lost", "changed")
"""From wrong to right, from right to wrong, from one wrong class to another."""
MOST_LISTED = 200
"""Examples of each kind that are listed for a set."""

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Turns:
    """Changes of predictions along a grid of alphas, by alpha and then by example.

    Attributes:
      step: int64[T], the place of the first alpha at which the new class is predicted.
      example: int64[T], whose.
      before: int64[T], the class up to there.
      after: int64[T], the class from there on.
      kind: int64[T], a place in ``KINDS``.
    """

    step: Int64[np.ndarray, " T"]
    example: Int64[np.ndarray, " T"]
    before: Int64[np.ndarray, " T"]
    after: Int64[np.ndarray, " T"]
    kind: Int64[np.ndarray, " T"]

    def __len__(self) -> int:
        return len(self.step)


def find_turns(top1: Int[np.ndarray, "A N"], correct: Bool[np.ndarray, "A N"]) -> Turns:
    """Return where the predictions of N examples change along A alphas.

    A change and back within one step of the grid isn't seen; the continuous curve
    (``curves.jsonl``) has the places to a thousandth of a step.

    Args:
      top1: Predicted classes.
      correct: Whether they count as right.

    Raises:
      InputError: With fewer than two alphas.
    """
    if len(top1) < 2:
        raise InputError(f"alphas: expected two or more to flip between, found {len(top1)}")
    differ = top1[1:] != top1[:-1]
    step, example = np.nonzero(differ)
    was, is_now = correct[step, example], correct[step + 1, example]
    kind = np.where(is_now & ~was, 0, np.where(was & ~is_now, 1, 2))
    before, after = top1[step, example], top1[step + 1, example]
    arrays = (step + 1, example, before, after, kind)
    return Turns(*(np.asarray(each, np.int64) for each in arrays))


def flips(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return which examples flip where, on every set.

    Rows, at each alpha that anything turns at: ``won``, ``lost`` and ``changed``, shares of the n
    examples that turn between the alpha before and this one (``p_value`` of the first two:
    McNemar's, of the two alphas; ``p_holm``: corrected for all alphas and sets). Then the examples
    that flip most clearly, at most 200 of each kind and set: ``flip_won``, ``flip_lost``,
    ``flip_changed``, with the example's id as ``group``, ``"before -> after"`` as ``other``, and as
    value the margin of the new prediction in logits; n = 1. ``flips`` is the share of the examples
    that turn at all.

    Args:
      run: The run.
      options: Not looked at.
    """
    del options
    rows = []
    for predictions in run.sets():
        if len(predictions.alphas) > 1:
            rows += _of_set(run, predictions)
    add_p_holm(rows, twins=("won", "lost"))
    return rows


def _of_set(run: StoredRun, predictions: Predictions) -> list[AnalysisRow]:
    counted = np.flatnonzero(labelled(predictions))
    n = len(counted)
    found = find_turns(
        np.asarray(predictions.top1[:, counted]), np.asarray(predictions.correct[:, counted])
    )
    turned = len(np.unique(found.example))
    rows = [run.row(NAME, "flips", turned / n, n, predictions, interval=clopper_pearson(turned, n))]
    for step, alpha in enumerate(predictions.alphas):
        at = found.kind[found.step == step]
        counts = [int(np.sum(at == kind)) for kind in range(len(KINDS))]
        if sum(counts) == 0:
            continue
        p_value = mcnemar_of_counts(counts[1], counts[0], n).p_value
        for name, count in zip(KINDS, counts, strict=True):
            rows.append(
                run.row(
                    NAME,
                    name,
                    count / n,
                    n,
                    predictions,
                    alpha=alpha,
                    other=f"alpha {predictions.alphas[step - 1]:g}",
                    interval=clopper_pearson(count, n),
                    p_value=None if name == "changed" else p_value,
                )
            )
    return rows + _listed(run, predictions, counted, found)


def _listed(
    run: StoredRun, predictions: Predictions, counted: np.ndarray, found: Turns
) -> list[AnalysisRow]:
    """Return a row for each of the clearest flips: those of the largest margins afterwards."""
    margins = np.asarray(predictions.margin[found.step, counted[found.example]], np.float64)
    rows = []
    for kind, name in enumerate(KINDS):
        places = np.flatnonzero((found.kind == kind) & np.isfinite(margins))
        clearest = places[np.lexsort((found.example[places], -margins[places]))][:MOST_LISTED]
        if len(places) > MOST_LISTED:
            logger.info(
                "%s: %d flips of the kind %r, of which the %d clearest are listed",
                predictions.dataset, len(places), name, MOST_LISTED,
            )  # fmt: skip
        for place in sorted(clearest.tolist()):
            before, after = (
                run.class_name(predictions, int(each))
                for each in (found.before[place], found.after[place])
            )
            rows.append(
                run.row(
                    NAME,
                    f"flip_{name}",
                    float(margins[place]),
                    1,
                    predictions,
                    alpha=predictions.alphas[found.step[place]],
                    other=f"{before} -> {after}",
                    group=predictions.ids[counted[found.example[place]]],
                )
            )
    return rows
