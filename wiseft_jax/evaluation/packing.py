"""How pairs of a model and an example become batches of a few fixed sizes, and what these cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Int64

from wiseft_jax.core.mesh import round_up_to_devices

_SMALL = 2
"""Rows of the smallest batch: 2, 4 and 8 took the same CPU time in a race, and 2 pads least."""
_STEP = 4
"""A batch between the smallest and a full one has this many times the smallest's rows."""


@dataclasses.dataclass(frozen=True)
class Call:
    """One batch, through one or several models.

    Attributes:
      rows: int64[R], the models, as rows of what was wanted.
      columns: int64[C], the examples, as columns of it.
      size: Rows of the batch, at least C; the rest is padding.
    """

    rows: Int64[np.ndarray, " R"]
    columns: Int64[np.ndarray, " C"]
    size: int


@dataclasses.dataclass(frozen=True)
class Packing:
    """The sizes of batches. ``Packing()`` pads nothing: results that are looked up.

    Each size is compiled once. A multiple of the smallest is cut into the larger ones, so at most
    ``sizes[-1] - 1`` rows of a model's examples are padding, whatever their number.

    Attributes:
      sizes: Rows of a batch, falling, each a multiple of the last.
      chunk_size: Models that a step evaluates at once; what is missing to a multiple of it is
        evaluated too.
    """

    sizes: tuple[int, ...] = (1,)
    chunk_size: int = 1

    @classmethod
    def of(cls, batch_size: int, mesh: Mesh, chunk_size: int = 1) -> Packing:
        """Return the sizes for a largest batch of about ``batch_size`` rows on some devices.

        Args:
          batch_size: Rounded up to a multiple of the smallest size.
          mesh: The devices that share a batch.
          chunk_size: Models that a step evaluates at once.
        """
        small = round_up_to_devices(min(_SMALL, batch_size), mesh)
        full = -(-batch_size // small) * small
        sizes = {size for size in (full, _STEP * small, small) if size <= full}
        return cls(tuple(sorted(sizes, reverse=True)), chunk_size)

    def calls(self, wanted: Bool[np.ndarray, "R C"]) -> Iterator[Call]:
        """Yield batches that evaluate each wanted pair once, and no other but padding.

        Models that want the same examples go together.

        Args:
          wanted: Which examples (columns) each model (row) is evaluated on.
        """
        if not wanted.any():
            return
        patterns, which = np.unique(wanted, axis=0, return_inverse=True)
        for place, pattern in enumerate(patterns):
            rows, columns = np.flatnonzero(which.ravel() == place), np.flatnonzero(pattern)
            start = 0
            for size in self._cut(len(columns)):
                yield Call(rows, columns[start : start + size], size)
                start += size

    def forwards(self, wanted: Bool[np.ndarray, "R C"]) -> int:
        """Return the forward passes of ``calls(wanted)``, padding of rows and models included.

        Args:
          wanted: Which examples (columns) each model (row) is evaluated on.
        """
        if self.chunk_size == 1:  # the same, at once
            small, counts = self.sizes[-1], wanted.sum(axis=1)
            return int(np.sum(-(-counts // small) * small))
        return sum(self.forwards_of(call) for call in self.calls(wanted))

    def forwards_of(self, call: Call) -> int:
        """Return the forward passes of one batch, padding included."""
        return -(-len(call.rows) // self.chunk_size) * self.chunk_size * call.size

    def _cut(self, count: int) -> Iterator[int]:
        left = -(-count // self.sizes[-1]) * self.sizes[-1]
        for size in self.sizes:
            while left >= size:
                yield size
                left -= size
