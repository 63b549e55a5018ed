"""The curve where only the head differs: logits are lines in alpha, so it is exact everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.crossings import NO_CLASS, Crossings
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.curve_pass import working_grid
from wiseft_jax.evaluation.curve_result import Audit, Curve
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.evaluator import evaluate_alphas
from wiseft_jax.evaluation.linear import LinearLogits


def linear_curve_of(
    classifier: Classifier,
    ends: tuple[Params, Params],
    dataset: Dataset,
    alphas: tuple[float, ...],
    config: CurveConfig,
    engine: EngineConfig,
) -> Curve:
    """Return the curve of one dataset from one forward pass, without interpolation.

    Args:
      classifier: The model.
      ends: Both ends' parameters, on the devices; their encoders are the same.
      dataset: The images.
      alphas: The grid asked for.
      config: How finely the curve is tabulated; nothing is uncertain here.
      engine: How batches are run: back-end ``linear``, logits kept.
    """
    found = evaluate_alphas(classifier, *ends, dataset, (0.0, 1.0), engine)
    assert found.logits is not None
    lines = LinearLogits(found.logits[0], found.logits[1], found.labels)
    points, _ = working_grid(alphas, config.points)
    top1, margin, entropy = lines.predict(np.asarray(alphas))
    labelled = found.labels >= 0
    hits = lines.curve().hits(points)
    changes = lines.crossings(float(points[0]), float(points[-1]))
    everywhere = np.ones(top1.shape, bool)
    return Curve(
        predictions=dataclasses.replace(
            found,
            alphas=alphas,
            top1=top1.astype(np.int32),
            margin=margin.astype(np.float32),
            correct=(top1 == found.labels[None]) & ~np.isnan(margin) & labelled[None],
            entropy=entropy,
            logits=None,
        ),
        certain=everywhere,
        direct=~everywhere,
        points=points,
        hits=hits,
        low=hits,
        high=hits,
        n=int(np.sum(labelled)),
        crossings=Crossings.join(
            [
                Crossings.of(changes.alpha, changes.example, changes.before, changes.after),
                *_at_one_end(lines, float(points[0]), float(points[-1])),
            ]
        ),
        nodes=np.ones(len(found), np.int32),
        estimate=np.zeros(len(found), np.float32),
        trusted=np.ones(len(found), bool),
        audit=Audit(),
        passes=1.0,
        note="only the head differs: exact",
    )


def _at_one_end(lines: LinearLogits, low: float, high: float) -> Iterator[Crossings]:
    """Yield how examples whose logits are finite at one end alone come to it, and leave it."""
    for end, rows, classes in lines.at_one_end():
        where, none = np.full(len(rows), end), np.full(len(rows), NO_CLASS)
        if low < end:
            yield Crossings.of(where, rows, none, classes)
        if end < high:
            yield Crossings.of(where, rows, classes, none)
