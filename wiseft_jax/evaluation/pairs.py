"""Evaluate single (example, alpha) pairs directly, in batches of one alpha, without reading again.

Pairs come batch by batch and wait, with their images, until a batch of their alpha is full. What is
left at the end, or when too many images wait, goes in smaller batches, so that little is padded.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32, UInt8

from wiseft_jax.core.mesh import process_share, put_batch, round_up_to_devices
from wiseft_jax.core.projection import Projection
from wiseft_jax.evaluation.engine import EngineConfig, padded_alphas
from wiseft_jax.evaluation.kept_logits import with_kept
from wiseft_jax.evaluation.projections import with_slots

_SMALL = 8
"""A small batch, in rows; a full one would be padding mostly."""
_WAITING_BYTES = 512 * 2**20


def small_rows(config: EngineConfig) -> int:
    """Return the rows of a small batch of all processes: what single pairs of an alpha cost.

    Args:
      config: How batches are shaped and split.
    """
    processes = process_share(config.layout.mesh)["process_count"]
    return min(round_up_to_devices(_SMALL * processes, config.layout.mesh), config.batch_size)


@dataclasses.dataclass(frozen=True)
class Found:
    """What direct evaluation gave for pairs of one alpha.

    Attributes:
      alpha: The place of the alpha in the grid.
      positions: The examples.
      top1: Their classes.
      margin: Their largest logit minus the second largest.
      entropy: Of their softmax, in nats.
      logits: Where they were asked for at this alpha.
    """

    alpha: int
    positions: Int[np.ndarray, " M"]
    top1: Int32[np.ndarray, " M"]
    margin: Float32[np.ndarray, " M"]
    entropy: Float32[np.ndarray, " M"]
    logits: Float32[np.ndarray, "M K"] | None = None


class PairQueue:
    """Pairs that wait for a batch of their alpha. Every process holds the same pairs, own images.

    Attributes:
      rows: Rows evaluated so far, padding included.
    """

    def __init__(
        self,
        step: Callable[..., dict[str, Any]],
        ends: tuple[Any, Any],
        alphas: tuple[float, ...],
        config: EngineConfig,
        image_size: int,
        found: Callable[[Found], None],
        projection: Projection | None = None,
        kept: Collection[int] = (),
    ) -> None:
        """Make an empty queue.

        Args:
          step: From ``engine.compiled_step`` for ``config``.
          ends: Both ends' parameters on the devices.
          alphas: The grid.
          config: How batches are shaped and split.
          image_size: Pixels on a side.
          found: Called with results as they come.
          projection: Of the set; None where its classes are the classifier's.
          kept: Places of the alphas whose logits are found too; ``step`` must give them.
        """
        share = process_share(config.layout.mesh)
        self._own, self._processes = share["process_index"], share["process_count"]
        self._step, self._ends, self._config, self._found = step, ends, config, found
        self._projection, self._kept = projection, frozenset(kept)
        self._shape = (image_size, image_size, 3)
        self._groups = [padded_alphas((alpha,), config.chunk_size)[0][0] for alpha in alphas]
        self._full = config.batch_size // self._processes
        self._small = small_rows(config) // self._processes
        self._waiting = [[collections.deque[int]() for _ in range(self._processes)] for _ in alphas]
        self._images: dict[int, np.ndarray] = {}
        # All processes' uses: how many images wait decides the same in each.
        self._uses = [collections.Counter[int]() for _ in range(self._processes)]
        self._pending: list[tuple[int, dict[str, Any]]] = []
        self.rows = 0

    def add(
        self,
        images: UInt8[np.ndarray, "R H W 3"],
        positions: Int[np.ndarray, " B"],
        wanted: Bool[np.ndarray, "A B"],
    ) -> None:
        """Put pairs into the queue, and evaluate the batches that are full.

        Args:
          images: This process's rows of a batch.
          positions: All processes' rows, as positions in the dataset.
          wanted: Which pairs to evaluate.
        """
        own = len(images)
        for alpha, row in np.argwhere(wanted).tolist():
            process, place = divmod(row, own)
            position = int(positions[row])
            self._waiting[alpha][process].append(position)
            self._uses[process][position] += 1
            if process == self._own and position not in self._images:
                self._images[position] = np.array(images[place])
        for alpha in np.flatnonzero(wanted.any(axis=1)).tolist():
            while self._longest(alpha) >= self._full:
                self._run(alpha, self._full)
        most = max(len(uses) for uses in self._uses)
        if images.size and most * images[0].nbytes > _WAITING_BYTES:
            self.drain()

    def drain(self) -> None:
        """Evaluate whatever waits."""
        for alpha in range(len(self._waiting)):
            while longest := self._longest(alpha):
                self._run(alpha, self._full if 2 * longest > self._full else self._small)
        self._collect(keep=0)

    @property
    def held(self) -> int:
        """Images that wait."""
        return len(self._images)

    def _longest(self, alpha: int) -> int:
        return max(len(queue) for queue in self._waiting[alpha])

    def _run(self, alpha: int, rows: int) -> None:
        """Evaluate one batch, with up to ``rows`` rows of each process."""
        index = np.full((self._processes, rows), -1, np.int32)
        for process, queue in enumerate(self._waiting[alpha]):
            for row in range(min(rows, len(queue))):
                index[process, row] = queue.popleft()
        own = index[self._own]
        images = np.zeros((rows, *self._shape), np.uint8)
        for row, position in enumerate(own[own >= 0].tolist()):
            images[row] = self._images[position]
        for uses, used in zip(self._uses, index, strict=True):
            for position in used[used >= 0].tolist():
                uses[position] -= 1
                if not uses[position]:
                    del uses[position]
                    self._images.pop(position, None)
        batch = put_batch(
            {"image": images, "mask": own >= 0, "index": own}, self._config.layout.mesh
        )
        batch = with_slots(batch, self._projection)
        outputs = self._step(*self._ends, self._groups[alpha], 1, batch)
        self._pending.append((alpha, with_kept(outputs, [0] if alpha in self._kept else [])))
        self.rows += index.size
        self._collect(keep=1)

    def _collect(self, keep: int) -> None:
        """Read all results but the last ``keep``; the devices work on those meanwhile."""
        while len(self._pending) > keep:
            alpha, outputs = self._pending.pop(0)
            mask = np.asarray(outputs["mask"])
            positions = np.asarray(outputs["index"])[mask]
            columns = outputs.keys() - {"mask", "index"}
            values = {name: np.asarray(outputs[name])[0, mask] for name in columns}
            self._found(Found(alpha, positions, **values))
