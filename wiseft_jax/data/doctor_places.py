"""Whether a split lies where its authors put it, and where it lies if it doesn't."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.catalog_facts import where_text
from wiseft_jax.data.class_lists import CLASS_LISTS, class_keys
from wiseft_jax.data.doctor_files import label_files
from wiseft_jax.data.doctor_report import Finding
from wiseft_jax.data.published_folders import folder_labels
from wiseft_jax.data.published_split import PublishedSplit

_DEPTH = 2
_MOST_FOLDERS = 5_000


def in_folders(found: PublishedSplit) -> bool:
    """Return whether a split's images lie in folders of classes."""
    return found.split.labels.endswith("folder")


def known_folders(found: PublishedSplit) -> set[str]:
    """Return the folders of the split's classes, and those that its authors ship beside them."""
    known = set(folder_labels(found))
    if found.split.labels == "imagenet_folder":
        known.update(class_keys("imagenet"))
    every = f"{found.entry.classes}-folders"
    return known.union(class_keys(every)) if every in CLASS_LISTS else known


def place_of(found: PublishedSplit) -> Path | None:
    """Return where a split's images lie; None: they don't lie where they should.

    A folder of folders has at least one that is a class's.
    """
    try:
        base = found.paths()[0]
    except InputError:
        return None
    if in_folders(found) and not any((base / folder).is_dir() for folder in folder_labels(found)):
        return None
    return base


def missing_labels(found: PublishedSplit, base: Path) -> list[Path]:
    """Return which of the files with the split's labels aren't there."""
    files = label_files(base, found.folder, found.split.labels, found.split.index)
    return [path for path in files if not path.is_file()]


def find_elsewhere(found: PublishedSplit, root: Path) -> Path | None:
    """Return the folder that a split lies in as it should lie in the data set's, or None.

    Args:
      found: A split that isn't in its place.
      root: The root that was given.
    """
    others = set()
    if found.folder == root:  # other data sets may lie here
        others = {Path(entry.layout.folder).parts[0] for entry in DATASETS.values()}
        others.discard(Path(found.entry.layout.folder).parts[0])
    for number, folder in enumerate(_folders_below(found.folder, others)):
        moved = dataclasses.replace(found, folder=folder)
        base = place_of(moved)
        if base is not None and not missing_labels(moved, base) and _mostly_known(moved, base):
            return folder
        if number >= _MOST_FOLDERS:
            break
    return None


def _folders_below(folder: Path, left_out: set[str], depth: int = _DEPTH) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except PermissionError:  # another's
        return
    inside = sorted(
        Path(entry.path)
        for entry in entries
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in left_out
    )
    yield from inside
    if depth > 1:
        for each in inside:
            yield from _folders_below(each, set(), depth - 1)


def _mostly_known(found: PublishedSplit, base: Path) -> bool:
    """Return whether at least half of the folders there are the split's: no other data set's."""
    if not in_folders(found):
        return True
    tops = {folder.split("/")[0] for folder in known_folders(found)}
    there = {entry.name for entry in os.scandir(base) if entry.is_dir()}
    return 2 * len(there & tops) >= len(there)


def misplaced_finding(found: PublishedSplit, root: Path, elsewhere: Path) -> Finding:
    """Return that a split lies in another folder, and how to move it.

    Args:
      found: The split.
      root: The root that was given.
      elsewhere: Where it lies.
    """
    wanted = root / found.entry.layout.folder
    inner = place_of(dataclasses.replace(found, folder=elsewhere))
    if inner not in (None, elsewhere) and inner.name == elsewhere.name:
        elsewhere, target = inner, elsewhere  # val/val: nothing can be moved onto itself
    elif found.folder == root and wanted != elsewhere.parent:
        target = None
    else:
        target = found.folder
    there = shlex.quote(str(elsewhere))
    if target is not None:
        fix = f"move it up:\nmv {there}/* {shlex.quote(str(target))}/"
    else:
        parent = shlex.quote(str(wanted.parent))
        make = "" if wanted.parent.is_dir() else f"mkdir -p {parent} && "
        fix = f"give --root {there}, or rename it:\n{make}mv {there} {shlex.quote(str(wanted))}"
    return Finding(
        "nested_folder",
        "it lies in a folder where it isn't looked for",
        (str(elsewhere),),
        fix,
        expected=os.path.relpath(target or wanted, root),
        found=os.path.relpath(elsewhere, root),
        split=found.name,
    )


def missing_split_finding(found: PublishedSplit, root: Path) -> Finding:
    """Return that nothing of a split lies where it should, and what to do.

    Args:
      found: The split.
      root: The root that was given.
    """
    where = found.folder / found.split.paths[0].format(**found.variant)
    own = Path(found.entry.layout.folder).name
    if found.folder == root and root.absolute().name != own:
        where = root / found.entry.layout.folder / where.relative_to(root)
    deepest = where
    while not deepest.exists():
        deepest = deepest.parent
    entries = sorted(entry.name for entry in os.scandir(deepest)) if deepest.is_dir() else []
    shown = ", ".join(entries[:3]) + (", ..." if len(entries) > 3 else "")
    expected = where_text(found.entry.layout, found.split).format(**found.variant)
    if in_folders(found):
        first = ", ".join(list(folder_labels(found))[:2])
        expected += f", with folders {first} and so on"
    return Finding(
        "missing_split",
        "nothing of it lies where its authors put it",
        (str(where),),
        f"get it: {found.entry.obtain}",
        expected,
        f"{deepest} has {shown or 'nothing'}",
        split=found.name,
    )


def missing_index_finding(found: PublishedSplit, missing: list[Path]) -> Finding:
    """Return that the files with a split's labels aren't there.

    Args:
      found: The split.
      missing: The files.
    """
    return Finding(
        "missing_index",
        "the images are there, what has their labels isn't",
        tuple(map(str, missing)),
        f"get it: {found.entry.obtain}",
        ", ".join(path.name for path in missing),
        "no such file",
        split=found.name,
    )
