"""Whether a copy's labels count the classes as the class list does, by the names it ships."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from wiseft_jax.core.errors import InputError, first_few
from wiseft_jax.data.doctor_report import Finding
from wiseft_jax.data.matlab import read_matlab
from wiseft_jax.data.published_split import PublishedSplit
from wiseft_jax.data.source import BadLabelError

_SHOWN = 3


def _text_lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _devkit_names(path: Path) -> list[str]:
    (names,) = read_matlab(path, "class_names", squeeze=True)
    return [str(name) for name in np.atleast_1d(names)]


NAME_FILES: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "cifar10": ("batches.meta.txt", _text_lines),
    "cifar100": ("fine_label_names.txt", _text_lines),
    "cars": ("devkit/cars_meta.mat", _devkit_names),
}
"""Data set id -> the file with its classes' names in label order, and what reads it.

Of data sets whose labels are numbers, those that ship one: CIFAR's binary version, Cars's devkit.
"""


def class_order_finding(found: PublishedSplit) -> Finding | None:
    """Return that the names which a copy ships are in another order than the class list.

    A name that the class list writes otherwise isn't compared.

    Args:
      found: A split of the data set.
    """
    if found.id not in NAME_FILES:
        return None
    name, read = NAME_FILES[found.id]
    path = found.folder / name
    if not path.is_file():
        return None
    fix = "get the data set as its authors ship it"
    try:
        shipped = read(path)
    except (InputError, UnicodeDecodeError) as error:
        return Finding("bad_index", f"it can't be read: {error}", (str(path),), fix)
    places = {_letters(key): label for label, key in enumerate(found.keys)}
    moved = [
        (label, each)
        for label, each in enumerate(shipped)
        if places.get(_letters(each), label) != label
    ]
    if not moved:
        return None
    return Finding(
        "class_order",
        f"this copy's labels count the classes in another order: {len(moved)} of"
        f" {len(found.keys)} are elsewhere",
        (str(path),),
        fix,
        _listed([(label, found.keys[label]) for label, _ in moved if label < len(found.keys)]),
        _listed(moved),
    )


def bad_label_finding(found: PublishedSplit, error: BadLabelError, file: Path) -> Finding:
    """Return that a label is no class's; next to the range, that labels count from elsewhere.

    Args:
      found: The split.
      error: What the reader says.
      file: What has the labels.
    """
    first = found.split.first_label
    last = first + len(found.keys) - 1
    shifted = error.label in (str(first - 1), str(last + 1))
    what = str(error)
    if shifted:
        way = "0" if error.label == str(first - 1) else str(first + 1)
        what += f". Do its labels count from {way}?"
    return Finding(
        "class_order" if shifted else "bad_label",
        what,
        (str(file),),
        f"get it as its authors ship it, with labels from {first} to {last}",
        f"{first} to {last}",
        error.label,
        split=found.name,
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _listed(pairs: Sequence[tuple[int, str]]) -> str:
    return first_few([f"{label} {name}" for label, name in pairs], _SHOWN)
