"""Images in files: what folders and tables become."""

from __future__ import annotations

import collections
import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from wiseft_jax.core.errors import InputError, counted, missing_path
from wiseft_jax.core.hashing import hash_bytes, hash_json
from wiseft_jax.data.source import check_labels
from wiseft_jax.data.specs import is_archive_name

logger = logging.getLogger(__name__)

_SUFFIXES = "avif bmp gif jfif jpe jpeg jpg jp2 pbm pgm png pnm ppm tga tif tiff webp"
IMAGE_SUFFIXES = frozenset("." + suffix for suffix in _SUFFIXES.split())
_HIDDEN = {"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir"}
_LISTED = 10


def missing_files(paths: Sequence[str]) -> tuple[int, str]:
    """Return how many of the files aren't there, and a line for each of the first ten."""
    missing = [path for path in paths if not Path(path).is_file()]
    lines = [f"\n  {path}" for path in missing[:_LISTED]]
    if len(missing) > _LISTED:
        lines.append(f"\n  and {len(missing) - _LISTED} more")
    return len(missing), "".join(lines)


class FileSource:
    """Encoded images in files, with labels.

    Args:
      name: A short name.
      paths: One file an image.
      labels: int[N], index into ``class_names``; -1 for none.
      class_names: The classes.
      root: What the fingerprint's paths are relative to, so that a copy has the same one.

    Attributes:
      catalog_id: Of a published data set, its id in the catalog; else empty.
    """

    catalog_id = ""

    def __init__(
        self,
        name: str,
        paths: Sequence[str],
        labels: np.ndarray,
        class_names: Sequence[str],
        root: Path,
    ) -> None:
        labels = np.asarray(labels, np.int32)
        check_labels(labels, len(class_names), name)
        self.name = name
        self.class_names = tuple(class_names)
        self.labels = labels
        self.ids: Sequence[str] = tuple(paths)
        self.root = root

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, index: int) -> bytes:
        """Return the file's content."""
        return Path(self.ids[index]).read_bytes()

    def stats(self) -> tuple[Int[np.ndarray, "N"], Int[np.ndarray, "N"]]:
        """Return the files' sizes (bytes) and modification times (ns); -1 for a missing file."""
        sizes = np.full(len(self), -1, np.int64)
        times = np.full(len(self), -1, np.int64)
        for index, path in enumerate(self.ids):
            try:
                stat = os.stat(path)  # noqa: PTH116  (a Path a file costs more than the call)
            except OSError:
                continue
            sizes[index], times[index] = stat.st_size, stat.st_mtime_ns
        return sizes, times

    def stamps(self) -> tuple[str, ...]:
        """Return one string a file that changes when its path, size or time does."""
        sizes, times = self.stats()
        return tuple(
            f"{path}|{size}|{time}" for path, size, time in zip(self.ids, sizes, times, strict=True)
        )

    def fingerprint(self) -> str:
        """Return the hash of relative paths, sizes, modification times, labels and classes."""
        digest = hashlib.sha256()
        sizes, times = self.stats()
        for path, size, time in zip(self.ids, sizes, times, strict=True):
            digest.update(f"{os.path.relpath(path, self.root)}|{size}|{time}\n".encode())
        return hash_json(
            [digest.hexdigest(), hash_bytes(self.labels.tobytes()), list(self.class_names)]
        )


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is the system's rather than the user's."""
    return name.startswith(".") or name in _HIDDEN


def find_images(directory: Path, skipped: list[str]) -> list[str]:
    """Return the image files below ``directory``, sorted; symbolic links are followed.

    Args:
      directory: Where to look, at any depth.
      skipped: Gets the paths of files that are hidden or have no image suffix.
    """
    found: list[str] = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(directory, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        skipped.extend(os.path.join(folder, name) for name in folders if is_hidden(name))  # noqa: PTH118
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in files:
            path = os.path.join(folder, name)  # noqa: PTH118
            image = os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122
            (found if image and not is_hidden(name) else skipped).append(path)
    return sorted(found)


def report_skipped(where: str, skipped: Sequence[str]) -> None:
    """Log which files were passed over, by suffix, with a count and an example of each."""
    if not skipped:
        return
    groups: dict[str, list[str]] = collections.defaultdict(list)
    for path in skipped:
        name = Path(path).name
        groups["hidden" if is_hidden(name) else Path(name).suffix or "no suffix"].append(name)
    parts = [f"{len(names)} {kind} ({names[0]})" for kind, names in sorted(groups.items())]
    level = logging.INFO if set(groups) == {"hidden"} else logging.WARNING
    logger.log(
        level,
        "%s: skipped %s: %s",
        where,
        counted(len(skipped), "file that is no image", "files that are no images"),
        ", ".join(parts),
    )


def open_images(paths: Path | str | Iterable[Path | str], name: str = "images") -> FileSource:
    """Return images without labels: files, and everything below directories.

    Raises:
      InputError: If a path is missing, or there is no image.
    """
    given = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    skipped: list[str] = []
    found: list[str] = []
    for path in given:
        path = path.expanduser()
        if path.is_dir():
            found += find_images(path, skipped)
        elif path.exists() and is_archive_name(path.name):
            raise InputError(
                f"{path}: an archive, not an image: unpack it, and give the folder with its images"
            )
        elif path.exists():
            found.append(str(path))
        else:
            raise missing_path(path, "file or directory", "Give image files, or folders of them.")
    where = ", ".join(str(path) for path in given[:_LISTED])
    report_skipped(where, skipped)
    if not found:
        raise InputError(f"{where}: no images there (suffixes: {' '.join(sorted(IMAGE_SUFFIXES))})")
    root = given[0] if given[0].is_dir() else given[0].parent
    return FileSource(name, found, np.full(len(found), -1), (), root)
