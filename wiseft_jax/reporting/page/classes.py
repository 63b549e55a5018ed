"""Per class and per pair of classes: what is right, and what is taken for what, at every alpha."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

WHOLE_UP_TO = 60
"""Classes up to which the whole confusion matrix is kept; of more the most confused pairs."""
NO_ANSWER = "no class of the set"
_MOST_PAIRS = 40


@dataclasses.dataclass(frozen=True)
class ClassCounts:
    """Counts of one set at every alpha, each alpha after the first as what changes.

    Attributes:
      name: The set.
      split: Its split.
      names: The K classes.
      totals: Images of each class.
      right: For each alpha a flat list ``class, change, class, change, ...`` of the images that are
        right; the first counts from 0.
      pairs: The same of wrong answers: ``label, answer, change, ...``; the answer K is none of the
        classes.
      whole: Whether all wrong answers are in ``pairs``, or those of the most confused pairs.
    """

    name: str
    split: str
    names: list[str]
    totals: list[int]
    right: list[list[int]]
    pairs: list[list[int]]
    whole: bool


def class_counts(stored: Any, class_names: Sequence[str], alpha: float) -> ClassCounts | None:
    """Return what one set's predictions say of its classes; None without labelled images.

    Args:
      stored: ``Predictions``.
      class_names: The K classes that its labels count.
      alpha: The chosen one: the most confused pairs are those there, and at the ends.
    """
    labels = np.asarray(stored.labels)
    labelled = labels >= 0
    if not labelled.any():
        return None
    labels = labels[labelled].astype(np.int64)
    correct = np.asarray(stored.correct)[:, labelled]
    top1 = np.asarray(stored.top1)[:, labelled].astype(np.int64)
    count = len(class_names)
    answers = np.where((top1 < 0) | (top1 >= count), count, top1)
    answers = np.where(~correct & (answers == labels), count, answers)  # a logit isn't finite
    codes = [labels[~right] * (count + 1) + row[~right] for right, row in zip(correct, answers)]  # noqa: B905
    wrong = [_counted(each) for each in codes]
    whole = count <= WHOLE_UP_TO
    if not whole:
        kept = _most_confused(wrong, stored.alphas, alpha)
        wrong = [{code: each[code] for code in kept if code in each} for each in wrong]
    right = [_counted(labels[row]) for row in correct]
    return ClassCounts(
        name=stored.dataset,
        split=stored.split,
        names=list(class_names),
        totals=np.bincount(labels, minlength=count).tolist(),
        right=[[number for pair in step for number in pair] for step in _changes(right)],
        pairs=[
            [number for code, by in step for number in (*divmod(code, count + 1), by)]
            for step in _changes(wrong)
        ],
        whole=whole,
    )


def _counted(values: np.ndarray) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _changes(counts: Sequence[dict[int, int]]) -> list[list[tuple[int, int]]]:
    """Return for each step the keys whose counts change, and by how much; the first from 0."""
    steps, before = [], {}
    for now in counts:
        keys = sorted(now.keys() | before.keys())
        changes = [(key, now.get(key, 0) - before.get(key, 0)) for key in keys]
        steps.append([each for each in changes if each[1]])
        before = now
    return steps


def _most_confused(
    wrong: Sequence[dict[int, int]], alphas: Sequence[float], alpha: float
) -> list[int]:
    shown = [each for at, each in zip(alphas, wrong, strict=True) if at in (0.0, alpha, 1.0)]
    most: dict[int, int] = {}
    for each in shown or wrong:
        for code, count in each.items():
            most[code] = max(most.get(code, 0), count)
    return sorted(most, key=lambda code: (-most[code], code))[:_MOST_PAIRS]
