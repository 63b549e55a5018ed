"""How often each example is drawn in each bootstrap sample: what all of the bootstraps are made of.

Two ways with one law, that of drawing n examples with replacement. Multinomial counts are fast of
few kinds of examples, such as patterns of right and wrong, and counting drawn places is of many
examples that are each a kind of their own. They draw other numbers from one generator.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64, Int64

_DRAWS_AT_ONCE = 2**22
"""Counts in memory at once: 32 MiB."""


def multinomial_counts(
    rng: np.random.Generator, n: int, shares: Float[np.ndarray, " P"], samples: int
) -> Iterator[Int64[np.ndarray, "B P"]]:
    """Yield how often each of P kinds is drawn, blocks of samples at a time.

    Args:
      rng: What draws; the blocks are what one call for all samples would draw.
      n: Examples in a sample.
      shares: Of the kinds among the examples; they sum to 1.
      samples: In all blocks together.
    """
    for size in _sizes(len(shares), samples):
        yield rng.multinomial(n, shares, size=size)


def even_counts(
    rng: np.random.Generator, count: int, samples: int
) -> Iterator[Int64[np.ndarray, "B N"]]:
    """Yield multinomial counts of N examples, each of which is as likely.

    Args:
      rng: What draws.
      count: N, and the examples in a sample.
      samples: In all blocks together.
    """
    yield from multinomial_counts(rng, count, np.full(count, 1 / count), samples)


def placed_counts(
    rng: np.random.Generator, count: int, samples: int
) -> Iterator[Int64[np.ndarray, "B N"]]:
    """Yield how often each of N examples is drawn, by drawing N places and counting them.

    Args:
      rng: What draws.
      count: N, and the examples in a sample.
      samples: In all blocks together.
    """
    for size in _sizes(count, samples):
        drawn = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)


def drawn_sums(
    blocks: Iterator[Int64[np.ndarray, "B P"]], values: Float64[np.ndarray, "P C"]
) -> Float64[np.ndarray, "S C"]:
    """Return the sums of C columns in each sample.

    Args:
      blocks: Counts of P kinds.
      values: Of each kind.
    """
    return np.concatenate([block @ values for block in blocks])


def _sizes(kinds: int, samples: int) -> Iterator[int]:
    at_once = max(1, _DRAWS_AT_ONCE // kinds)
    for start in range(0, samples, at_once):
        yield min(at_once, samples - start)
