"""``folder:PATH``: a folder for each class, images at any depth inside; sorted by name."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from wiseft_jax.core.errors import InputError, counted, first_few
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.data.files import IMAGE_SUFFIXES, FileSource, find_images, is_hidden, report_skipped
from wiseft_jax.data.specs import SourceOptions, Spec, archive_hint, require_path

logger = logging.getLogger(__name__)

_SHOWN = 5

SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test"})
"""Folders that are called so hold splits, not classes."""


@dataclasses.dataclass(frozen=True)
class SplitFolders:
    """Which folders are splits.

    Attributes:
      names: Those that are; none: they are classes.
      doubt: Why that isn't certain, and what to do, as the end of a message; empty: it is.
    """

    names: tuple[str, ...] = ()
    doubt: str = ""


def split_folders(inside: Mapping[str, Set[str]]) -> SplitFolders:
    """Return which folders are splits, by their names and by the folders in them.

    Where all are called so (``train``, ``val``, ``test``), they are splits. Where some are, and
    have folders in them, the others are splits as well if they have the same ones.

    Args:
      inside: Folder -> the folders in it.

    Example:
      >>> split_folders({"train": {"cat", "dog"}, "sketches": {"cat", "dog"}}).names
      ('sketches', 'train')
    """
    names = tuple(sorted(inside))
    called = [name for name in names if name.lower() in SPLIT_NAMES]
    if len(called) == len(names):
        return SplitFolders(names)
    if not any(inside[name] for name in called):
        return SplitFolders()
    first = next(name for name in called if inside[name])
    other = [name for name in names if inside[name] != inside[first]]
    unfit = [name for name in names if not re.fullmatch(r"\w+", name, re.ASCII)]
    if other:
        reason = (
            f"{first_few(other, _SHOWN)} {'has' if len(other) == 1 else 'have'} other folders"
            f" inside than {first} has, and splits have the same ones"
        )
    elif unfit:
        reason = (
            f"{first_few(unfit, _SHOWN)} can't be the name of a split, for TFDS wants letters,"
            " digits and underscores; rename it"
        )
    else:
        return SplitFolders(names)
    return SplitFolders(
        names,
        f"its folders {', '.join(called)} are called as splits are, but {reason}; take those that"
        f" are splits: --split {' '.join(called)}; if all are classes, list the images in a"
        " table: file",
    )


def warn_of_splits(where: str, class_names: Sequence[str]) -> None:
    """Warn where classes are called as splits are."""
    called = [name for name in class_names if name.lower() in SPLIT_NAMES]
    if called:
        logger.warning(
            "%s: its classes include %s, as splits are called; if it has splits, give one of them,"
            " or prepare it again: wiseft data prepare folder:DIR --split %s",
            where, ", ".join(called), " ".join(called),
        )  # fmt: skip


def open_source(spec: Spec, options: SourceOptions) -> FileSource:
    """Open ``folder:PATH``; the classes are PATH's folders in sorted order.

    Hidden files, and files without an image suffix, are passed over and reported; a folder without
    images is a class without images, with a warning.

    Raises:
      InputError: If PATH isn't a folder of class folders with images in them.
    """
    del options
    root = spec.path
    require_path(root, "folder")
    if not root.is_dir():
        hint = archive_hint(root)
        hint = f"did you mean 'table:{root}'?" if root.suffix in (".csv", ".tsv") else hint
        raise InputError(
            f"{root}: expected a folder with a folder for each class, found a file"
            + (hint and f"; {hint}")
        )
    skipped: list[str] = []
    class_names, loose = _entries(root, skipped)
    if not class_names:
        raise InputError(
            f"{root}: expected a folder for each class, found none, and"
            f" {counted(len(loose), 'image')} directly in it; move the images of each class to a"
            " folder of its own, or list them "
            "in a table: file"
        )
    skipped += loose
    if {name.lower() for name in class_names} <= SPLIT_NAMES:
        raise InputError(
            f"{root}: its folders are splits ({', '.join(class_names)}), not classes; "
            f"give one of them, as in folder:{root / class_names[0]}"
        )
    warn_of_splits(str(root), class_names)
    paths: list[str] = []
    labels: list[int] = []
    with progress_bar(f"listing {spec.name}", len(class_names), "classes") as advance:
        for label, name in enumerate(class_names):
            found = find_images(root / name, skipped)
            paths += found
            labels += [label] * len(found)
            advance(1)
    report_skipped(str(root), skipped)
    _check_counts(root, class_names, labels)
    return FileSource(spec.name, paths, np.asarray(labels, np.int32), class_names, root)


def _entries(root: Path, skipped: list[str]) -> tuple[list[str], list[str]]:
    folders, loose = [], []
    for entry in sorted(root.iterdir(), key=lambda path: path.name):
        if is_hidden(entry.name):
            skipped.append(str(entry))
        elif entry.is_dir():
            folders.append(entry.name)
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            loose.append(str(entry))
        else:
            skipped.append(str(entry))
    if folders and loose:
        logger.warning(
            "%s: %s outside of the class folders, left out (%s)",
            root,
            counted(len(loose), "image lies", "images lie"),
            Path(loose[0]).name,
        )
    return folders, loose


def _check_counts(root: Path, class_names: list[str], labels: list[int]) -> None:
    if not labels:
        raise InputError(
            f"{root}: {counted(len(class_names), 'class folder')}, and no image in any of them "
            f"(suffixes: {' '.join(sorted(IMAGE_SUFFIXES))})"
        )
    counts = np.bincount(labels, minlength=len(class_names))
    empty = [name for name, count in zip(class_names, counts, strict=True) if count == 0]
    if empty:
        folders = counted(len(empty), "class folder")
        logger.warning("%s: no images in %s: %s", root, folders, ", ".join(empty))
