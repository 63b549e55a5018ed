"""Metrics in NumPy: mergeable counts, exact intervals, scores of groups and sets of frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Bool, Int

from wiseft_jax.core.rng import numpy_stream


def clopper_pearson(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact (Clopper-Pearson 1934) two-sided interval of a binomial proportion.

    Args:
      hits: Number of successes, 0 <= hits <= n.
      n: Number of trials; n = 0 gives (0, 1).
      confidence: Coverage of the interval.

    Returns:
      ``(low, high)``, fractions.
    """
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(1 - tail, hits + 1, n - hits))
    return low, high


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """A mergeable top-1 accuracy: exact integer counts, never an average of averages."""

    hits: int = 0
    n: int = 0

    @classmethod
    def of(cls, correct: Bool[np.ndarray, " N"] | Int[np.ndarray, " N"]) -> Accuracy:
        """Return the accuracy of a 0/1 array."""
        return cls(int(np.sum(correct)), len(correct))

    def merge(self, other: Accuracy) -> Accuracy:
        """Return the accuracy of both sets together."""
        return Accuracy(self.hits + other.hits, self.n + other.n)

    def compute(self) -> float:
        """Return the fraction in [0, 1]; NaN when there are no examples."""
        return self.hits / self.n if self.n else float("nan")

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the exact binomial interval of the fraction."""
        return clopper_pearson(self.hits, self.n, confidence)


@dataclasses.dataclass(frozen=True)
class Score:
    """A number that a set is scored by, with its 95 % interval.

    Attributes:
      value: A fraction.
      n: What it is a share of: images, or sets of frames; of the worst group, its images.
      low: The lower end of its interval.
      high: The upper end.
      group: The group that it is of, where it is one group's.
    """

    value: float
    n: int
    low: float
    high: float
    group: int | None = None


def macro_f1(predictions: Int[np.ndarray, " N"], labels: Int[np.ndarray, " N"]) -> float:
    """Return the mean F1, ``2 tp / (2 tp + fp + fn)``, of the classes that occur in the labels.

    As WILDS scores iWildCam (Koh et al. 2021; ``F1`` in its ``all_metrics.py``). A prediction that
    is no label's counts as missed, and nothing else.

    Args:
      predictions: Classes, or any other number for none.
      labels: Classes.

    Returns:
      A fraction; NaN without examples.
    """
    cells, counts = _confusion(predictions, labels)
    return float(_mean_f1(cells, counts[None])[0])


def macro_f1_score(
    predictions: Int[np.ndarray, " N"], labels: Int[np.ndarray, " N"], draws: int = 1000
) -> Score | None:
    """Return ``macro_f1`` with its 95 % percentile bootstrap interval; None without examples.

    The bootstrap is over examples.

    Args:
      predictions: Classes, or any other number for none.
      labels: Classes.
      draws: Samples of as many examples, drawn with replacement from a fixed seed.
    """
    n = len(labels)
    if not n:
        return None
    cells, counts = _confusion(predictions, labels)
    drawn = numpy_stream(0, "macro-F1").multinomial(n, counts / n, size=draws)
    low, high = np.quantile(_mean_f1(cells, drawn), [0.025, 0.975])
    return Score(float(_mean_f1(cells, counts[None])[0]), n, float(low), float(high))


def _confusion(predictions: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct pairs ``[M, 2]`` of label and prediction, and how often each occurs."""
    return np.unique(np.stack([labels, predictions], axis=1), axis=0, return_counts=True)


def _mean_f1(cells: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return macro-F1 for each row of counts ``[B, M]`` of the pairs ``cells``."""
    if not len(cells):
        return np.full(len(counts), np.nan)
    classes = np.unique(cells[:, 0])
    is_label, is_prediction = (cells[:, [side]] == classes[None] for side in (0, 1))
    labelled = counts @ is_label.astype(np.float64)
    predicted = counts @ is_prediction.astype(np.float64)
    hits = counts @ (is_label & is_prediction).astype(np.float64)
    present = labelled > 0
    f1 = 2 * hits / np.maximum(labelled + predicted, 1)
    return np.sum(f1 * present, axis=1) / np.sum(present, axis=1)


def worst_group_accuracy(
    correct: Bool[np.ndarray, " N"],
    groups: Int[np.ndarray, " N"],
    ignored: Collection[int] = (),
) -> Score | None:
    """Return the accuracy of the group that has the lowest; None where no group has images.

    The interval holds for the lowest accuracy of all groups: with exact intervals of G groups at
    ``1 - 0.05 / G`` each (Bonferroni), from the least of their lower ends to the least of their
    upper ends.

    Args:
      correct: Which examples are right.
      groups: The group of each; a negative one is none.
      ignored: Groups that don't count.
    """
    counted = [int(group) for group in np.unique(groups[groups >= 0]) if group not in ignored]
    found = {group: Accuracy.of(correct[groups == group]) for group in counted}
    if not found:
        return None
    worst = min(found, key=lambda group: (found[group].compute(), group))
    ends = [each.interval(1 - 0.05 / len(found)) for each in found.values()]
    low, high = (min(end[side] for end in ends) for side in (0, 1))
    return Score(found[worst].compute(), found[worst].n, low, high, worst)


def frame_set_accuracy(
    correct: Bool[np.ndarray, " N"], sets: Sequence[np.ndarray]
) -> tuple[Accuracy, Accuracy]:
    """Return ``(pm0, pm10)``: over anchors, and over anchors with every frame of their sets.

    Source: Shankar et al. (2021), Do Image Classifiers Generalize Across Time?

    Args:
      correct: Which frames are right.
      sets: int64[F] each, positions of the frames of a set, the anchor first.
    """
    anchors = np.array([correct[frames[0]] for frames in sets], bool)
    whole = np.array([correct[frames].all() for frames in sets], bool)
    return Accuracy.of(anchors), Accuracy.of(whole)
