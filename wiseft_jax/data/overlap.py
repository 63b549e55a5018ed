"""The same image in two data sets, by content."""

from __future__ import annotations

import collections
import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Int64

from wiseft_jax.core.progress import Advance, progress_bar
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.source import ArraySource, Dataset

logger = logging.getLogger(__name__)

_LISTED = 5
_BEGINNING_BYTES = 4096
_Group: TypeAlias = list[tuple[int, int]]


def find_overlap(first: Dataset, second: Dataset) -> list[tuple[int, int]] | None:
    """Return the positions ``(in first, in second)`` of images with the same bytes.

    The same picture in another encoding isn't found.

    Returns:
      The pairs, by position in ``second``; None if they can't be compared: see ``same_content``.
    """
    groups = same_content((first, second), across=True)
    if groups is None:
        return None
    pairs = []
    for group in groups:
        in_first = min(position for which, position in group if which == 0)
        pairs += [(in_first, position) for which, position in group if which == 1]
    return sorted(pairs, key=lambda pair: pair[1])


def same_content(datasets: Sequence[Dataset], *, across: bool = False) -> list[_Group] | None:
    """Return the groups of images with the same bytes, in one data set or in several.

    Only images whose sizes collide are read; of a file that is longer than its beginning, the rest
    only if the beginnings are the same too. Empty and missing files are left out.

    Args:
      datasets: Where to look.
      across: Whether only images that are in at least two data sets matter.

    Returns:
      Groups of ``(which data set, position in it)``, in rising order; None if sizes aren't known
      without reading everything (TFDS records), or if some are encoded files and others decoded
      pixels.
    """
    sizes = [_sizes(dataset) for dataset in datasets]
    in_memory = {isinstance(dataset.source, ArraySource) for dataset in datasets}
    known = [each for each in sizes if each is not None]
    if len(known) < len(sizes) or len(in_memory) > 1:
        return None

    def suspect(group: _Group) -> bool:
        return len({which for which, _ in group} if across else group) > 1

    by_size: dict[int, _Group] = collections.defaultdict(list)
    for which, each in enumerate(known):
        for position in np.flatnonzero(each > 0):
            by_size[int(each[position])].append((which, int(position)))
    groups = [group for group in by_size.values() if suspect(group)]
    names = " and ".join(dict.fromkeys(dataset.name for dataset in datasets))
    for content in (_beginning, _content_hash):
        with progress_bar(f"comparing {names}", sum(map(len, groups))) as advance:
            groups = [
                part
                for group in groups
                for part in _parted(group, datasets, content, advance)
                if suspect(part)
            ]
    return sorted(groups)


def _parted(
    group: _Group,
    datasets: Sequence[Dataset],
    content: Callable[[Dataset, int], bytes],
    advance: Advance,
) -> Iterable[_Group]:
    parts: dict[bytes, _Group] = collections.defaultdict(list)
    for which, position in group:
        parts[content(datasets[which], position)].append((which, position))
        advance(1)
    return parts.values()


def _beginning(dataset: Dataset, position: int) -> bytes:
    """Return the first bytes of a file; nothing of what is read whole just as fast."""
    if not isinstance(dataset.source, FileSource):
        return b""
    path = Path(dataset.id(position))
    try:
        if path.stat().st_size <= _BEGINNING_BYTES:
            return b""
        with path.open("rb") as file:
            return file.read(_BEGINNING_BYTES)
    except OSError:
        return _unreadable(dataset, position)


def warn_of_overlap(first: Dataset, second: Dataset) -> int:
    """Log a warning that names images which are in both datasets; return how many there are."""
    pairs = find_overlap(first, second)
    if pairs is None:
        logger.info(
            "%s and %s: not checked for images in both (only files, and images in memory, are)",
            first.name,
            second.name,
        )
        return 0
    if not pairs:
        return 0
    shown = "; ".join(f"{first.id(a)} = {second.id(b)}" for a, b in pairs[:_LISTED])
    more = f"; and {len(pairs) - _LISTED} more" if len(pairs) > _LISTED else ""
    logger.warning(
        "%d of %d images of %s (%s) %s also in %s (%s): %s%s",
        len(pairs), len(second), second.name, second.split, "is" if len(pairs) == 1 else "are",
        first.name, first.split, shown, more,
    )  # fmt: skip
    relabelled = [(a, b) for a, b in pairs if first.labels[a] != second.labels[b]]
    if relabelled:
        a, b = relabelled[0]
        logger.warning(
            "%d of them have another label there: %s and %s",
            len(relabelled),
            first.id(a),
            second.id(b),
        )
    return len(pairs)


def _sizes(dataset: Dataset) -> Int64[np.ndarray, "N"] | None:
    source = dataset.source
    if isinstance(source, FileSource):
        sizes = source.stats()[0]
    elif isinstance(source, ArraySource):
        sizes = np.full(len(source), int(np.prod(source.images.shape[1:])), np.int64)
    else:
        return None
    return sizes if dataset.indices is None else sizes[dataset.indices]


def _content_hash(dataset: Dataset, position: int) -> bytes:
    index = dataset.source_index(position)
    try:
        data = dataset.source.read(index)
    except OSError:
        return _unreadable(dataset, position)
    if isinstance(data, np.ndarray):
        data = str(data.shape).encode() + data.tobytes()
    return hashlib.blake2b(data, digest_size=16).digest()


def _unreadable(dataset: Dataset, position: int) -> bytes:
    """Return what no other image has; that it can't be read is said when it is drawn."""
    return f"unreadable {dataset.id(position)}".encode()
