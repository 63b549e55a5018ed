"""What the images of a source are called in the release's layout, and what else finds them."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath, PurePosixPath

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.files import IMAGE_SUFFIXES, FileSource
from wiseft_jax.data.source import Source

_LISTED = 3
_FORBIDDEN = "/\\\0"


@dataclasses.dataclass(frozen=True)
class Item:
    """An image of the source.

    Attributes:
      index: In the source.
      image_id: ``CLASS/ID``; empty for an image without a label.
      where: What a person calls it: its path below the source's root, or its record.
    """

    index: int
    image_id: str
    where: str

    @property
    def keys(self) -> tuple[str, ...]:
        """By what masks and boxes call it, without suffixes, the most exact first."""
        names = (self.image_id, without_suffix(self.where), self.image_id.rpartition("/")[2])
        return tuple(dict.fromkeys(names))


def name_items(source: Source) -> list[Item]:
    """Return the images with their names ``CLASS/ID``.

    The ID is the file's name without its suffix. Where a class has the same twice, the folders
    between the source's root and the file come before it, joined by two underscores, and if that
    isn't enough its suffix after it. A record's ID is its index, six digits.

    Args:
      source: An open source.

    Raises:
      InputError: If a class can't be the name of a folder.
    """
    check_class_names(source.class_names, source.name)
    labels = [int(label) for label in source.labels]
    classes = [source.class_names[label] if label >= 0 else "" for label in labels]
    if not isinstance(source, FileSource):
        return [
            Item(index, name and f"{name}/{index:06d}", source.ids[index])
            for index, name in enumerate(classes)
        ]
    root = source.root.absolute()
    paths = [PurePath(os.path.relpath(path, root)) for path in source.ids]
    stems = [path.stem for path in paths]
    for again in (_with_folders, _with_suffix):
        counts = collections.Counter(zip(classes, stems, strict=True))
        stems = [
            again(path) if counts[name, stem] > 1 else stem
            for path, name, stem in zip(paths, classes, stems, strict=True)
        ]
    return [
        Item(index, name and f"{name}/{stem}", path.as_posix())
        for index, (path, name, stem) in enumerate(zip(paths, classes, stems, strict=True))
    ]


def find_by_key(keys: Mapping[str, object], items: Sequence[Item], what: str) -> dict[int, str]:
    """Return which key is each image's: the most exact of ``Item.keys`` that is there.

    Args:
      keys: What there is, by name.
      items: The images.
      what: What a key stands for, for messages.

    Returns:
      Index of an image -> its key. Images without one aren't in it.

    Raises:
      InputError: If two images would get the same.
    """
    found: dict[int, str] = {}
    taken: dict[str, Item] = {}
    for item in items:
        key = next((key for key in item.keys if key in keys), None)
        if key is None:
            continue
        if key in taken:
            raise InputError(
                f"{what} {key!r} belongs to two images, {taken[key].where} and {item.where};"
                f" say which by the class: {item.image_id}"
            )
        taken[key] = item
        found[item.index] = key
    return found


def without_suffix(name: str) -> str:
    """Return a path without the suffix of an image, if it has one."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in IMAGE_SUFFIXES else str(path)


def check_class_names(class_names: Sequence[str], where: str) -> None:
    """Raise unless each class can be the name of a folder.

    Raises:
      InputError: Names the class.
    """
    for name in class_names:
        if name.startswith(".") or name != name.strip() or set(name) & set(_FORBIDDEN) or not name:
            raise InputError(
                f"{where}: class {name!r} can't be the name of a folder; expected no slash, no dot"
                " at its start, no space at its ends"
            )


def few(names: Sequence[str]) -> str:
    """Return the first names, and how many there are if that isn't all."""
    more = f", ...; {len(names)} in all" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _with_folders(path: PurePath) -> str:
    return "__".join([*path.parent.parts, path.stem])


def _with_suffix(path: PurePath) -> str:
    return "__".join([*path.parent.parts, path.name])
