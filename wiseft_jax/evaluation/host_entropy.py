"""The entropy of a softmax on the host; what reads stored logits loads no jax for it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64


def softmax_entropy(logits: Float[np.ndarray, "N K"]) -> Float64[np.ndarray, " N"]:
    """Return ``-sum p log p`` of ``p = softmax(logits)``, in nats, in float64.

    Args:
      logits: One row an example.

    Returns:
      In ``[0, log K]``; ``log K``, as if nothing were known, where a logit is not finite.
    """
    with np.errstate(invalid="ignore"):  # inf - inf
        z = logits.astype(np.float64)
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1)
        p *= z
        entropy = np.log(total) - p.sum(axis=1) / total
    return np.where(np.isfinite(entropy), entropy, np.log(logits.shape[1]))
