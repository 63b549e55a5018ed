"""Miniatures as the doctor is shown them, and what plants a fault in a data set's folder."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.data.builders import encode, pixels
from tests.data.published_array_miniatures import ARRAYS, write_arrays
from tests.data.published_miniatures import write_miniature
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.class_lists import class_keys
from wiseft_jax.data.doctor import check_dataset
from wiseft_jax.data.doctor_report import Finding, Report
from wiseft_jax.data.entry import DatasetEntry

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"


def entry_of(name: str, split: str, images: int | None) -> DatasetEntry:
    """Return the catalog's entry, with another number of images of a split."""
    entry = DATASETS[name]
    splits = tuple(
        dataclasses.replace(each, images=images) if each.name == split else each
        for each in entry.layout.splits
    )
    return dataclasses.replace(entry, layout=dataclasses.replace(entry.layout, splits=splits))


def write(root: Path, name: str, split: str) -> list[str]:
    """Write a miniature; return what a prompt says for each of its images."""
    if (name, split) in ARRAYS:
        return list(write_arrays(root, name, split))
    return list(write_miniature(root, name, split).images.values())


def check(root: Path, name: str, split: str, images: int | None = None) -> Report:
    return check_dataset(name, root, splits=[split], entry=entry_of(name, split, images))


def of_kind(report: Report, kind: str) -> Finding:
    (found,) = [finding for finding in report.findings if finding.kind == kind]
    return found


def write_eurosat(root: Path) -> Path:
    """Write two images of each class of EuroSAT; return its folder."""
    for number, key in enumerate(class_keys("eurosat")):
        for index in range(2):
            path = root / "2750" / key / f"{key}_{index + 1}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(pixels(2 * number + index, 40, 40), "JPEG"))
    return root / "2750"


def renaming(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / old).rename(folder / new)


def putting(path: str, data: bytes) -> Callable[[Path], object]:
    def put(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)

    return put


def cutting(path: str, keep: float = 0.6) -> Callable[[Path], object]:
    def cut(folder: Path) -> None:
        data = (folder / path).read_bytes()
        (folder / path).write_bytes(data[: int(keep * len(data))])

    return cut


def copying(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: shutil.copy(folder / old, folder / new)


def nesting(path: str, inner: str) -> Callable[[Path], object]:
    def nest(folder: Path) -> None:
        (folder / path).rename(folder / "aside")
        (folder / inner).parent.mkdir(parents=True, exist_ok=True)
        (folder / "aside").rename(folder / inner)

    return nest


def saving(**arrays: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: [
        np.save(folder / f"{name}.npy", array, allow_pickle=False) for name, array in arrays.items()
    ]
