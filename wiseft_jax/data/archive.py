"""Images in an archive (tar, zip), read where they lie: nothing is unpacked, and no path is made.

Names of members are names, never paths to write to; one that would lead outside of a folder refuses
the whole archive. A compressed tar is decompressed once, to a nameless temporary file, for only
then its images can be read in any order.
"""

from __future__ import annotations

import bz2
import collections
import dataclasses
import functools
import gzip
import logging
import lzma
import os
import shutil
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wiseft_jax.core.errors import InputError, counted, first_few
from wiseft_jax.core.hashing import hash_bytes, hash_json
from wiseft_jax.core.lfs import is_pointer, pointer_text
from wiseft_jax.data.decode import BadImageError
from wiseft_jax.data.files import IMAGE_SUFFIXES, is_hidden, report_skipped
from wiseft_jax.data.folder import SPLIT_NAMES, split_folders, warn_of_splits
from wiseft_jax.data.specs import ARCHIVE_SUFFIXES, require_path, unread_archive

logger = logging.getLogger(__name__)

_COMPRESSIONS: dict[str, Callable[..., Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
_TAR_SUFFIXES = {".tar": "", ".tar.gz": "gz", ".tgz": "gz", ".tar.bz2": "bz2", ".tar.xz": "xz"}
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    NotImplementedError,
)  # fmt: skip
_MARKS = {
    ".tar": (257, b"ustar"),  # first: a name may begin as the others do
    ".zip": (0, b"PK\x03\x04"),
    ".tar.gz": (0, b"\x1f\x8b"),
    ".tar.bz2": (0, b"BZh"),
    ".tar.xz": (0, b"\xfd7zXZ\x00"),
}  # suffix -> what such a file has at a place; a tar of before POSIX has none
_ENCRYPTED = 1
_TAR_END = bytes(tarfile.BLOCKSIZE)  # an empty block is behind the last member
_CHUNK_BYTES = 1 << 20
_SHOWN = 5


@runtime_checkable
class _Members(Protocol):
    """The files of an archive: ``names``, and their ``folders``."""

    names: list[str]
    folders: list[str]
    links: list[str]

    def read(self, name: str) -> bytes: ...


class ArchiveSource:
    """The images of a split of an archive, with labels.

    It is for reading once, as ``wiseft data prepare`` does: it holds the archive open, and isn't
    picklable.

    Args:
      name: A short name.
      path: The archive.
      members: What reads it.
      images: The names of the images.
      labels: int[N], index into ``class_names``.
      class_names: The classes.
      root: The folder, in the archive, that has the class folders.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        members: _Members,
        images: Sequence[str],
        labels: np.ndarray,
        class_names: Sequence[str],
        root: str,
    ) -> None:
        self.name = name
        self.class_names = tuple(class_names)
        self.labels = np.asarray(labels, np.int32)
        self.ids: Sequence[str] = tuple(images)
        self.root = root
        self._path, self._members = path, members

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, index: int) -> bytes:
        """Return an image's bytes.

        Raises:
          BadImageError: They are damaged.
        """
        name = self.ids[index]
        try:
            return self._members.read(name)
        except _DAMAGE as error:
            raise BadImageError(f"{self._path}:{name}", f"can't be read ({error})") from None

    def fingerprint(self) -> str:
        """Return the hash of the archive's size and time, the names, labels and classes."""
        stat = self._path.stat()
        labels = hash_bytes(self.labels.tobytes())
        names = hash_bytes(*(name.encode() for name in self.ids))
        return hash_json([stat.st_size, stat.st_mtime_ns, names, labels, self.class_names])


@dataclasses.dataclass(frozen=True)
class Archive:
    """What an archive has.

    Attributes:
      splits: Name -> what opens it; one that is called ``""``: there are no splits.
      doubt: Why these may be no splits, and what to do; empty: they are.
    """

    splits: dict[str, Callable[[], ArchiveSource]]
    doubt: str = ""


def is_archive(text: str) -> bool:
    """Return whether a path is called as an archive is."""
    return text.lower().endswith(ARCHIVE_SUFFIXES)


def open_archive(path: Path, name: str) -> Archive:
    """Open the splits of an archive of class folders, or of splits with class folders in them.

    The classes are the folders in sorted order, as in a ``folder:``; folders around everything are
    passed over. A split without class folders raises an InputError when it is opened.

    Args:
      path: A ``.tar``, ``.tar.gz`` (``.tgz``), ``.tar.bz2``, ``.tar.xz`` or ``.zip`` file.
      name: A short name.

    Raises:
      InputError: It isn't there, is no archive, damaged or encrypted, has a name that leads outside
        of it, or no images.
    """
    require_path(path, "archive")
    if not is_archive(path.name):
        raise InputError(
            f"{path}: expected an archive, found suffix {path.suffix!r}; {unread_archive(path)}"
        )
    _check_content(path)
    try:
        members = _Zip(path) if path.suffix.lower() == ".zip" else _Tar(path)
    except _DAMAGE as error:
        raise InputError(
            f"{path}: can't be read as an archive ({error}); half a download?"
        ) from None
    _check_names(path, (*members.names, *members.folders))
    if members.links:
        logger.warning(
            "%s: %s passed over: %s",
            path,
            counted(
                len(members.links), "link or special file is", "links and special files are"
            ),
            first_few(members.links, _SHOWN),
        )  # fmt: skip
    skipped: list[str] = []
    images = [each for each in members.names if _is_image(each, skipped)]
    report_skipped(str(path), skipped)
    if not images:
        raise InputError(f"{path}: no images in it (suffixes: {' '.join(sorted(IMAGE_SUFFIXES))})")
    start = _start(images)
    around = _parts(images[0])[:start]
    found = split_folders(_inside(images, members.folders, start))
    prefixes = {split: (*around, split) for split in found.names} or {"": around}
    openers = {
        split: functools.partial(
            _split, path, f"{name}-{split}" if split else name, members, images, prefix
        )
        for split, prefix in prefixes.items()
    }
    return Archive(openers, found.doubt and f"{path}: {found.doubt}")


def _inside(images: Sequence[str], folders: Sequence[str], start: int) -> dict[str, set[str]]:
    """Return the folders with images that are ``start`` deep -> the folders in each."""
    inside: dict[str, set[str]] = {}
    for parts in map(_parts, images):
        if len(parts) > start + 1:
            inside.setdefault(parts[start], set()).update(parts[start + 1 : -1][:1])
    around = _parts(images[0])[:start]
    for parts in map(_parts, folders):
        known = parts[:start] == around and len(parts) > start + 1 and parts[start] in inside
        if known and not any(map(is_hidden, parts)):
            inside[parts[start]].add(parts[start + 1])
    return inside


def _check_content(path: Path) -> None:
    """Refuse what by its first bytes isn't what its name says."""
    if not path.is_file():
        raise InputError(f"{path}: expected an archive, found a folder; give it as folder:{path}")
    if is_pointer(path):
        raise InputError(f"{path}: {pointer_text('the archive')}")
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    if not head:
        raise InputError(f"{path}: the file is empty; half a download?")
    found = next((kind for kind, (at, mark) in _MARKS.items() if head[at:].startswith(mark)), "")
    name = path.name
    called = next(each for each in ARCHIVE_SUFFIXES if name.lower().endswith(each))
    if found and found != (".tar.gz" if called == ".tgz" else called):
        renamed = path.with_name(name[: -len(called)] + found)
        raise InputError(
            f"{path}: its content is that of a {found} file; rename it to {renamed.name}"
        )


def _split(
    path: Path, name: str, members: _Members, images: Sequence[str], prefix: tuple[str, ...]
) -> ArchiveSource:
    depth = len(prefix)
    inside = [each for each in images if _parts(each)[:depth] == prefix]
    found = [each for each in inside if len(_parts(each)) > depth + 1]
    where = f"{path}:{'/'.join(prefix)}" if prefix else str(path)
    if not found:
        raise InputError(
            f"{where}: expected a folder for each class, found {counted(len(inside), 'image')}"
            " without one"
        )
    if len(found) < len(inside):
        logger.warning(
            "%s: %s outside of the class folders, left out",
            where, counted(len(inside) - len(found), "image lies", "images lie"),
        )  # fmt: skip
    classes = {_parts(each)[depth] for each in found}
    for folder in members.folders:
        parts = _parts(folder)
        if parts[:depth] == prefix and len(parts) > depth and not any(map(is_hidden, parts)):
            classes.add(parts[depth])
    class_names = sorted(classes)
    warn_of_splits(where, class_names)
    label_of = {each: label for label, each in enumerate(class_names)}
    empty = sorted(classes - {_parts(each)[depth] for each in found})
    if empty:
        logger.warning(
            "%s: no images in %s: %s",
            where, counted(len(empty), "class folder"), first_few(empty, _SHOWN),
        )  # fmt: skip
    found.sort(key=lambda each: (label_of[_parts(each)[depth]], each))
    labels = np.array([label_of[_parts(each)[depth]] for each in found], np.int32)
    return ArchiveSource(name, path, members, found, labels, class_names, "/".join(prefix))


def _start(images: Sequence[str]) -> int:
    """Return how many folders are around everything, class folders and splits aside."""
    start = 0
    while True:
        tops = {_parts(each)[start] for each in images}
        deep = all(len(_parts(each)) > start + 2 for each in images)
        if len(tops) != 1 or not deep or next(iter(tops)).lower() in SPLIT_NAMES:
            return start
        start += 1


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parts


def _is_image(name: str, skipped: list[str]) -> bool:
    good = PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
    if good and not any(map(is_hidden, _parts(name))):
        return True
    skipped.append(name)
    return False


def _check_names(path: Path, names: Iterable[str]) -> None:
    for name in names:
        parts = _parts(name)
        if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or ":" in name[:2]:
            raise InputError(
                f"{path}: its member {name!r} would lead outside of a folder, as no archive of"
                " images needs; nothing of it is read. Unpack it yourself if you trust it, and give"
                " the folder"
            )


def _tell_repeated(path: Path, names: Sequence[str]) -> None:
    repeated = [name for name, count in collections.Counter(names).items() if count > 1]
    if repeated:
        logger.warning(
            "%s: %s there more than once, and the last of each counts: %s",
            path, counted(len(repeated), "name is", "names are"), first_few(repeated, _SHOWN),
        )  # fmt: skip


def _clean(name: str) -> str:
    """Return a name without ``./`` in front; one that is absolute stays so."""
    return str(PurePosixPath(name))


class _Zip:
    """A zip file; its lock makes it safe for threads."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        files = [info for info in self._zip.infolist() if not info.is_dir()]
        if any(info.flag_bits & _ENCRYPTED for info in files):
            raise InputError(f"{path}: it is encrypted; unpack it, and give the folder")
        names = [_clean(info.filename) for info in files]
        _tell_repeated(path, names)
        self._infos = dict(zip(names, files, strict=True))
        self.names = list(self._infos)
        self.folders = [_clean(info.filename) for info in self._zip.infolist() if info.is_dir()]
        self.links: list[str] = []

    def read(self, name: str) -> bytes:
        """Return a file's content, whose checksum is verified."""
        return self._zip.read(self._infos[name])


class _Tar:
    """A tar file; each read is by position, which threads may do at once."""

    def __init__(self, path: Path) -> None:
        suffix = next(each for each in _TAR_SUFFIXES if path.name.lower().endswith(each))
        compression = _TAR_SUFFIXES[suffix]
        self._file: Any = tempfile.TemporaryFile() if compression else path.open("rb")  # noqa: SIM115
        weakref.finalize(self, self._file.close)  # read from as long as this object is there
        if compression:
            logger.info(
                "%s: decompressed to a temporary file in %s, for its images are read in any order",
                path, tempfile.gettempdir(),
            )  # fmt: skip
            with _COMPRESSIONS[compression](path) as packed:
                shutil.copyfileobj(packed, self._file, _CHUNK_BYTES)
            self._file.flush()
            self._file.seek(0)
        self.folders: list[str] = []
        self.links: list[str] = []
        files: list[tuple[str, tuple[int, int]]] = []
        with tarfile.open(fileobj=self._file, mode="r:") as tar:
            for member in tar:
                name = _clean(member.name)
                if member.isdir():
                    self.folders.append(name)
                elif member.isfile() and not member.issparse():
                    files.append((name, (member.offset_data, member.size)))
                else:
                    self.links.append(name)
            if os.pread(self._file.fileno(), tarfile.BLOCKSIZE, tar.offset) != _TAR_END:
                raise EOFError("its end is missing: it is cut off, or damaged there")
        _tell_repeated(path, [name for name, _ in files])
        self._places = dict(files)
        self.names = list(self._places)

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        offset, size = self._places[name]
        data = os.pread(self._file.fileno(), size, offset)
        if len(data) < size:
            raise EOFError(f"{size} bytes expected, {len(data)} found: the archive is cut off")
        return data
