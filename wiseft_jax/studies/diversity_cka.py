"""The complement of CKA between the image embeddings of pairs of models, by groups of pairs.

``CKAC = 1 - CKA`` (Wortsman et al. 2022, arXiv 2109.01903, appendix on diversity measures, of the
models' features). CKA is that of minibatches, ``analysis.linear_cka.minibatch_cka``: the ratio of
sums of unbiased HSIC terms. Two heads on one encoder have the same features, so theirs is 0 by
construction, and isn't measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float64

from wiseft_jax.analysis.layer_similarity import SMALLEST_BATCH, hsic_of_pairs, minibatches
from wiseft_jax.analysis.linear_cka import centred_gram, ratio_of_sums
from wiseft_jax.core.resampling import drawn_sums, even_counts
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.studies.diversity_measures import GroupMeasure

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
    ``t / z sqrt(B / (B - 1))``: the interval of a mean of B numbers would be Student's.

    Args:
      features: Model -> a row an image, the same images for all.
      groups: Name -> pairs of models; a group without pairs is left out.
      samples: Bootstrap samples.
      seed: Of minibatches and draws.
      stream: The set's name; draws of other sets are independent.

    Raises:
      InputError: Features that don't vary from image to image.
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
    whole, found = terms.sum(axis=0), {}
    for group, pairs in groups.items():
        if not pairs:
            continue
        places = [(order[one], order[other]) for one, other in pairs]
        values = tuple(_complement(whole, i, j) for i, j in places)
        value = float(np.mean(values))
        own = np.mean([[_complement(sums, i, j) for i, j in places] for sums in drawn], axis=1)
        found[group] = GroupMeasure(value, values, value + stretch * (own - value))
    return found


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
