"""``folder:PATH``: a folder for each class, images at any depth inside; sorted by name."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.data.files import IMAGE_SUFFIXES, FileSource, find_images, is_hidden, report_skipped
from wiseft_jax.data.specs import SourceOptions, Spec, archive_hint, require_path

logger = logging.getLogger(__name__)

SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test"})
"""Folders that are called so hold splits, not classes."""


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
