"""What the doctor sees of classes: folders, their names, and the order that labels count in."""

from __future__ import annotations

import collections
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from wiseft_jax.core.errors import did_you_mean, first_few
from wiseft_jax.data.class_lists import class_keys, imagenet_map
from wiseft_jax.data.doctor_places import known_folders
from wiseft_jax.data.doctor_report import Finding
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.published_folders import folder_labels, folder_of
from wiseft_jax.data.published_split import PublishedSplit
from wiseft_jax.data.source import Source

_SHOWN = 3
_WORDNET_ID = re.compile(r"n\d{8}")


def folder_findings(found: PublishedSplit, base: Path, images: Sequence[str]) -> Iterator[Finding]:
    """Yield what is wrong with the folders of classes.

    Args:
      found: A split without a list of its images.
      base: Where its images lie.
      images: Every image below.
    """
    labels, known = folder_labels(found), known_folders(found)
    by_folder: dict[str, list[str]] = collections.defaultdict(list)
    for path in images:
        by_folder[folder_of(path, base)].append(path)
    missing = [folder for folder in labels if not (base / folder).is_dir()]
    strange = {folder: by_folder[folder] for folder in sorted(by_folder) if folder not in known}
    if strange.pop("", None):
        yield _flat_finding(found, base, by_folder[""])
    nested = {folder: _inner_class(folder, labels) for folder in strange}
    nested = {folder: inner for folder, inner in nested.items() if inner}
    if nested:
        yield _nested_finding(found, base, nested)
    left = [folder for folder in strange if folder not in nested]
    renamed: dict[str, str] = {}
    if (order := _order_finding(found, base, left, missing)) is not None:
        yield order
    else:
        aliases = _aliases(found, missing)
        renamed = {folder: aliases[_plain(folder)] for folder in left if _plain(folder) in aliases}
        if renamed:
            yield _renamed_finding(found, base, renamed)
        if extra := {each: strange[each] for each in left if each not in renamed}:
            yield _extra_finding(found, base, extra, missing)
    absent = [folder for folder in missing if folder not in {*renamed.values(), *nested.values()}]
    empty = [
        folder
        for folder in labels
        if folder not in missing and not by_folder.get(folder) and folder not in nested.values()
    ]
    for kind, folders in (("missing_class", absent), ("empty_class", empty)):
        if folders:
            yield _absent_finding(kind, found, base, folders, len(labels))


def _inner_class(folder: str, labels: Mapping[str, int]) -> str:
    """Return the class's folder that the end of a path is; empty if it isn't any's."""
    rest = folder.partition("/")[2]
    while rest and rest not in labels:
        rest = rest.partition("/")[2]
    return rest


def _plain(name: str) -> str:
    return str(int(name)) if name.isdecimal() else re.sub(r"[\W_]", "", name.casefold())


def _aliases(found: PublishedSplit, missing: Sequence[str]) -> dict[str, str]:
    """Return what else a missing folder may be called -> the folder; ambiguous names are left out.

    Its name in another case or with other separators, or without leading zeros; what a prompt says
    for the class; of numbered folders, the class's key.
    """
    labels = folder_labels(found)
    wanted: dict[str, set[str]] = collections.defaultdict(set)
    for folder in missing:
        label = labels[folder]
        for name in (folder, found.class_names[label], found.keys[label]):
            wanted[_plain(name)].add(folder)
    return {name: folders.pop() for name, folders in wanted.items() if len(folders) == 1}


def _order_finding(
    found: PublishedSplit, base: Path, strange: Sequence[str], missing: Sequence[str]
) -> Finding | None:
    numbers = [folder for folder in strange if folder.isdecimal()]
    if not numbers or not missing:
        return None
    last = str(len(found.keys))
    if found.split.labels == "integer_folder":
        if "0" not in missing or last not in numbers:
            return None
        return Finding(
            "class_order",
            f"folders count from 1 to {last}, and every label would be one too high",
            tuple(str(base / folder) for folder in numbers),
            "unpack it again; or rename each to the number before it, the lowest first:\n"
            f"mv {_quoted(base / '1')} {_quoted(base / '0')}",
            f"folders 0 to {int(last) - 1}",
            f"{last}, and no 0",
            split=found.name,
        )
    if len(missing) == len(numbers) > 1 and not any(key.isdecimal() for key in missing):
        return Finding(
            "class_order",
            f"{len(numbers)} folders are called by numbers, and nothing says which classes they"
            " count",
            tuple(str(base / folder) for folder in numbers),
            "don't guess the order: unpack it again, as its authors ship it",
            f"folders called {first_few(missing, _SHOWN)}",
            f"folders called {first_few(numbers, _SHOWN)}",
            split=found.name,
        )
    return None


def _flat_finding(found: PublishedSplit, base: Path, paths: Sequence[str]) -> Finding:
    fix = "move each into the folder of its class"
    if found.entry.layout.folder == "imagenet":
        fix += ", as valprep.sh, or the devkit's ILSVRC2012_validation_ground_truth.txt, says"
    return Finding(
        "flat_images",
        f"{len(paths):,} images beside the folders of classes are passed over"
        if len(paths) > 1
        else "1 image beside the folders of classes is passed over",
        tuple(paths),
        fix,
        f"images in folders of {base.name}",
        f"images in {base.name} itself",
        split=found.name,
    )


def _nested_finding(found: PublishedSplit, base: Path, nested: Mapping[str, str]) -> Finding:
    first, inner = next(iter(nested.items()))
    make = "" if (base / inner).is_dir() else f"mkdir -p {_quoted(base / inner)} && "
    folders = "folder of a class lies" if len(nested) == 1 else "folders of classes lie"
    return Finding(
        "nested_folder",
        f"{len(nested)} {folders} too deep, and the images are passed over",
        tuple(str(base / folder) for folder in nested),
        f"move them up{_and_so_on(nested)}:\n{make}mv {_quoted(base / first)}/*"
        f" {_quoted(base / inner)}/",
        inner,
        first,
        split=found.name,
    )


def _renamed_finding(found: PublishedSplit, base: Path, renamed: Mapping[str, str]) -> Finding:
    first, wanted = next(iter(renamed.items()))
    folders = "folder of a class has" if len(renamed) == 1 else "folders of classes have"
    return Finding(
        "renamed_class",
        f"{len(renamed)} {folders} another name, and the images are passed over",
        tuple(str(base / folder) for folder in renamed),
        f"rename it{_and_so_on(renamed)}:\nmv {_quoted(base / first)} {_quoted(base / wanted)}",
        first_few(list(renamed.values()), _SHOWN),
        first_few(list(renamed), _SHOWN),
        split=found.name,
    )


def _extra_finding(
    found: PublishedSplit,
    base: Path,
    extra: Mapping[str, Sequence[str]],
    missing: Sequence[str],
) -> Finding:
    total = sum(map(len, extra.values()))
    folders = "a folder that is" if len(extra) == 1 else f"{len(extra)} folders that are"
    return Finding(
        "extra_folder",
        f"{total:,} images in {folders} no class's are passed over",
        tuple(str(base / folder) for folder in extra),
        "remove what isn't the data set's, or rename it after its class."
        + did_you_mean(next(iter(extra)), missing),
        f"folders of the class list {found.entry.classes}",
        first_few(list(extra), _SHOWN),
        "warning",
        found.name,
    )


def _absent_finding(
    kind: str, found: PublishedSplit, base: Path, folders: Sequence[str], total: int
) -> Finding:
    have = "has" if len(folders) == 1 else "have"
    lack = "no folder" if kind == "missing_class" else "a folder without images"
    return Finding(
        kind,
        f"{len(folders):,} of {total:,} classes {have} {lack}",
        tuple(str(base / folder) for folder in folders),
        "unpack or download the images of these classes again",
        f"{total:,} folders with images",
        f"{total - len(folders):,}",
        split=found.name,
    )


def empty_class_finding(found: PublishedSplit, source: Source) -> Finding | None:
    """Return which classes no label names, of a split whose labels aren't its folders.

    Tables and videos may lack a class as they were published: of these it is a note.
    """
    counts = np.bincount(source.labels[source.labels >= 0], minlength=len(found.keys))
    empty = [key for key, count in zip(found.keys, counts, strict=True) if count == 0]
    if not empty or found.split.labels == "imagenet_folder":
        return None
    published = found.split.labels in ("table", "video", "reviewed_video")
    have = "has" if len(empty) == 1 else "have"
    return Finding(
        "missing_class",
        f"{len(empty):,} of {len(counts):,} classes {have} no image"
        + (
            ", which may be so as it was published"
            if published
            else f": {first_few(empty, _SHOWN)}"
        ),
        tuple(empty),
        "nothing, if the number of images is right" if published else "download it again",
        f"{len(counts):,} classes with images",
        f"{len(counts) - len(empty):,}",
        "note" if published else "error",
        found.name,
    )


def misplaced_image_finding(
    found: PublishedSplit, base: Path, source: FileSource
) -> Finding | None:
    """Return which images have a name that says another class than their folder.

    Some names begin with their class's folder, and some have ImageNet's WordNet id.
    """
    labels = folder_labels(found)
    counts_as = dict(zip(class_keys("imagenet"), imagenet_map(found.entry.classes), strict=True))
    wrong: list[tuple[str, str]] = []
    for path, label in zip(source.ids, source.labels, strict=True):
        stem = Path(path).stem
        prefix = stem.rpartition("_")[0]
        said = -1 if prefix.isdecimal() else labels.get(prefix, -1)
        ids = _WORDNET_ID.findall(stem) if said < 0 else []
        if ids:
            said = labels.get(ids[0], int(counts_as.get(ids[0], -1)))
        if said >= 0 and said != label:
            wrong.append((path, found.keys[said]))
    if not wrong:
        return None
    path, key = wrong[0]
    images = "an image lies" if len(wrong) == 1 else f"{len(wrong):,} images lie"
    return Finding(
        "misplaced_image",
        f"{images} in another class's folder than the name says",
        tuple(path for path, _ in wrong),
        f"move it where its name belongs: {key.strip('/')}; or unpack it again",
        key.strip("/"),
        folder_of(path, base),
        split=found.name,
    )


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _and_so_on(items: Mapping[str, str]) -> str:
    return f", and the other {len(items) - 1} likewise" if len(items) > 1 else ""
