"""How the predictions on a set are scored beside top-1: facts of its images, and the numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Int32

from wiseft_jax.core.metrics import (
    Accuracy,
    Score,
    frame_set_accuracy,
    macro_f1_score,
    worst_group_accuracy,
)
from wiseft_jax.core.projection import NO_CLASS

NO_GROUP = -1
"""In place of a group: an image that counts in none."""
_PREFIX = "score_"


@dataclasses.dataclass(frozen=True, eq=False)
class SetScoring:
    """What scores of a set need beside labels and predictions.

    Attributes:
      metrics: Keys of ``METRICS``.
      group_names: The groups.
      groups: int32[N], the group of each image, ``NO_GROUP`` for none; None without groups.
      frame_sets: int64[F] each, positions of the frames of a set, the anchor first.
      cut: How many further sets aren't whole, and so left out.
    """

    metrics: tuple[str, ...]
    group_names: tuple[str, ...] = ()
    groups: Int32[np.ndarray, " N"] | None = None
    frame_sets: tuple[np.ndarray, ...] = ()
    cut: int = 0

    def subset(self, positions: Int[np.ndarray, " M"]) -> SetScoring:
        """Return the scoring of some images; a set of frames that lacks one is left out.

        Args:
          positions: Which images, in their new order.
        """
        groups = None if self.groups is None else self.groups[positions]
        place = {int(position): new for new, position in enumerate(positions)}
        whole = [frames for frames in self.frame_sets if all(int(at) in place for at in frames)]
        moved = tuple(np.array([place[int(at)] for at in frames], np.int64) for frames in whole)
        cut = self.cut + len(self.frame_sets) - len(whole)
        return dataclasses.replace(self, groups=groups, frame_sets=moved, cut=cut)

    def scores(self, predicted: Predicted) -> dict[str, Score]:
        """Return the scores at one alpha; one that counts nothing is left out."""
        found = {name: METRICS[name](self, predicted) for name in self.metrics}
        return {name: score for name, score in found.items() if score is not None}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return plain arrays, for a file; ``of_arrays`` reads them."""
        found = {
            "metrics": np.asarray(self.metrics, np.str_),
            "group_names": np.asarray(self.group_names, np.str_),
            "frames": np.concatenate([np.zeros(0, np.int64), *self.frame_sets]),
            "frame_counts": np.asarray([len(each) for each in self.frame_sets], np.int64),
            "cut": np.asarray(self.cut, np.int64),
        }
        if self.groups is not None:
            found["groups"] = self.groups
        return {_PREFIX + name: array for name, array in found.items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any]) -> SetScoring | None:
        """Return what ``arrays`` wrote, from among others; None if it isn't there."""
        if _PREFIX + "metrics" not in arrays:
            return None
        names = ("metrics", "group_names", "frames", "frame_counts")
        metrics, group_names, frames, counts = (arrays[_PREFIX + name] for name in names)
        sets = np.split(frames, np.cumsum(counts)[:-1]) if len(counts) else []
        return cls(
            tuple(metrics.tolist()),
            tuple(group_names.tolist()),
            arrays.get(_PREFIX + "groups"),
            tuple(sets),
            int(arrays.get(_PREFIX + "cut", 0)),  # files of before have none
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of one model.

    Attributes:
      top1: int32[N], classes.
      correct: bool[N]; False without a label.
      labels: int32[N]; -1 for none.
    """

    top1: Int[np.ndarray, " N"]
    correct: Bool[np.ndarray, " N"]
    labels: Int[np.ndarray, " N"]

    @property
    def labelled(self) -> Bool[np.ndarray, " N"]:
        """Which images count."""
        return self.labels >= 0


def _worst(scoring: SetScoring, predicted: Predicted) -> Score | None:
    if scoring.groups is None:
        return None
    groups = np.where(predicted.labelled, scoring.groups, NO_GROUP)
    return worst_group_accuracy(predicted.correct, groups)


def _macro_f1(scoring: SetScoring, predicted: Predicted) -> Score | None:
    # Where a logit isn't finite the class means nothing, though it may be the label.
    unsure = (predicted.top1 == predicted.labels) & ~predicted.correct
    top1 = np.where(unsure, NO_CLASS, predicted.top1)
    counted = predicted.labelled
    return macro_f1_score(top1[counted], predicted.labels[counted])


def _pm(scoring: SetScoring, predicted: Predicted, which: int) -> Score | None:
    labelled = predicted.labelled
    sets = [frames for frames in scoring.frame_sets if labelled[frames].all()]
    return _of_accuracy(frame_set_accuracy(predicted.correct, sets)[which]) if sets else None


def _of_accuracy(accuracy: Accuracy) -> Score:
    return Score(accuracy.compute(), accuracy.n, *accuracy.interval())


METRICS: dict[str, Callable[[SetScoring, Predicted], Score | None]] = {
    "worst_region": _worst,
    "macro_f1": _macro_f1,
    "pm0": lambda scoring, predicted: _pm(scoring, predicted, 0),
    "pm10": lambda scoring, predicted: _pm(scoring, predicted, 1),
}
"""Name in result rows -> how it is computed."""
RISES_WITH_HITS = ("worst_region", "pm0", "pm10")
"""Metrics that can't fall when a prediction turns from wrong to right."""


def score_names(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return those of a catalog's metrics that are computed here; top-1 always is, elsewhere."""
    return tuple(name for name in metrics if name in METRICS)
