"""Projected sets inside compiled steps: the greatest logit of each class, and its summary.

``core.projection`` says which rows of a head stand for each class. The step gets that as an array
beside the batch, so that all sets share its program, projected to whatever classes.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int

from wiseft_jax.core.projection import NEVER, NO_CLASS, Projection

SLOTS = "slots"
"""The key of ``Projection.slots`` in a batch."""


def with_slots(batch: dict[str, Any], projection: Projection | None) -> dict[str, Any]:
    """Return a batch for the compiled step, with the classes of the head's rows if it has others.

    Args:
      batch: On the devices.
      projection: Of the set; None where its classes are the head's.
    """
    return batch if projection is None else {**batch, SLOTS: projection.slots}


def class_logits(
    logits: Float32[Array, "B K"], slots: Int[Array | np.ndarray, " S"]
) -> tuple[Float32[Array, "B G"], Bool[Array, " B"], Int[Array, ""]]:
    """Return the greatest logit of each class; inside a compiled function.

    Args:
      logits: Of a head.
      slots: ``Projection.slots``: K, and one for each logit that is 0.

    Returns:
      ``(by_class, valid, count)``, with G = S + 1: ``by_class`` has the C classes first, ``NEVER``
      where there is none, and no class last; all NaN where a logit that counts isn't finite, and
      ``valid`` is False. ``count`` is how many there are.
    """
    size = slots.shape[0]
    zeros = jnp.zeros((logits.shape[0], size - logits.shape[1]), logits.dtype)
    extended = jnp.concatenate([logits, zeros], axis=1)
    counted = jnp.asarray(slots) <= size
    valid = jnp.all(jnp.isfinite(extended) | ~counted[None], axis=1)
    nothing = jnp.full((size + 2, logits.shape[0]), NEVER, logits.dtype)
    by_class = nothing.at[slots].max(extended.T)[: size + 1].T
    count = jnp.sum(jnp.zeros(size + 2, jnp.int32).at[slots].max(1)[: size + 1])
    return jnp.where(valid[:, None], by_class, jnp.nan), valid, count


def classes_of_slots(
    best: Int[Array, " B"], slots: Int[Array | np.ndarray, " S"]
) -> Int[Array, " B"]:
    """Return the classes of places in ``by_class``; ``NO_CLASS`` for the last."""
    return jnp.where(best == slots.shape[0], NO_CLASS, best).astype(jnp.int32)
