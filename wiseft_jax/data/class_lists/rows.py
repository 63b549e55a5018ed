"""Read a class list: the classes in label order, and the ImageNet classes that count as each."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from wiseft_jax.core.errors import unknown_name
from wiseft_jax.data.class_lists.table import CLASS_LISTS

IMAGENET_CLASSES = 1000
NOT_MAPPED = -1


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """A class.

    Attributes:
      key: What the data set's authors call it: a folder, or what stands in a table of labels.
      name: What a prompt says.
      imagenet: The indices of ImageNet's classes that count as this one, rising; empty where the
        list maps none, or none to this class.
    """

    key: str
    name: str
    imagenet: tuple[int, ...] = ()


def class_list_path(name: str) -> Path:
    """Return the file of a class list.

    Raises:
      InputError: There is no such list.
    """
    if name not in CLASS_LISTS:
        raise unknown_name("class list", name, CLASS_LISTS)
    return Path(__file__).parent / f"{name}.tsv"


@functools.cache
def class_rows(name: str) -> tuple[ClassRow, ...]:
    """Return the classes of a list; row i is label i.

    Args:
      name: A name in ``CLASS_LISTS``.

    Raises:
      InputError: There is no such list.

    Example:
      >>> class_rows("imagenet-a")[0]
      ClassRow(key='n01498041', name='stingray', imagenet=(6,))
    """
    text = class_list_path(name).read_text(encoding="utf-8")
    return tuple(_row(line) for line in text.splitlines())


def class_names(name: str) -> tuple[str, ...]:
    """Return what prompts say for the classes of a list, in label order."""
    return tuple(row.name for row in class_rows(name))


def class_keys(name: str) -> tuple[str, ...]:
    """Return what the data set's authors call the classes of a list, in label order."""
    return tuple(row.key for row in class_rows(name))


def imagenet_members(name: str) -> tuple[tuple[int, ...], ...]:
    """Return the ImageNet indices that count as each class of a list, in label order."""
    return tuple(row.imagenet for row in class_rows(name))


def imagenet_map(name: str) -> Int[np.ndarray, "1000"]:
    """Return the class of a list that each ImageNet index counts as; -1 for none.

    Args:
      name: A name in ``CLASS_LISTS``; a list that maps nothing gives -1 throughout.
    """
    found = np.full(IMAGENET_CLASSES, NOT_MAPPED, np.int32)
    for label, members in enumerate(imagenet_members(name)):
        found[list(members)] = label
    return found


def is_published(names: Sequence[str]) -> bool:
    """Return whether these are the names of a published class list, in its order.

    Such a list may have a name twice: its classes are told apart by their places.
    """
    return any(
        len(names) == found.count and tuple(names) == class_names(name)
        for name, found in CLASS_LISTS.items()
    )


def _row(line: str) -> ClassRow:
    key, name, *rest = line.split("\t")
    return ClassRow(key, name, tuple(_indices(rest[0])) if rest else ())


def _indices(text: str) -> Iterator[int]:
    for part in text.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
