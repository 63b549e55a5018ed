"""Published data sets whose images lie in folders that say what they show.

The folders are the class list's keys, WordNet ids or numbers (``entry.LabelRule``); labels never
come from sorting them. Some have a list of the images that are in a split.
"""

from __future__ import annotations

import collections
import json
import logging
import os
from pathlib import Path

import numpy as np

from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.data.class_lists import class_keys, imagenet_map
from wiseft_jax.data.files import FileSource, find_images, report_skipped
from wiseft_jax.data.published_split import PublishedSplit

logger = logging.getLogger(__name__)

_SHOWN = 3
_LISTED_SUFFIX = ".jpg"  # Food-101's lists leave it out


def open_folders(found: PublishedSplit) -> FileSource:
    """Open a split whose images' folders have their labels.

    Images of other folders are passed over, and counted.

    Raises:
      InputError: Nothing is where it should be; or the list of the split names what isn't there.
    """
    (base,) = found.paths()
    labels = folder_labels(found)
    if found.split.index is None:
        paths = _walk(found, base, labels)
    else:
        paths = _listed(found, base, labels, found.file(found.split.index))
    numbers = [labels[folder_of(path, base)] for path in paths]
    return FileSource(
        found.name, paths, np.asarray(numbers, np.int32), found.class_names, found.folder
    )


def folder_labels(found: PublishedSplit) -> dict[str, int]:
    """Return folder, below the split's path -> label."""
    if found.split.labels == "integer_folder":
        return {str(label): label for label in range(len(found.keys))}
    if found.split.labels == "imagenet_folder":
        counts_as = imagenet_map(found.entry.classes)
        pairs = zip(class_keys("imagenet"), counts_as, strict=True)
        return {wordnet_id: int(label) for wordnet_id, label in pairs if label >= 0}
    return {key.strip("/"): label for label, key in enumerate(found.keys)}


def folder_of(path: str, base: Path) -> str:
    """Return the folder of a file below ``base``, with / between its parts."""
    folder = os.path.dirname(path)  # noqa: PTH120  (a Path a file costs more than the call)
    return folder[len(str(base)) :].lstrip(os.sep).replace(os.sep, "/")


def _walk(found: PublishedSplit, base: Path, labels: dict[str, int]) -> list[str]:
    if not any((base / folder).is_dir() for folder in labels):
        raise _no_folders(found, base, labels)
    skipped: list[str] = []
    every = find_images(base, skipped)
    paths = [path for path in every if folder_of(path, base) in labels]
    report_skipped(str(base), skipped)
    if not paths:
        raise InputError(f"{base}: its class folders have no images. {found.instead()}")
    if len(paths) < len(every):
        others = {folder_of(path, base) for path in every} - set(labels)
        shown = ", ".join(sorted(others)[:_SHOWN]) or "."
        complete = len(paths) == found.split.images
        logger.log(
            logging.INFO if complete else logging.WARNING,
            "%s: %d of %d images %s passed over, in %s (%s%s)",
            found.name, len(every) - len(paths), len(every),
            "is" if len(every) == len(paths) + 1 else "are",
            counted(len(others), "folder that is no class's", "folders that are no class's"),
            shown, ", ..." if len(others) > _SHOWN else "",
        )  # fmt: skip
    return paths


def _no_folders(found: PublishedSplit, base: Path, labels: dict[str, int]) -> InputError:
    entries = sorted(os.listdir(base))[:_SHOWN] if base.is_dir() else []  # noqa: PTH208
    return InputError(
        f"{base}: expected folders called {', '.join(list(labels)[:_SHOWN])}, ... with the images"
        f" of each class, found {', '.join(entries) or 'nothing'}. {found.instead()}"
    )


def _listed(found: PublishedSplit, base: Path, labels: dict[str, int], index: Path) -> list[str]:
    paths = []
    for entry in _entries(index):
        name = entry.lstrip("/")
        if "/" not in name:  # RESISC45's lists name files alone, which begin with their folder
            name = f"{name.rpartition('_')[0]}/{name}"
        folder = name.rpartition("/")[0]
        if folder not in labels:
            raise InputError(f"{index}: {entry!r} is in no class's folder ({folder!r})")
        paths.append(str(base / name))
    repeated = [path for path, count in collections.Counter(paths).items() if count > 1]
    if repeated:
        raise InputError(
            f"{index}: {counted(len(repeated), 'image is', 'images are')} listed twice,"
            f" {repeated[0]} first"
        )
    found.require_images(index, paths)
    return paths


def _entries(index: Path) -> list[str]:
    try:
        text = index.read_text(encoding="utf-8")
        if index.suffix != ".json":
            return [line.strip() for line in text.splitlines() if line.strip()]
        return [name + _LISTED_SUFFIX for names in json.loads(text).values() for name in names]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{index}: not a list of images ({error})") from None
