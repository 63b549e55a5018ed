"""How unsure a prediction is: the entropy of its softmax, in nats.

It is made where the logits are, inside compiled steps, so that rules for choosing alpha need no
stored logits: four bytes for each example and alpha, in place of four for each class too.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32


def entropy_of_logits(logits: Float32[Array, "B K"]) -> Float32[Array, " B"]:
    """Return ``-sum p log p`` of ``p = softmax(logits)``, in nats; inside a compiled function.

    With ``d_c = z_max - z_c`` and sums over all classes but the largest it is

        log1p(sum exp(-d)) + sum d exp(-d) / (1 + sum exp(-d)),

    in which nothing cancels: the entropies of very sure predictions differ too.

    Args:
      logits: One row an example.

    Returns:
      In ``[0, log K]``; ``log K``, as if nothing were known, where a logit is not finite.
    """
    behind = jnp.max(logits, axis=-1, keepdims=True) - logits
    others = jax.lax.broadcasted_iota(jnp.int32, logits.shape, 1) != jnp.argmax(
        logits, axis=-1, keepdims=True
    )
    odds = jnp.where(others, jnp.exp(-behind), 0)
    rest = jnp.sum(odds, axis=-1)
    entropy = jnp.log1p(rest) + jnp.sum(odds * behind, axis=-1) / (1 + rest)
    valid = jnp.all(jnp.isfinite(logits), axis=-1)
    return jnp.where(valid, entropy, math.log(logits.shape[-1]))
