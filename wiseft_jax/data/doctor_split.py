"""One split, or one variant of it, checked: is it there, whole, labelled, readable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.doctor_border import border_finding
from wiseft_jax.data.doctor_classes import (
    empty_class_finding,
    folder_findings,
    misplaced_image_finding,
)
from wiseft_jax.data.doctor_files import (
    Tree,
    data_file_findings,
    image_file_findings,
    is_archive,
    is_partial,
    label_files,
)
from wiseft_jax.data.doctor_images import open_images
from wiseft_jax.data.doctor_order import bad_label_finding
from wiseft_jax.data.doctor_places import (
    find_elsewhere,
    in_folders,
    misplaced_finding,
    missing_index_finding,
    missing_labels,
    missing_split_finding,
    place_of,
)
from wiseft_jax.data.doctor_report import Finding, SplitReport, State
from wiseft_jax.data.files import FileSource, is_hidden
from wiseft_jax.data.published import LABEL_RULES
from wiseft_jax.data.published_arrays import pickled_folder
from wiseft_jax.data.published_folders import folder_labels, folder_of
from wiseft_jax.data.published_split import CutOffError, PublishedSplit
from wiseft_jax.data.source import ArraySource, BadLabelError

_SHIPPED = {"gtsrb": "GT-*.csv"}
"""Data set id -> what its authors put among the images."""

_MISNAMED = ("flat_images", "renamed_class", "class_order", "nested_folder")


@dataclasses.dataclass(frozen=True)
class CheckedSplit:
    """What checking a split, or all its variants, gave.

    Attributes:
      found: The split.
      reports: What was seen of it; of each variant, if it has any.
      findings: What is wrong with it.
      source: Its images; None: it can't be read, or was compared already.
      others: Files among its images that are none.
    """

    found: PublishedSplit
    reports: tuple[SplitReport, ...]
    findings: tuple[Finding, ...]
    source: FileSource | ArraySource | None = None
    others: tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether nothing of it is there."""
        return all(report.state == "missing" for report in self.reports)

    @property
    def complete(self) -> bool | None:
        """Whether it has as many images as were published; None: that isn't known."""
        split = self.found.split
        if split.images is None:
            return None
        same = all(each.images == split.images for each in self.reports)
        return None if split.derived and not same else same


def check_split(
    found: PublishedSplit,
    *,
    root: Path,
    sample: int | None,
    seed: int,
    tree_of: Callable[[Path], Tree],
) -> CheckedSplit:
    """Return what is wrong with a split.

    Args:
      found: The split, whose images may be missing.
      root: The root that was given.
      sample: How many images to open; None: all.
      seed: Of the sample.
      tree_of: Returns the files below a folder.
    """
    base = place_of(found)
    if base is None:
        return _not_in_place(found, root, tree_of)
    if missing := missing_labels(found, base):
        return _unread(found, "unreadable", missing_index_finding(found, missing))
    if faulty := data_file_findings(_data_files(found, base), found.name):
        return _unread(found, "unreadable", *faulty)
    tree = Tree((), ()) if found.split.labels == "arrays" else tree_of(base)
    try:
        source = LABEL_RULES[found.split.labels](found)
    except InputError as error:
        finding = _reader_finding(found, base, error)
        return dataclasses.replace(_unread(found, "unreadable", finding), others=tree.others)
    findings, unfit = [], np.zeros(0, np.int64)
    missing_images = 0
    if isinstance(source, FileSource):
        findings, unfit = image_file_findings(source, found.name)
        missing_images = int((source.stats()[0] < 0).sum())
    findings += _class_findings(found, base, source, tree)
    if (count := _count_finding(found, len(source))) is not None:
        findings.append(count)
    bad, opened = open_images(source, unfit, split=found.name, sample=sample, seed=seed)
    findings += [*bad, *_stray_findings(found, base, tree)]
    if isinstance(source, FileSource):
        border = border_finding(found, source, unfit, sample)
        findings += [] if border is None else [border]
    report = dataclasses.replace(
        _report(found, "checked"),
        images=len(source) - missing_images,
        classes=len({label for label in source.labels.tolist() if label >= 0}) or None,
        opened=opened,
        bad=len(unfit) - missing_images + sum(len(finding.where) for finding in bad),
    )
    return CheckedSplit(found, (report,), tuple(findings), source, tree.others)


def _report(found: PublishedSplit, state: State) -> SplitReport:
    variant = "/".join(found.variant.values())
    expected = found.split.images
    return SplitReport(found.split.name, variant, state, None, expected, None, len(found.keys))


def _unread(found: PublishedSplit, state: State, *findings: Finding) -> CheckedSplit:
    return CheckedSplit(found, (_report(found, state),), findings)


def _not_in_place(
    found: PublishedSplit, root: Path, tree_of: Callable[[Path], Tree]
) -> CheckedSplit:
    elsewhere = find_elsewhere(found, root)
    if elsewhere is not None:
        return _unread(found, "unreadable", misplaced_finding(found, root, elsewhere))
    folder = pickled_folder(found)
    if folder is not None:
        finding = Finding(
            "pickle",
            "it is the Python version, made of pickles, and loading one runs its code",
            (str(folder),),
            f"get the binary version: {found.entry.obtain}",
            "files that end in .bin",
            "pickles",
            split=found.name,
        )
        return _unread(found, "unreadable", finding)
    if in_folders(found) and found.split.index is None:
        misnamed = tuple(_misnamed(found, root, tree_of))
        if misnamed:
            return _unread(found, "unreadable", *misnamed)
    return _unread(found, "missing", missing_split_finding(found, root))


def _misnamed(
    found: PublishedSplit, root: Path, tree_of: Callable[[Path], Tree]
) -> Iterator[Finding]:
    """Yield why no folder has a class's name, though images lie there."""
    try:
        (base,) = found.paths()
    except InputError:
        return
    if base == root and root.name != Path(found.entry.layout.folder).name:
        return  # other data sets may lie here
    for finding in folder_findings(found, base, tree_of(base).images):
        if finding.kind in _MISNAMED:
            yield finding


def _data_files(found: PublishedSplit, base: Path) -> list[Path]:
    """Return the files that labels, and arrays of images, lie in."""
    arrays = found.paths() if found.split.labels == "arrays" else []
    return [*arrays, *label_files(base, found.folder, found.split.labels, found.split.index)]


def _reader_finding(found: PublishedSplit, base: Path, error: InputError) -> Finding:
    files = _data_files(found, base) or [base]
    said = str(error)
    file = next((path for path in files if str(path) in said), files[-1])
    if isinstance(error, BadLabelError):
        return bad_label_finding(found, error, file)
    what = said.replace(found.instead(), "").strip().removeprefix(f"{file}: ")
    kind = "damaged_file" if found.split.labels == "arrays" else "bad_index"
    kind = "truncated_file" if isinstance(error, CutOffError) else kind
    kind = "empty_class" if file == base and in_folders(found) else kind
    return Finding(kind, what, (str(file),), "get it again", split=found.name)


def _class_findings(
    found: PublishedSplit, base: Path, source: FileSource | ArraySource, tree: Tree
) -> Iterator[Finding]:
    if in_folders(found) and found.split.index is None:
        yield from folder_findings(found, base, tree.images)
    elif (empty := empty_class_finding(found, source)) is not None:
        yield empty
    if in_folders(found) and isinstance(source, FileSource):
        misplaced = misplaced_image_finding(found, base, source)
        if misplaced is not None:
            yield misplaced


def _count_finding(found: PublishedSplit, images: int) -> Finding | None:
    expected = found.split.images
    if expected is None or images == expected:
        return None
    if images < expected:
        what = _number(expected - images) + " missing"
        fix = "half a download? Unpack or download it again"
    else:
        what = _number(images - expected) + " too many"
        fix = "remove what its authors don't ship: copies, images of other sets, another version's"
    if found.split.derived:
        what += ", or the expected number is wrong: it is derived, and was never counted"
        fix = "nothing, if you downloaded and unpacked all of it"
    return Finding(
        "image_count",
        what,
        (str(found.folder),),
        fix,
        f"{expected:,} images",
        f"{images:,}",
        "note" if found.split.derived else "error",
        found.name,
    )


def _number(images: int) -> str:
    return "1 image is" if images == 1 else f"{images:,} images are"


def _stray_findings(found: PublishedSplit, base: Path, tree: Tree) -> Iterator[Finding]:
    if not in_folders(found):
        return
    labels, shipped = folder_labels(found), _SHIPPED.get(found.id, "")
    stray = [
        path
        for path in tree.others
        if folder_of(path, base) in labels and not _is_expected(Path(path).name, shipped)
    ]
    if stray:
        files = "file that is" if len(stray) == 1 else "files that are"
        yield Finding(
            "stray_file",
            f"{len(stray):,} {files} no image among the images, passed over",
            tuple(stray),
            "remove it, unless you put it there",
            "images",
            ", ".join(sorted({Path(path).suffix or "no suffix" for path in stray})),
            "note",
            found.name,
        )


def _is_expected(name: str, shipped: str) -> bool:
    return is_hidden(name) or is_partial(name) or is_archive(name) or fnmatch(name, shipped)
