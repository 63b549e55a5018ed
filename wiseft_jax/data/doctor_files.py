"""What the doctor sees of files without decoding them: half downloads, archives, pointers."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from wiseft_jax.core.lfs import POINTER, is_pointer
from wiseft_jax.data.doctor_archives import ArchiveState, archive_state
from wiseft_jax.data.doctor_report import Finding
from wiseft_jax.data.entry import DatasetEntry
from wiseft_jax.data.files import FileSource, find_images, is_hidden
from wiseft_jax.data.published_reviews import FIRST_LABELS_FILE, PAIRS_FILE

_ARCHIVE_SUFFIXES = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip", ".rar", ".7z",
)  # fmt: skip
_PARTIAL_SUFFIXES = (
    ".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".aria2", ".tmp",
    ".unfinished", ".!ut",
)  # fmt: skip
_POINTER_BYTES = 1024
_LEAST_WORD = 4


@dataclasses.dataclass(frozen=True)
class Tree:
    """The files below a folder.

    Attributes:
      images: Those with an image's suffix, sorted.
      others: The others, hidden ones too.
    """

    images: tuple[str, ...]
    others: tuple[str, ...]


def read_tree(folder: Path) -> Tree:
    """Return the files below a folder, as the readers find them."""
    others: list[str] = []
    images = find_images(folder, others)
    return Tree(tuple(images), tuple(sorted(others)))


def label_files(base: Path, folder: Path, labels: str, index: str | None) -> list[Path]:
    """Return the files that a split's labels lie in.

    Args:
      base: Where its images lie.
      folder: The data set's folder.
      labels: The label rule.
      index: ``Split.index``.
    """
    if index is None:
        return []
    zipped = labels == "arrays" and base.suffix == ".gz"
    files = [folder / (f"{index}.gz" if zipped else index)]
    beside = {"video": ("labels.json",), "reviewed_video": (PAIRS_FILE, FIRST_LABELS_FILE)}
    files += [files[0].parent / name for name in beside.get(labels, ())]
    return files


def image_file_findings(source: FileSource, split: str) -> tuple[list[Finding], np.ndarray]:
    """Return what is wrong with files as files, and the indices of those that aren't worth opening.

    Args:
      source: The images.
      split: The split's name.
    """
    sizes = source.stats()[0]
    small = np.flatnonzero((sizes > 0) & (sizes <= _POINTER_BYTES))
    groups = {
        "missing_image": np.flatnonzero(sizes < 0),
        "empty_file": np.flatnonzero(sizes == 0),
        "lfs_pointer": np.array(
            [index for index in small if is_pointer(Path(source.ids[int(index)]))], np.int64
        ),
    }
    findings = [
        _file_finding(kind, [source.ids[int(index)] for index in indices], len(source), split)
        for kind, indices in groups.items()
        if len(indices)
    ]
    return findings, np.sort(np.concatenate(list(groups.values()))).astype(np.int64)


def data_file_findings(files: Sequence[Path], split: str | None) -> list[Finding]:
    """Return which of some files, that are there, are empty or pointers.

    Args:
      files: Arrays, lists, tables, archives.
      split: The split's name.
    """
    empty = [str(path) for path in files if path.stat().st_size == 0]
    pointers = [str(path) for path in files if is_pointer(path)]
    groups = {"empty_file": empty, "lfs_pointer": pointers}
    return [
        _file_finding(kind, paths, len(files), split) for kind, paths in groups.items() if paths
    ]


def _file_finding(kind: str, paths: Sequence[str], total: int, split: str | None) -> Finding:
    share = f"{len(paths):,} of {total:,} files" if total > 1 else "the file"
    verb = "are" if total > 1 and len(paths) > 1 else "is"
    nouns = "pointers" if verb == "are" else "a pointer"
    what, expected, found, fix = {
        "missing_image": (
            f"{share} that are listed {verb} missing",
            f"{total:,} files",
            f"{total - len(paths):,} files",
            "half a download? Unpack or download the images again",
        ),
        "empty_file": (
            f"{share} {verb} empty",
            "bytes",
            "0 bytes",
            "remove what is empty, and unpack or download it again",
        ),
        "lfs_pointer": (
            f"{share} {verb} {nouns} of Git LFS, not the content",
            "the content",
            f"text that begins with {POINTER.decode()!r}",
            "install git-lfs, and run in the clone:\ngit lfs pull",
        ),
    }[kind]
    return Finding(kind, what, tuple(paths), fix, expected, found, split=split)


def is_partial(name: str) -> bool:
    """Return whether a file's name says that its download was broken off."""
    return name.lower().endswith(_PARTIAL_SUFFIXES) and not is_hidden(name)


def is_archive(name: str) -> bool:
    """Return whether a file's name is an archive's."""
    return name.lower().endswith(_ARCHIVE_SUFFIXES) and not is_hidden(name)


def belongs_to(name: str, dataset_id: str, entry: DatasetEntry) -> bool:
    """Return whether a download's name is the data set's, by its folder, id or how it is got.

    Example:
      >>> belongs_to("imagenet-r.tar.part", "imagenet-r", dataset_entry("imagenet-r"))
      True
    """
    said = [word for word in re.findall(r"[\w.-]+", entry.obtain) if len(word) >= _LEAST_WORD]
    own = {dataset_id, *Path(entry.layout.folder).parts, *said}
    return _stem(name) in {_stem(each) for each in own}


def _stem(name: str) -> str:
    name = name.lower().rstrip(".")
    for suffixes in (_PARTIAL_SUFFIXES, sorted(_ARCHIVE_SUFFIXES, key=len, reverse=True)):
        for suffix in suffixes:
            name = name.removesuffix(suffix)
    return re.sub(r"[^a-z0-9]", "", name)


def download_findings(
    files: Iterable[Path], *, incomplete: bool, absent: Sequence[str] = (), deep: bool = False
) -> list[Finding]:
    """Return which files are half downloads, and archives that nobody unpacked.

    Args:
      files: Files that lie with the data set and aren't its own.
      incomplete: Whether something of what is there is missing; if not, an archive is left over.
      absent: The splits that aren't there at all.
      deep: Whether to read compressed archives to their end.
    """
    files = sorted(set(files))
    findings = []
    partial = [str(path) for path in files if is_partial(path.name)]
    if partial:
        findings.append(
            Finding(
                "partial_download",
                f"{_count(partial, 'download')} broken off",
                tuple(partial),
                "remove it and download again, or let the program that began it go on",
                "a whole file",
                f"{Path(partial[0]).suffix} at the end of the name",
                "error" if incomplete else "warning",
            )
        )
    archives = [path for path in files if is_archive(path.name)]
    faulty = data_file_findings(archives, None)
    findings += faulty
    known = {where for finding in faulty for where in finding.where}
    states: dict[Path, ArchiveState] = {
        path: archive_state(path, deep=deep) for path in archives if str(path) not in known
    }
    cut = [path for path, state in states.items() if state == "cut"]
    if cut:
        findings.append(
            Finding(
                "truncated_file",
                f"{_count(cut, 'archive')} cut off, or no archive",
                tuple(map(str, cut)),
                "remove it and download it again",
                "an archive with its end",
                f"{cut[0].stat().st_size:,} bytes without",
                "error" if incomplete else "warning",
            )
        )
    rest: dict[Path, ArchiveState] = {
        path: state for path, state in states.items() if state != "cut"
    }
    if rest:
        findings.append(_archive_finding(rest, incomplete, absent))
    return findings


def _archive_finding(
    states: Mapping[Path, ArchiveState], incomplete: bool, absent: Sequence[str]
) -> Finding:
    archives, unchecked = list(states), _unchecked(list(states.values()))
    where = tuple(map(str, archives))
    if not incomplete:
        lie = f"{len(archives)} archives lie" if len(archives) > 1 else "1 archive lies"
        what = f"{lie} beside the unpacked data{unchecked}"
        if absent:
            fix = f"if it is of {', '.join(absent)}, unpack it:\n{_unpack(archives[0])}"
        else:
            fix = "nothing is missing: remove it, if you like"
        return Finding("archive", what, where, fix, severity="note")
    commands = {_unpack(path) for path in archives}
    more = f", and the other {len(archives) - 1} likewise" if len(commands) > 1 else ""
    return Finding(
        "archive",
        f"{_count(archives, 'archive')} not unpacked, and something is missing{unchecked}",
        where,
        f"unpack it{more}:\n{_unpack(archives[0])}",
        "its content",
        "the archive",
    )


def _unchecked(states: Sequence[ArchiveState]) -> str:
    """Return how many archives may still be cut off, as the end of a sentence."""
    said = ""
    for state, why in (
        ("unread", "its two ends are right, --deep reads it"),
        ("unknown", "nothing here reads its format"),
    ):
        if count := states.count(state):
            which = f"{count} of {len(states)} is" if len(states) > 1 else "it is"
            said += f"; {which} not checked whole: {why}"
    return said


def _unpack(path: Path) -> str:
    archive, folder = shlex.quote(str(path)), path.parent
    if path.parent.name and path.suffix == ".tar" and re.fullmatch(r"n\d{8}", path.stem):
        folder = path.with_suffix("")  # ImageNet's: an archive for each class, without its folder
        quoted = shlex.quote(str(folder))
        return f"mkdir -p {quoted} && tar -xf {archive} -C {quoted}"
    quoted = shlex.quote(str(folder))
    return {
        ".zip": f"unzip {archive} -d {quoted}",
        ".rar": f"unrar x {archive} {quoted}/",
        ".7z": f"7z x {archive} -o{quoted}",
    }.get(path.suffix.lower(), f"tar -xf {archive} -C {quoted}")


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items):,} {noun}s are" if len(items) > 1 else f"1 {noun} is"
