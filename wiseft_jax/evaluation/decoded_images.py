"""A few decoded images of a dataset in memory, and batches of a fixed size made of them."""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Int, UInt8

from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset

logger = logging.getLogger(__name__)


class DecodedImages:
    """The images of the examples that were asked for last, each decoded once.

    Args:
      dataset: The images; one that can't be read is left out of batches, if the dataset skips such.
      preprocess: What an image becomes.
      batch_size: Images that are decoded at once.
      num_threads: Decoding threads.
    """

    def __init__(
        self, dataset: Dataset, preprocess: Preprocess, *, batch_size: int, num_threads: int
    ) -> None:
        self._dataset = dataset
        self._preprocess = preprocess
        self._batch_size = batch_size
        self._num_threads = num_threads
        self._asked: set[int] = set()
        self._decoded: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._decoded)

    def hold(self, examples: Int[np.ndarray, " B"]) -> list[str]:
        """Decode the images of these examples, unless that was done; forget all others then.

        Args:
          examples: Positions in the dataset.

        Returns:
          ``"id: reason"`` of those that can't be read, if they were decoded now.

        Raises:
          BadImageError: If an image can't be read and ``dataset.on_bad_image`` is ``"stop"``.
        """
        if self._asked >= set(examples.tolist()):
            return []
        self._asked, self._decoded = set(examples.tolist()), {}
        batches = eval_batches(
            self._dataset.subset(examples),
            self._preprocess,
            batch_size=self._batch_size,
            num_threads=self._num_threads,
        )
        with batches:
            for batch in batches:
                rows = np.flatnonzero(batch["mask"])
                images: UInt8[np.ndarray, "B H W 3"] = batch["image"]
                for row in rows:
                    self._decoded[int(examples[batch["index"][row]])] = images[row]
        return batches.skipped

    def batch(self, examples: Int[np.ndarray, " B"], size: int) -> dict[str, np.ndarray]:
        """Return a batch of ``size`` rows, the first of them images that are held.

        Args:
          examples: Positions in the dataset, at most ``size``.
          size: Rows.

        Returns:
          ``image`` uint8[size, S, S, 3]; ``index`` int32[size], -1 for padding; ``mask``
          bool[size], which rows are an image that could be read.
        """
        side = self._preprocess.size
        image = np.zeros((size, side, side, 3), np.uint8)
        mask, index = np.zeros(size, bool), np.full(size, -1, np.int32)
        for row, position in enumerate(examples.tolist()):
            if position in self._decoded:
                image[row], mask[row] = self._decoded[position], True
            index[row] = position
        return {"image": image, "mask": mask, "index": index}
