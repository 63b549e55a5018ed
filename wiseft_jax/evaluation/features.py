"""The compiled step of the curve: one batch's features at several alphas."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Float, Float32

from wiseft_jax.core.gathering import split_over
from wiseft_jax.core.mesh import BATCH_AXES, Layout
from wiseft_jax.core.typing import Params
from wiseft_jax.weights.interpolate import lerp

ROOM = 8
"""Nodes that one call has room for; the places that aren't used are skipped."""


def features_at(
    classifier: Any,
    layout: Layout,
    ends: tuple[Params, Params],
    alphas: Float[np.ndarray, " M"],
    images: Any,
) -> list[Any]:
    """Return the un-normalised features of a batch at each alpha, in up to ``ceil(M / 8)`` arrays.

    Args:
      classifier: The model; compiled once for it, whatever the number of alphas.
      layout: The devices.
      ends: Both ends' parameters, on the devices.
      alphas: Where.
      images: uint8[B, S, S, 3], split over the devices.

    Returns:
      Arrays float32[m, B, D], split over the devices along B; their lengths m add up to M.
    """
    step = _compiled(classifier, layout)
    found = []
    for start in range(0, len(alphas), ROOM):
        group = np.asarray(alphas[start : start + ROOM], np.float32)
        padded = np.full(ROOM, group[-1], np.float32)
        padded[: len(group)] = group
        found.append(step(*ends, padded, len(group), images)[: len(group)])
    return found


@functools.lru_cache(maxsize=2)  # an entry keeps its classifier alive
def _compiled(classifier: Any, layout: Layout) -> Callable[..., Any]:
    def step(theta_0: Params, theta_1: Params, alphas: Any, count: Any, images: Any) -> Any:
        def at_alpha(alpha: Float32[jax.Array, ""]) -> Any:
            theta = lerp(theta_0, theta_1, alpha)
            theta = jax.lax.with_sharding_constraint(theta, layout.shardings(theta))
            with split_over(layout.mesh):
                return classifier.features(theta, images)

        def nothing(alpha: Any) -> Any:
            shape = jax.eval_shape(at_alpha, alpha)
            return jnp.zeros(shape.shape, shape.dtype)

        def used_or_not(item: tuple[Any, Any]) -> Any:
            place, alpha = item
            return jax.lax.cond(place < count, at_alpha, nothing, alpha)

        return jax.lax.map(used_or_not, (jnp.arange(ROOM), alphas))

    return jax.jit(step, out_shardings=NamedSharding(layout.mesh, PartitionSpec(None, BATCH_AXES)))
