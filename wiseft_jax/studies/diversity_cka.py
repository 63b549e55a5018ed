"""The complement of CKA between the image embeddings of pairs of models, by groups of pairs.

``CKAC = 1 - CKA`` (Wortsman et al. 2022, arXiv 2109.01903, appendix on diversity measures, of the
models' features). CKA is that of minibatches, ``analysis.linear_cka.minibatch_cka``: the ratio of
sums of unbiased HSIC terms. Two heads on one encoder have the same features, so theirs is 0 by
construction, and isn't measured.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float64

from wiseft_jax.analysis.layer_similarity import SMALLEST_BATCH, hsic_of_pairs, minibatches
from wiseft_jax.analysis.linear_cka import centred_gram, ratio_of_sums
from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.resampling import drawn_sums, even_counts
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.studies.diversity_measures import GroupMeasure

logger = logging.getLogger(__name__)

MEASURE = "cka_complement"
MOST_BATCHES = 40
FEWEST_IMAGES = 5 * SMALLEST_BATCH
"""Of fewer minibatches nothing could be said about how sure the number is."""
_ROUNDING = 1e-12


def cka_groups(
    features: Mapping[str, Float[np.ndarray, "N _"]],
    groups: Mapping[str, Sequence[tuple[str, str]]],
    *,
    samples: int,
    seed: int,
    stream: str,
) -> dict[str, GroupMeasure]:
    """Return group -> the mean of ``1 - CKA`` over its pairs, that of each pair, and draws.

    Minibatches are drawn again, each with the features of all models, so that in a ratio of groups
    what pairs share cancels. There are few of them, so the draws are stretched about the value by
    ``t / z sqrt(B / (B - 1))``: the interval of a mean of B numbers would be Student's. A draw in
    which a model's own HSIC is 0 or rounding has no CKA: it is left out of all groups (NaN), and
    they are counted in a warning.

    Args:
      features: Model -> a row an image, the same images for all.
      groups: Name -> pairs of models; a group without pairs is left out.
      samples: Bootstrap samples.
      seed: Of minibatches and draws.
      stream: The set's name; draws of other sets are independent.

    Raises:
      InputError: Features that don't vary from image to image, or in no draw.
    """
    from scipy.stats import norm, t

    order = {model: place for place, model in enumerate(features)}
    terms = _terms(list(features.values()), seed)
    batches, count = len(terms), len(order)
    rng = numpy_stream(seed, f"bootstrap of minibatches {stream}")
    flat = terms.reshape(batches, -1)
    drawn = drawn_sums(even_counts(rng, batches, samples), flat).reshape(-1, count, count)
    stretch = float(t.ppf(0.975, batches - 1) / norm.ppf(0.975))
    stretch *= math.sqrt(batches / (batches - 1))
    asked = {
        group: [(order[one], order[other]) for one, other in pairs]
        for group, pairs in groups.items()
        if pairs
    }
    models = sorted({model for places in asked.values() for pair in places for model in pair})
    whole, found = terms.sum(axis=0), {}
    least = _ROUNDING * np.diagonal(whole)[models]
    usable = (np.diagonal(drawn, axis1=1, axis2=2)[:, models] > least).all(axis=1)
    for group, places in asked.items():
        values = tuple(_complement(whole, i, j) for i, j in places)
        value = float(np.mean(values))
        own = np.full(len(drawn), np.nan)
        own[usable] = [
            np.mean([_complement(sums, i, j) for i, j in places]) for sums in drawn[usable]
        ]
        found[group] = GroupMeasure(value, values, value + stretch * (own - value))
    if asked:
        _tell_left_out(stream, int(np.sum(~usable)), samples)
    return found


def _tell_left_out(stream: str, count: int, samples: int) -> None:
    """Log how many draws are left out; refuse if none is left."""
    why = "a model's features don't vary in their minibatches (HSIC_1 isn't positive)"
    if count == samples:
        raise InputError(
            f"{stream}: CKA: expected draws of minibatches in which features vary, found none of"
            f" {samples}: {why}; give more images with --cka-images, or 0 to leave CKA out"
        )
    if count:
        logger.warning(
            "%s: CKA: %s left out of its intervals: %s",
            stream, counted(count, f"draw of {samples} is", f"draws of {samples} are"), why,
        )  # fmt: skip


def _terms(features: Sequence[Float[np.ndarray, "N _"]], seed: int) -> Float64[np.ndarray, "B M M"]:
    """Return HSIC_1 of every pair of models in each minibatch."""
    found = []
    for places in minibatches(len(features[0]), seed, most=MOST_BATCHES):
        grams = np.stack([centred_gram(np.asarray(each[places])) for each in features])
        found.append(hsic_of_pairs(grams, grams))
    return np.stack(found)


def _complement(sums: np.ndarray, i: int, j: int) -> float:
    """Return ``1 - CKA``; 0 where it is rounding, as of equal features. It may be negative."""
    value = 1 - ratio_of_sums(float(sums[i, j]), float(sums[i, i]), float(sums[j, j]))
    return 0.0 if abs(value) < _ROUNDING else value
