"""Batches from a dataset: batch k is a pure function of (seed, k); a resume needs the step alone.

The order is Grain's: ``MapDataset.range(N).seed(seed).shuffle().repeat()``, reshuffled each epoch,
every example once an epoch. Row r of batch k is global row ``k * batch_size + r``; process p of n
makes rows p, p + n, p + 2n, ... Neither the crop nor the order knows about processes, workers or
threads. Images are decoded in chunks of a few, in threads (or in worker processes), ahead of use.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

import grain
import numpy as np
from PIL import Image

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.data.augmentation import AugmentationConfig
from wiseft_jax.data.decode import BadImageError, decode_image
from wiseft_jax.data.source import Dataset
from wiseft_jax.data.transforms import EvalTransform, TrainTransform

logger = logging.getLogger(__name__)

Batch: TypeAlias = dict[str, np.ndarray]
"""``image`` uint8[B, S, S, 3], ``label`` int32[B], ``mask`` bool[B], ``index`` int64[B].

``index`` is the position in the dataset, -1 in the padding. Where ``mask`` is False the label is -1
and the image black: padding, or (``index`` >= 0) a bad image that was skipped.
"""

_Chunk: TypeAlias = dict[str, Any]
"""A part of a batch whose images aren't stacked: they are copied once, into the whole batch."""

_CHUNK_ROWS = 16
_REDRAWS = 100


def load_image(dataset: Dataset, position: int) -> Image.Image:
    """Read and decode the image at ``position`` of the dataset.

    Raises:
      BadImageError: If it can't be read, or decoded to the right RGB.
    """
    index = dataset.source_index(position)
    try:
        data = dataset.source.read(index)
    except OSError as error:
        reason = f"can't be read ({error.strerror or error})"
        raise BadImageError(dataset.source.ids[index], reason) from None
    return decode_image(data, dataset.source.ids[index])


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Which global rows make up chunk c of this process."""

    batch_size: int
    process_index: int
    process_count: int

    @property
    def local(self) -> int:
        return self.batch_size // self.process_count

    @property
    def chunks(self) -> int:
        return -(-self.local // _CHUNK_ROWS)

    def rows(self, chunk: int) -> range:
        step, part = divmod(chunk, self.chunks)
        low, high = part * _CHUNK_ROWS, min((part + 1) * _CHUNK_ROWS, self.local)
        start = step * self.batch_size + self.process_index
        return range(start + low * self.process_count, start + high * self.process_count)[
            :: self.process_count
        ]


@dataclasses.dataclass(frozen=True)
class _TrainChunk:
    """Make a chunk of training rows; a bad image is noted, and another one drawn in its place."""

    dataset: Dataset
    order: Any
    transform: TrainTransform
    layout: _Layout
    seed: int

    def __call__(self, chunk: int) -> _Chunk:
        images, positions, bad = [], [], []
        for row in self.layout.rows(chunk):
            rng = numpy_stream(self.seed, "crop", row)
            position = int(self.order[row]) % len(self.dataset)
            image, position = self._load(position, rng, bad)
            images.append(image)
            positions.append(position)
        labels = self.dataset.labels[positions]
        return _chunk(images, labels, np.ones(len(images), bool), positions, bad)

    def _load(
        self, position: int, rng: np.random.Generator, bad: list[int]
    ) -> tuple[np.ndarray, int]:
        size = self.transform.preprocess.size
        for _ in range(_REDRAWS):
            try:
                return self.transform(load_image(self.dataset, position), rng), position
            except BadImageError:
                bad.append(position)
                if self.dataset.on_bad_image == "stop":  # the consumer raises
                    return np.zeros((size, size, 3), np.uint8), position
                position = int(rng.integers(len(self.dataset)))
        raise InputError(f"{self.dataset.name}: {_REDRAWS} bad images drawn in a row; giving up")


@dataclasses.dataclass(frozen=True)
class _EvalChunk:
    """Make a chunk of evaluation rows; rows past the end, and bad images, are masked."""

    dataset: Dataset
    transform: EvalTransform
    layout: _Layout

    def __call__(self, chunk: int) -> _Chunk:
        rows = self.layout.rows(chunk)
        size = self.transform.preprocess.size
        images = [np.zeros((size, size, 3), np.uint8)] * len(rows)
        labels = np.full(len(rows), -1, np.int32)
        mask = np.zeros(len(rows), bool)
        positions, bad = np.full(len(rows), -1, np.int64), []
        for slot, position in enumerate(rows):
            if position >= len(self.dataset):
                break
            positions[slot] = position
            try:
                images[slot] = self.transform(load_image(self.dataset, position))
            except BadImageError:
                bad.append(position)
            else:
                labels[slot], mask[slot] = self.dataset.labels[position], True
        return _chunk(images, labels, mask, positions, bad)


def _chunk(
    images: list[np.ndarray], labels: Any, mask: Any, positions: Any, bad: list[int]
) -> _Chunk:
    return {
        "image": images,
        "label": np.asarray(labels, np.int32),
        "mask": np.asarray(mask, bool),
        "index": np.asarray(positions, np.int64),
        "bad": np.asarray(bad, np.int64),
    }


def _stacked(chunk: _Chunk) -> _Chunk:
    """One array crosses from a worker process faster than many."""
    return {**chunk, "image": np.stack(chunk["image"])}


class Batches(Iterator[Batch]):
    """An iterator over batches that can be closed, and knows which images it skipped.

    Attributes:
      skipped: ``"id: reason"`` of each bad image met so far (once each), when the dataset says
        ``on_bad_image="skip"``.

    Closing ends the threads and worker processes; ``with`` does it, and so does the last batch.
    """

    def __init__(self, dataset: Dataset, chunks: Any, chunks_per_batch: int) -> None:
        self.skipped: list[str] = []
        self._dataset = dataset
        self._chunks = chunks
        self._chunks_per_batch = chunks_per_batch
        self._closed = False
        self._bad: set[int] = set()

    def __next__(self) -> Batch:
        if self._closed:
            raise StopIteration
        try:
            parts = [next(self._chunks) for _ in range(self._chunks_per_batch)]
            for part in parts:
                for position in part.pop("bad"):
                    self._report(int(position))
        except BaseException:
            self.close()
            raise
        images = [image for part in parts for image in part.pop("image")]
        rest = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {"image": np.stack(images), **rest}

    def _report(self, position: int) -> None:
        if position in self._bad:
            return
        self._bad.add(position)
        try:
            load_image(self._dataset, position)
            reason = BadImageError(self._dataset.id(position), "could not be read a moment ago")
        except BadImageError as error:
            reason = error
        if self._dataset.on_bad_image == "stop":
            raise reason
        self.skipped.append(str(reason))
        logger.warning("%s: bad image skipped: %s", self._dataset.name, reason)

    def close(self) -> None:
        """End the threads or processes behind the iterator; more calls do nothing."""
        if not self._closed:
            self._closed = True
            self._chunks.close()

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def train_batches(
    dataset: Dataset,
    preprocess: Preprocess,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    augmentation: AugmentationConfig = AugmentationConfig(),
    num_threads: int = 16,
    num_workers: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Batches:
    """Return the endless training batches from ``start_step`` on.

    Args:
      dataset: What to train on.
      preprocess: What the tower expects.
      batch_size: Images in a batch, over all processes.
      seed: Of order and crops.
      start_step: The first batch; batch k is the same whatever the start.
      augmentation: How an image is cropped and changed, by the row's own generator.
      num_threads: Decoding threads (of each worker); 0 decodes in the caller's thread.
      num_workers: Decoding processes, spawned; 0 is none. Worth it on hosts of many cores.
      process_index: Which of the job's processes this is.
      process_count: How many the job has; each gets ``batch_size / process_count`` rows.

    Raises:
      InputError: If the dataset is empty or the numbers don't fit; at a bad image (its path) when
        ``dataset.on_bad_image`` is ``"stop"``. With ``"skip"`` another image is drawn in its place,
        by the row's own generator.
    """
    layout = _layout(dataset, batch_size, process_index, process_count)
    if seed < 0 or start_step < 0:
        raise InputError(f"expected seed and start_step >= 0, found {seed} and {start_step}")
    order = grain.MapDataset.range(len(dataset)).seed(seed % 2**32).shuffle().repeat()
    make = _TrainChunk(dataset, order, augmentation.build(preprocess), layout, seed)
    chunks = grain.MapDataset.range(start_step * layout.chunks, sys.maxsize // 2)
    return _iterate(dataset, chunks.map(make), layout, num_threads, num_workers)


def eval_batches(
    dataset: Dataset,
    preprocess: Preprocess,
    *,
    batch_size: int,
    num_threads: int = 16,
    num_workers: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Batches:
    """Return every example exactly once, in order; the last batch is padded and masked.

    The number of batches is ``ceil(len(dataset) / batch_size)`` in every process. Arguments are
    those of ``train_batches``.

    Raises:
      InputError: As ``train_batches``; with ``"skip"`` a bad image keeps its place, masked out.
    """
    layout = _layout(dataset, batch_size, process_index, process_count)
    make = _EvalChunk(dataset, EvalTransform(preprocess), layout)
    steps = -(-len(dataset) // batch_size)
    chunks = grain.MapDataset.range(steps * layout.chunks)
    return _iterate(dataset, chunks.map(make), layout, num_threads, num_workers)


def _layout(dataset: Dataset, batch_size: int, process_index: int, process_count: int) -> _Layout:
    if len(dataset) == 0:
        raise InputError(f"{dataset.name}: there are no images in it")
    if not 0 <= process_index < process_count:
        raise InputError(f"process {process_index} is not one of {process_count}")
    if batch_size < 1 or batch_size % process_count:
        raise InputError(
            f"batch size {batch_size}: expected a positive multiple of the {process_count} "
            "processes"
        )
    return _Layout(batch_size, process_index, process_count)


def _iterate(
    dataset: Dataset, chunks: Any, layout: _Layout, num_threads: int, num_workers: int
) -> Batches:
    if num_threads < 0 or num_workers < 0:
        raise InputError(f"expected threads and workers >= 0, found {num_threads}, {num_workers}")
    ahead = max(num_threads, 2 * layout.chunks) if num_threads else 0
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=ahead)
    pipeline = chunks.to_iter_dataset(options)
    if num_workers:
        _mark_flags_as_parsed()
        pipeline = pipeline.map(_stacked).mp_prefetch(
            grain.MultiprocessingOptions(
                num_workers=num_workers, per_worker_buffer_size=max(1, ahead // num_workers)
            )
        )
    return Batches(dataset, iter(pipeline), layout.chunks)


def _mark_flags_as_parsed() -> None:
    """Grain's workers read absl flags, which nobody parsed when absl.app isn't the entry point."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
