"""Published data sets in arrays: binary records, .npy, .npz, .mat, and MNIST's idx files.

No pickle is ever read, for loading one runs its code: CIFAR's Python version and CIFAR-10.2's
first files are refused, with what to get instead. Formats: https://www.cs.toronto.edu/~kriz/cifar.html
(binary version), http://yann.lecun.com/exdb/mnist (idx), http://ufldl.stanford.edu/housenumbers.
"""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.matlab import read_matlab
from wiseft_jax.data.published_split import CutOffError, PublishedSplit
from wiseft_jax.data.source import ArraySource

_Arrays = tuple[np.ndarray, np.ndarray]

_SIDE = 32
_CIFAR_LABELS = {"cifar10": 1, "cifar100": 2}  # bytes before the pixels; the last is the fine label
_IDX_UINT8 = 8
_PICKLED = ("cifar-10-batches-py", "cifar-100-python", ".")
_PICKLE_SIGNS = ("batches.meta", "meta")


def open_arrays(found: PublishedSplit) -> ArraySource:
    """Open a split that is arrays of images and labels; grey images become RGB.

    Raises:
      InputError: A file is missing, a pickle, cut off, or not as its authors ship it.
    """
    try:
        files = found.paths()
    except InputError:
        if (folder := pickled_folder(found)) is None:
            raise
        raise InputError(
            f"{folder}: CIFAR's Python version is made of pickles, and loading one runs its code;"
            f" get the binary version. {found.instead()}"
        ) from None
    read = _READERS.get(files[0].suffix, _read_idx)
    try:
        parts = [read(found, file) for file in files]
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error,
            NotImplementedError) as error:  # fmt: skip
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{files[0]}: can't be read ({error}); pickles aren't read, for loading one runs its"
            f" code. {found.instead()}"
        ) from None
    ids = [
        f"{file}[{i}]" for file, part in zip(files, parts, strict=True) for i in range(len(part[1]))
    ]
    images, labels = (
        np.concatenate(arrays) if len(files) > 1 else arrays[0]
        for arrays in zip(*parts, strict=True)
    )
    if images.ndim == 3:
        images = np.repeat(images[..., None], 3, axis=-1)
    return ArraySource(images, labels, found.class_names, found.name, ids)


def pickled_folder(found: PublishedSplit) -> Path | None:
    """Return where the Python version of CIFAR lies, which is made of pickles; None: nowhere."""
    if found.id not in _CIFAR_LABELS:
        return None
    folders = (found.folder / folder for folder in _PICKLED)
    return next(
        (folder for folder in folders if any((folder / sign).is_file() for sign in _PICKLE_SIGNS)),
        None,
    )


def _read_cifar(found: PublishedSplit, file: Path) -> _Arrays:
    """Return records of label bytes and 3 x 32 x 32 pixels, channels first."""
    before = _CIFAR_LABELS[found.id]
    length = before + 3 * _SIDE**2
    data = np.fromfile(file, np.uint8)
    if len(data) == 0 or len(data) % length:
        raise CutOffError(
            f"{file}: expected records of {length} bytes, found {len(data)} bytes; cut off?"
            f" {found.instead()}"
        )
    records = data.reshape(-1, length)
    pixels = records[:, before:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pixels), records[:, before - 1].astype(np.int64)


def _read_npy(found: PublishedSplit, file: Path) -> _Arrays:
    images = np.load(file, mmap_mode="r", allow_pickle=False)
    labels = np.load(found.file(str(found.split.index)), allow_pickle=False)
    if "severity" in found.variant:  # the severities lie one after the other
        steps = len(found.entry.variants.severities) if found.entry.variants else 1
        if len(images) % steps or len(labels) != len(images):
            raise InputError(
                f"{file}: expected {steps} times as many images as one severity has, and a label"
                f" each; found {len(images)} images, {len(labels)} labels. {found.instead()}"
            )
        each = len(images) // steps
        start = (int(found.variant["severity"]) - 1) * each
        images, labels = images[start : start + each], labels[start : start + each]
    return np.array(images), labels


def _read_npz(found: PublishedSplit, file: Path) -> _Arrays:
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return arrays["images"], arrays[str(found.split.column)]


def _read_svhn(found: PublishedSplit, file: Path) -> _Arrays:
    """Return ``X`` [32, 32, 3, N] and ``y`` [N, 1], where 10 is the digit zero."""
    images, labels = read_matlab(file, "X", str(found.split.column))
    pixels = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
    return pixels, labels.reshape(-1).astype(np.int64) % 10


def _read_idx(found: PublishedSplit, file: Path) -> _Arrays:
    suffix = file.suffix if file.suffix == ".gz" else ""
    labels = found.file(f"{found.split.index}{suffix}")
    return _idx(found, file, 3), _idx(found, labels, 1).astype(np.int64)


def _idx(found: PublishedSplit, file: Path, axes: int) -> np.ndarray:
    """Return an array: two zero bytes, its type, its number of axes, each axis's length, data."""
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    start = 4 + 4 * axes
    if data[:4] == bytes([0, 0, _IDX_UINT8, axes]) and len(data) >= start:
        shape = np.frombuffer(data, ">u4", axes, 4).tolist()
        if len(data) - start == math.prod(shape):
            return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
    kind = CutOffError if data[:4] == bytes([0, 0, _IDX_UINT8, axes]) else InputError
    raise kind(
        f"{file}: expected an idx file of bytes with {axes} axes, found {len(data)} bytes that"
        f" begin with {data[:4].hex()}; cut off? {found.instead()}"
    )


_READERS: dict[str, Callable[[PublishedSplit, Path], _Arrays]] = {
    ".bin": _read_cifar,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mat": _read_svhn,
}
