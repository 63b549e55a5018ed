"""Softmax of stored logits, a block of examples at a time: they may be larger than the memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Float64

_AT_ONCE = 2**22
"""Numbers in a block: 32 MiB in float64."""


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Return slices of the first axis, of about 4 million numbers each."""
    count = max(1, _AT_ONCE // max(1, int(np.prod(shape[1:]))))
    yield from (slice(start, start + count) for start in range(0, shape[0], count))


def finite_rows(logits: Float[np.ndarray, "N K"]) -> Bool[np.ndarray, " N"]:
    """Return which examples have finite logits only."""
    found = np.empty(len(logits), bool)
    for block in row_blocks(logits.shape):
        found[block] = np.isfinite(logits[block]).all(axis=1)
    return found


def log_softmax(logits: Float[np.ndarray, "N K"]) -> Float64[np.ndarray, "N K"]:
    """Return ``z - log sum exp z`` in float64."""
    exact = np.asarray(logits, np.float64)
    shifted = exact - exact.max(axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
