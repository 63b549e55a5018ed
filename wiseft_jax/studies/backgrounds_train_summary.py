"""The train-on x test-on matrix in numbers: means over seeds, intervals, BG-Gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from wiseft_jax.backgrounds.measures import background_gap
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.studies.patch_summary import t_interval

_SAME, _RAND, _ORIGINAL, _START = "mixed_same", "mixed_rand", "original", "start"


def matrix_of(
    rows: Sequence[Mapping[str, Any]],
    correct: Sequence[Mapping[str, Bool[np.ndarray, " N"]]],
    *,
    paired: bool,
) -> dict[str, Any]:
    """Return the matrix and the BG-Gaps.

    An interval is Student's over seeds where there are two or more (``over: seeds``): what another
    seed's mean would be. Of one model it is over images (``over: images``): Clopper and Pearson's
    of an accuracy, the paired bootstrap's of a gap. A gap is averaged after the subtraction.

    Args:
      rows: Of the models: ``family``, ``train_on``, ``seed``, ``n_train``.
      correct: For each of them, which images of each test set are right.
      paired: Whether image i of each test set has the same foreground; without, a single model's
        gap has no interval.

    Returns:
      ``n``: test set -> images; ``n_train``: training set -> images; ``cells``: a line for each
      family, training set and test set; ``gaps``: a line for each family and training set, where
      both Mixed-Same and Mixed-Rand are tested on; ``costs``: the same, of the accuracy on Original
      that a model has less than one of its family and seed that was trained on Original.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((row["family"], row["train_on"]), []).append(index)
    cells, gaps, costs = [], [], []
    for (family, train_on), members in groups.items():
        of = {"family": family, "train_on": train_on}
        for test in correct[members[0]]:
            hits = [correct[index][test] for index in members]
            cells.append({**of, "test_on": test, **_accuracies(hits)})
        if {_SAME, _RAND} <= correct[members[0]].keys():
            pairs = [(correct[index][_SAME], correct[index][_RAND]) for index in members]
            gaps.append({**of, **_gaps(pairs, paired=paired)})
        control = {rows[index]["seed"]: index for index in groups.get((family, _ORIGINAL), ())}
        hits = [
            (correct[control[rows[index]["seed"]]][_ORIGINAL], correct[index][_ORIGINAL])
            for index in members
            if rows[index]["seed"] in control and _ORIGINAL in correct[index]
        ]
        if hits and train_on not in (_ORIGINAL, _START):
            costs.append({**of, **_gaps(hits, paired=True)})
    return {
        "n": {cell["test_on"]: cell["n"] for cell in cells},
        "n_train": {row["train_on"]: row["n_train"] for row in rows if row["n_train"]},
        "cells": cells,
        "gaps": gaps,
        "costs": costs,
    }


def _accuracies(hits: Sequence[Bool[np.ndarray, " N"]]) -> dict[str, Any]:
    values = [float(each.mean()) for each in hits]
    interval = t_interval(values)
    over = "seeds"
    if interval is None:
        interval, over = Accuracy.of(hits[0]).interval(), "images"
    return _line(values, interval, over) | {"n": len(hits[0])}


def _gaps(
    pairs: Sequence[tuple[Bool[np.ndarray, " N"], Bool[np.ndarray, " M"]]], *, paired: bool
) -> dict[str, Any]:
    values = [background_gap(float(same.mean()), float(rand.mean())) for same, rand in pairs]
    interval: tuple[float, float] | None = t_interval(values)
    over = "seeds"
    if interval is None and paired:
        from wiseft_jax.core.paired import bootstrap_differences

        found = bootstrap_differences(np.stack(pairs[0]), reference=1)
        interval, over = (float(found.low[0]), float(found.high[0])), "images"
    return _line(values, interval, over if interval else None)


def _line(
    values: Sequence[float], interval: tuple[float, float] | None, over: str | None
) -> dict[str, Any]:
    low, high = interval or (None, None)
    return {
        "mean": float(np.mean(values)),
        "low": low,
        "high": high,
        "over": over,
        "values": list(values),
        "seeds": len(values),
    }
