"""How often bfloat16 predicts another class than float32 does, on a sample of a sweep."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging

import numpy as np

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.evaluator import evaluate_alphas
from wiseft_jax.evaluation.predictions import Predictions

logger = logging.getLogger(__name__)

MOST_ALPHAS = 5
"""Alphas that are compared, evenly spread over the grid, both of its ends among them."""


@dataclasses.dataclass(frozen=True)
class Differences:
    """Predictions that differ from those of float32.

    Attributes:
      differ: How many (example, alpha) pairs.
      compared: Of how many.
      dataset: Of which a random sample was compared.
      largest_margin: The largest float32 margin of a prediction that differs; 0 if none does.
    """

    differ: int
    compared: int
    dataset: str
    largest_margin: float


def differences_from_float32(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    dataset: Dataset,
    found: Predictions,
    config: EngineConfig,
) -> Differences | None:
    """Evaluate one batch again in float32, at up to ``MOST_ALPHAS`` alphas, and compare.

    The cost is bounded whatever the grid; the program is kept for further sweeps.

    Args:
      classifier: The model, which computes in another dtype.
      theta_0: The end at alpha = 0, on every device.
      theta_1: The end at alpha = 1.
      dataset: What ``found`` was predicted on; a random sample of its readable, labelled examples
        is read again, at most one batch.
      found: The predictions to compare.
      config: How they were computed.

    Returns:
      None if no example can be compared.
    """
    rows = {name: row for row, name in enumerate(found.ids)}
    # In random order: files of a class may follow each other.
    order = numpy_stream(0, "comparison with float32").permutation(len(dataset)).tolist()
    usable = (place for place in order if dataset.labels[place] >= 0 and dataset.id(place) in rows)
    positions = sorted(itertools.islice(usable, config.batch_size))
    if not positions:
        return None
    count = len(found.alphas)
    places = np.unique(np.linspace(0, count - 1, min(count, MOST_ALPHAS)).round().astype(int))
    alphas = tuple(found.alphas[place] for place in places)
    sample = dataclasses.replace(dataset.subset(np.asarray(positions)), scoring=None)
    wanted = evaluate_alphas(_in_float32(classifier), theta_0, theta_1, sample, alphas, config)
    top1 = found.top1[places][:, [rows[name] for name in wanted.ids]]
    other = top1 != wanted.top1
    result = Differences(
        int(other.sum()), other.size, dataset.name, float(wanted.margin[other].max(initial=0.0))
    )
    logger.info(
        "%s: %d of %d predictions differ from float32's (%d examples at %d alphas)",
        classifier.tower.dtype,
        result.differ,
        result.compared,
        len(wanted),
        len(alphas),
    )
    return result


@functools.lru_cache(maxsize=2)
def _in_float32(classifier: Classifier) -> Classifier:
    """Return the same object for the same classifier: compiled steps are kept by it."""
    return dataclasses.replace(classifier, tower=classifier.tower.with_dtype("float32"))
