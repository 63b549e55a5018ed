"""Miniatures of published arrays; image i of a split is ``array_pixels(i)``.

Bytes and labels are written out as the formats' authors say, not by what the package says of them.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import scipy.io

from tests.data.builders import pixels
from wiseft_jax.data.catalog import DATASETS


def array_pixels(index: int) -> np.ndarray:
    return pixels(index, 32, 32)


def grey_pixels(index: int) -> np.ndarray:
    return pixels(index, 28, 28)[..., 0]


def _stack(indices: Sequence[int]) -> np.ndarray:
    return np.stack([array_pixels(index) for index in indices])


def _records(labels: Sequence[Sequence[int]], start: int = 0) -> bytes:
    parts = []
    for index, before in enumerate(labels, start):
        image = array_pixels(index)
        parts += [bytes(before), *(image[..., channel].tobytes() for channel in range(3))]
    return b"".join(parts)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _npz(labels: Sequence[int]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=_stack(range(len(labels))), labels=np.array(labels))
    return buffer.getvalue()


def _svhn(labels: Sequence[int]) -> bytes:
    buffer = io.BytesIO()
    arrays = {"X": _stack(range(len(labels))).transpose(1, 2, 3, 0), "y": np.array([labels]).T}
    scipy.io.savemat(buffer, arrays)
    return buffer.getvalue()


def _idx_images(count: int) -> bytes:
    data = b"".join(grey_pixels(index).tobytes() for index in range(count))
    return bytes.fromhex("00000803") + count.to_bytes(4) + (28).to_bytes(4) * 2 + data


def _idx_labels(labels: Sequence[int]) -> bytes:
    return bytes.fromhex("00000801") + len(labels).to_bytes(4) + bytes(labels)


def _corrupted() -> dict[str, bytes]:
    """Return two images at each severity; those of the third are images 0 and 1."""
    images = _stack([96, 97, 98, 99, 0, 1, 92, 93, 94, 95])
    labels = np.array([9, 2] * 5)
    return {"glass_blur.npy": _npy(images), "labels.npy": _npy(labels)}


def _mnist(stem: str, zipped: bool) -> dict[str, bytes]:
    files = {
        f"{stem}-images-idx3-ubyte": _idx_images(3),
        f"{stem}-labels-idx1-ubyte": _idx_labels([7, 0, 9]),
    }
    if zipped:
        return {f"{path}.gz": gzip.compress(data) for path, data in files.items()}
    return files


_DIGITS = ("7", "0", "9")
ARRAYS: dict[tuple[str, str], tuple[Callable[[], dict[str, bytes]], tuple[str, ...]]] = {
    ("cifar10", "train"): (
        lambda: {
            "data_batch_1.bin": _records([[6], [9]]),
            "data_batch_2.bin": _records([[0]], 2),
            "batches.meta.txt": b"airplane\n",
        },
        ("frog", "truck", "airplane"),
    ),
    ("cifar10", "test"): (
        lambda: {"test_batch.bin": _records([[3], [8]]), "data_batch_1.bin": _records([[1]])},
        ("cat", "ship"),
    ),
    ("cifar10.1", "test"): (
        lambda: {
            "cifar10.1_v6_data.npy": _npy(_stack(range(3))),
            "cifar10.1_v6_labels.npy": _npy(np.array([3, 8, 1], np.int32)),
        },
        ("cat", "ship", "automobile"),
    ),
    ("cifar10.2", "train"): (lambda: {"cifar102_train.npz": _npz([5, 4])}, ("dog", "deer")),
    ("cifar10.2", "test"): (lambda: {"cifar102_test.npz": _npz([7, 0])}, ("horse", "airplane")),
    ("cifar100", "train"): (
        lambda: {"train.bin": _records([[11, 99], [4, 0]])}, ("worm", "apple"),
    ),
    ("cifar100", "test"): (
        lambda: {"test.bin": _records([[1, 1], [4, 0]])}, ("aquarium fish", "apple"),
    ),
    ("svhn", "extra"): (lambda: {"extra_32x32.mat": _svhn([7, 10, 9])}, _DIGITS),
    ("svhn", "train"): (lambda: {"train_32x32.mat": _svhn([7, 10, 9])}, _DIGITS),
    ("svhn", "test"): (lambda: {"test_32x32.mat": _svhn([7, 10, 9])}, _DIGITS),
    ("mnist", "train"): (lambda: _mnist("train", zipped=True), _DIGITS),
    ("mnist", "test"): (lambda: _mnist("t10k", zipped=False), _DIGITS),
    ("cifar10-c", "test"): (_corrupted, ("truck", "bird")),
}  # fmt: skip
"""(data set id, split) -> its files, and what a prompt says for each image."""

VARIANTS = {("cifar10-c", "test"): "glass_blur/3"}


def write_arrays(root: Path, name: str, split: str) -> tuple[str, ...]:
    """Write a split's files below ``root``; return the true name of each image."""
    files, names = ARRAYS[name, split]
    folder = root / DATASETS[name].layout.folder
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in files().items():
        (folder / path).write_bytes(data)
    return names
