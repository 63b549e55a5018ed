"""The curve where only the head differs: logits are lines in alpha, so it is exact everywhere."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.projection import NO_CLASS, class_maxima
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.crossings import Crossings
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.curve_pass import working_grid
from wiseft_jax.evaluation.curve_result import Audit, Curve
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.evaluator import evaluate_alphas
from wiseft_jax.evaluation.kept_logits import logit_alphas
from wiseft_jax.evaluation.linear import LinearLogits, summary_of
from wiseft_jax.evaluation.predictions import Predictions


def linear_curve_of(
    classifier: Classifier,
    ends: tuple[Params, Params],
    dataset: Dataset,
    alphas: tuple[float, ...],
    config: CurveConfig,
    engine: EngineConfig,
    kept: tuple[int, ...] = (),
) -> Curve:
    """Return the curve of one dataset from one forward pass, without interpolation.

    Args:
      classifier: The model.
      ends: Both ends' parameters, on the devices; their encoders are the same.
      dataset: The images.
      alphas: The grid asked for.
      config: How finely the curve is tabulated; nothing is uncertain here.
      engine: How batches are run: back-end ``linear``, logits kept.
      kept: Places of the alphas whose logits are stored.
    """
    # The logits of the head's own classes: those of a projected set aren't lines.
    own = dataclasses.replace(dataset, projection=None)
    found = evaluate_alphas(classifier, *ends, own, (0.0, 1.0), engine)
    assert found.logits is not None
    lines = _Lines(dataset, found)
    points, _ = working_grid(alphas, config.points)
    low, high = float(points[0]), float(points[-1])
    top1, margin, entropy = lines.predict(np.asarray(alphas))
    labelled = found.labels >= 0
    hits = lines.hits(points)
    everywhere = np.ones(top1.shape, bool)
    return Curve(
        predictions=dataclasses.replace(
            found,
            alphas=alphas,
            top1=top1.astype(np.int32),
            margin=margin.astype(np.float32),
            correct=(top1 == found.labels[None]) & ~np.isnan(margin) & labelled[None],
            entropy=entropy,
            logits=lines.logits([alphas[place] for place in kept]) if kept else None,
            logit_alphas=logit_alphas(kept, alphas) if kept else None,
        ),
        certain=everywhere,
        direct=~everywhere,
        points=points,
        hits=hits,
        low=hits,
        high=hits,
        n=int(np.sum(labelled)),
        crossings=lines.crossings(low, high),
        nodes=np.ones(len(found), np.int32),
        estimate=np.zeros(len(found), np.float32),
        trusted=np.ones(len(found), bool),
        audit=Audit(),
        passes=1.0,
        note="only the head differs: exact",
    )


class _Lines:
    """The logits of a set as lines in alpha, and what they say of its classes.

    Without a projection, and with one right label an image, an example is right on an interval. A
    projected class follows the greatest of several lines, so it may be right on several.
    """

    def __init__(self, dataset: Dataset, found: Predictions) -> None:
        """Take what ``evaluate_alphas`` gave for both ends."""
        assert found.logits is not None
        self._dataset, self._labels = dataset, found.labels
        self._intervals = dataset.projection is None and dataset.accepted is None
        places = {dataset.id(position): position for position in range(len(dataset))}
        self._positions = np.array([places[name] for name in found.ids], np.int64)
        start, end = found.logits
        self._summary, self._rows = summary_of, None
        labels = found.labels
        if dataset.projection is not None:
            self._rows = dataset.projection.classes
            start, end = (dataset.projection.chosen(each) for each in (start, end))
            self._summary = functools.partial(_projected_summary, classes=self._rows)
            labels = np.zeros_like(labels)  # rows have none
        self._lines = LinearLogits(start, end, labels)

    def predict(self, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return class, margin and entropy ``[A, N]`` at each alpha."""
        top1, margin, entropy = self._lines.predict(alphas, self._summary)
        if self._rows is not None:
            entropy[np.isnan(margin)] = np.log(len(np.unique(self._rows)))
        return self._dataset.as_labelled(top1, self._positions), margin, entropy

    def logits(self, alphas: Sequence[float]) -> Float32[np.ndarray, "P N C"]:
        """Return the logits of the classes at each alpha; those of the model itself at 0 and 1."""
        start, end = self._lines.logits_0, self._lines.logits_1
        projection = self._dataset.projection
        shape = (len(alphas), len(start), len(self._dataset.class_names))
        found = np.empty(shape, np.float32)
        for place, alpha in enumerate(np.asarray(alphas, np.float32)):
            if alpha in (0, 1):
                own = end if alpha else start
            else:  # where a logit isn't finite at an end, there are none between
                with np.errstate(invalid="ignore"):
                    own = (1 - alpha) * start + alpha * end
            found[place] = own if projection is None else projection.by_class(own)
        return found

    def hits(self, points: np.ndarray) -> np.ndarray:
        """Return how many examples are right at each point."""
        if self._intervals:
            return self._lines.curve().hits(points)
        counted = (self._labels >= 0)[None]
        found = np.zeros(len(points), np.int64)
        for place in range(len(points)):
            top1, margin, _ = self.predict(points[[place]])
            found[place] = np.sum((top1 == self._labels[None]) & ~np.isnan(margin) & counted)
        return found

    def crossings(self, low: float, high: float) -> Crossings:
        """Return every change of a prediction between two alphas."""
        changes = self._lines.crossings(low, high)
        found = Crossings.join(
            [
                Crossings.of(changes.alpha, changes.example, changes.before, changes.after),
                *_at_one_end(self._lines, low, high),
            ]
        )
        if self._rows is not None:
            found = found.projected(self._rows)
        if self._intervals:
            return found
        return found.relabelled(
            lambda classes, examples: self._dataset.as_labelled(classes, self._positions[examples])
        )


def _projected_summary(
    z: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what ``summary_of`` does, for columns of which several may be one class."""
    best, margin, entropy = summary_of(class_maxima(z, classes))
    names = np.array(list(dict.fromkeys(classes.tolist())))
    return names[best], margin, entropy


def _at_one_end(lines: LinearLogits, low: float, high: float) -> Iterator[Crossings]:
    """Yield how examples whose logits are finite at one end alone come to it, and leave it."""
    for end, rows, classes in lines.at_one_end():
        where, none = np.full(len(rows), end), np.full(len(rows), NO_CLASS)
        if low < end:
            yield Crossings.of(where, rows, none, classes)
        if end < high:
            yield Crossings.of(where, rows, classes, none)
