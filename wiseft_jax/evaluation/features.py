"""The compiled step of the curve: one batch's features at several alphas."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Float

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.mesh import BATCH_AXES, Layout
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.engine import EngineConfig, compiler_options, padded_alphas
from wiseft_jax.evaluation.exact import Chunks, run_used
from wiseft_jax.evaluation.merging import Shared

ROOM = 8
"""Nodes that one call has room for; the places that aren't used are skipped."""


def features_at(
    classifier: Classifier,
    config: EngineConfig,
    ends: tuple[Params, Params],
    alphas: Float[np.ndarray, " M"],
    images: Any,
) -> list[Any]:
    """Return the un-normalised features of a batch at each alpha, in one or more arrays.

    Args:
      classifier: The model; compiled once for it, whatever the number of alphas.
      config: How: layout, alphas at once, what the ends share.
      ends: Both ends' parameters, on the devices.
      alphas: Where.
      images: uint8[B, S, S, 3], split over the devices.

    Returns:
      Arrays float32[m, B, D], split over the devices along B; their lengths m add up to M.
    """
    step = compiled_features(classifier, config)
    return [
        step(*ends, padded, count, images)[:count]
        for padded, count in padded_alphas(alphas.tolist(), config.chunk_size, ROOM)
    ]


def compiled_features(classifier: Classifier, config: EngineConfig) -> Callable[..., Any]:
    """Return ``step(theta_0, theta_1, alphas, count, images) -> features``; see ``features_at``."""
    return _compiled(classifier, config.layout, config.chunk_size, config.shared)


@functools.lru_cache(maxsize=2)  # an entry keeps its classifier alive
def _compiled(
    classifier: Classifier, layout: Layout, chunk_size: int, shared: Shared
) -> Callable[..., Any]:
    chunks = Chunks(classifier, layout, chunk_size, shared, finish=lambda logits: logits)

    def step(theta_0: Params, theta_1: Params, alphas: Any, count: Any, images: Any) -> Any:
        at_chunk = chunks.merge_for(classifier.features, theta_0, theta_1, images)
        return run_used(at_chunk, alphas, count)

    return jax.jit(
        step,
        out_shardings=NamedSharding(layout.mesh, PartitionSpec(None, BATCH_AXES)),
        compiler_options=compiler_options(layout),
    )
