"""Softmax on the host: of stored logits, which may be larger than the memory, without jax.

Logits are shifted by their largest before they are exponentiated, and all of it is float64.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Float64

_AT_ONCE = 2**17
"""Numbers in a block: 1 MiB in float64, which stays in a core's cache from pass to pass."""


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Return slices of the first axis, of about 130 thousand numbers each."""
    count = max(1, _AT_ONCE // max(1, int(np.prod(shape[1:]))))
    yield from (slice(start, start + count) for start in range(0, shape[0], count))


def finite_rows(logits: Float[np.ndarray, "N K"]) -> Bool[np.ndarray, " N"]:
    """Return which examples have finite logits only."""
    found = np.empty(len(logits), bool)
    for block in row_blocks(logits.shape):
        found[block] = np.isfinite(logits[block]).all(axis=1)
    return found


def softmax(logits: Float[np.ndarray, "N K"]) -> Float64[np.ndarray, "N K"]:
    """Return ``exp z / sum exp z`` in float64; rows sum to 1.

    Args:
      logits: One row an example, finite.
    """
    exact = np.asarray(logits, np.float64)
    weights = np.exp(exact - exact.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def log_softmax(logits: Float[np.ndarray, "N K"]) -> Float64[np.ndarray, "N K"]:
    """Return ``z - log sum exp z`` in float64."""
    exact = np.asarray(logits, np.float64)
    shifted = exact - exact.max(axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))


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
