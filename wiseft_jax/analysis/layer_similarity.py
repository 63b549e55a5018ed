"""CKA between the layers of a run's models: zero-shot, fine-tuned, and the chosen one."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped

from wiseft_jax.analysis.layer_features import (
    LayerFeatures,
    fitting_features,
    missing_features,
)
from wiseft_jax.analysis.linear_cka import FEWEST, centred_gram, ratio_of_sums
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.analysis_rows import AnalysisRow, analysis_row
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.jackknife import Jackknife, jackknife
from wiseft_jax.core.rng import numpy_stream

logger = logging.getLogger(__name__)

MOST_BATCHES, SMALLEST_BATCH = 20, 16
ANALYSIS = "cka"


@dataclasses.dataclass(frozen=True)
class LayerTerms:
    """HSIC_1 of each pair of layers of two models, for each of S minibatches.

    Attributes:
      cross: float64[S, L, M], between the layers of one and of the other.
      own_x: float64[S, L], of each layer of the first with itself.
      own_y: float64[S, M], of the second.
    """

    cross: Float64[np.ndarray, "S L M"]
    own_x: Float64[np.ndarray, "S L"]
    own_y: Float64[np.ndarray, "S M"]

    def cka(self, row: int, column: int) -> Jackknife:
        """Return the minibatch CKA of two layers, with its jackknife interval over minibatches.

        Args:
          row: The layer of the first model.
          column: The layer of the second.

        Raises:
          InputError: If one of them doesn't vary.
        """

        def of(places: np.ndarray) -> float:
            return ratio_of_sums(
                float(self.cross[places, row, column].sum()),
                float(self.own_x[places, row].sum()),
                float(self.own_y[places, column].sum()),
            )

        return jackknife(of, len(self.cross))


def layer_terms(
    x: Sequence[Shaped[np.ndarray, "N _"]],
    y: Sequence[Shaped[np.ndarray, "N _"]],
    batches: Sequence[np.ndarray],
) -> LayerTerms:
    """Return the terms of minibatch CKA for every pair of layers of two models.

    Args:
      x: The layers of the first model, a row an example.
      y: Those of the second.
      batches: Positions of the examples of each minibatch, at least 4.
    """
    terms = []
    for places in batches:
        grams = [_grams(layers, places) for layers in (x, y)]
        terms.append((hsic_of_pairs(*grams), *(np.diag(hsic_of_pairs(g, g)) for g in grams)))
    cross, own_x, own_y = (np.stack(each) for each in zip(*terms, strict=True))
    return LayerTerms(cross, own_x, own_y)


def hsic_of_pairs(
    k: Float64[np.ndarray, "L N N"], others: Float64[np.ndarray, "M N N"]
) -> Float64[np.ndarray, "L M"]:
    """Return ``unbiased_hsic`` of every pair of symmetric kernels.

    Args:
      k: L kernels of n >= 4 examples.
      others: M kernels of the same examples.
    """
    count = k.shape[-1]
    off = 1.0 - np.eye(count)[None]
    flat_k, flat_l = ((each * off).reshape(len(each), -1) for each in (k, others))
    rows_k, rows_l = (each.reshape(-1, count, count).sum(2) for each in (flat_k, flat_l))
    totals = rows_k.sum(1)[:, None] * rows_l.sum(1)[None] / ((count - 1) * (count - 2))
    cross = 2 * (rows_k @ rows_l.T) / (count - 2)
    return (flat_k @ flat_l.T + totals - cross) / (count * (count - 3))


def minibatches(count: int, seed: int, most: int = MOST_BATCHES) -> list[np.ndarray]:
    """Return the positions of shuffled minibatches of nearly equal sizes.

    Of ``SMALLEST_BATCH`` examples or more where there are as many.

    Args:
      count: How many examples there are.
      seed: Of the order.
      most: Minibatches at most.

    Raises:
      InputError: Fewer than 4 examples.
    """
    if count < FEWEST:
        raise InputError(f"CKA: expected at least {FEWEST} images, found {count}")
    parts = max(1, min(most, count // SMALLEST_BATCH))
    return np.array_split(numpy_stream(seed, "cka batches").permutation(count), parts)


def layer_similarity(run: StoredRun, options: AnalysisOptions) -> list[AnalysisRow]:
    """Return minibatch CKA of each pair of layers of each pair of models, on every stored set.

    Rows of ``minibatch_cka`` have ``alpha`` (the first model), ``other`` (``"alpha 1"``, the
    second) and ``group`` (``"block_3:features"``: a layer of each); those of ``cka_complement`` are
    ``1 - CKA`` of what the heads multiply. n counts images. Intervals are jackknives over
    minibatches; there is none where there is one minibatch.

    Args:
      run: The run.
      options: ``seed``: of the minibatches.

    Raises:
      InputError: If no features of the run's present models are stored, with the command.
    """
    found = fitting_features(run)
    if not found:
        raise InputError(f"{run.path}: {missing_features(run).replace('RUN', str(run.path))}")
    return [row for each in found for row in similarity_rows(each, run.config_hash, options.seed)]


def similarity_rows(features: LayerFeatures, config_hash: str, seed: int = 0) -> list[AnalysisRow]:
    """Return the rows of one set; see ``layer_similarity``.

    Args:
      features: Of the models on the set.
      config_hash: Of the run.
      seed: Of the minibatches.

    Raises:
      InputError: Too few images, or a layer that doesn't vary.
    """
    batches = minibatches(len(features), seed)
    if len(batches) == 1:
        logger.warning(
            "%s: %d images make one minibatch, so that CKA has no interval; %d give one",
            features.dataset,
            len(features),
            2 * SMALLEST_BATCH,
        )
    rows = []
    for first, second in itertools.combinations(features.alphas, 2):
        x, y = ([features.at(alpha)[name] for name in features.layers] for alpha in (first, second))
        terms = layer_terms(x, y, batches)
        fields: dict[str, Any] = {
            "dataset": features.dataset,
            "split": features.split,
            "role": features.role,
            "alpha": first,
            "other": f"alpha {second:g}",
            "seed": seed,
            "config_hash": config_hash,
        }
        for group, found in _pairs(terms, features.layers):
            rows.append(
                analysis_row(
                    ANALYSIS, "minibatch_cka", found.value, len(features),
                    group=group, interval=interval_of(found), **fields,
                )
            )  # fmt: skip
        rows.append(_complement(terms, features, fields))
    return rows


def interval_of(found: Jackknife) -> tuple[float, float] | None:
    """Return a jackknife's interval; None of a single group."""
    return None if found.low is None or found.high is None else (found.low, found.high)


def _pairs(terms: LayerTerms, layers: Sequence[str]) -> Iterator[tuple[str, Jackknife]]:
    for (row, first), (column, second) in itertools.product(enumerate(layers), repeat=2):
        try:
            yield f"{first}:{second}", terms.cka(row, column)
        except InputError as error:
            raise InputError(f"CKA of the layers {first} and {second}: {error}") from None


def _complement(
    terms: LayerTerms, features: LayerFeatures, fields: Mapping[str, Any]
) -> AnalysisRow:
    last = len(features.layers) - 1
    found = terms.cka(last, last)
    ends = interval_of(found)
    interval = None if ends is None else (1 - ends[1], 1 - ends[0])
    return analysis_row(
        ANALYSIS, "cka_complement", 1 - found.value, len(features),
        group=features.layers[last], interval=interval, **fields,
    )  # fmt: skip


def _grams(layers: Sequence[np.ndarray], places: np.ndarray) -> np.ndarray:
    return np.stack([centred_gram(np.asarray(layer[places])) for layer in layers])
