"""The same image in two data sets, by content."""

from __future__ import annotations

import hashlib
import logging

import numpy as np
from jaxtyping import Int64

from wiseft_jax.core.progress import progress_bar
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.source import ArraySource, Dataset

logger = logging.getLogger(__name__)

_LISTED = 5


def find_overlap(first: Dataset, second: Dataset) -> list[tuple[int, int]] | None:
    """Return the positions ``(in first, in second)`` of images with the same bytes.

    Only images whose sizes collide are read and hashed. The same picture in another encoding isn't
    found.

    Returns:
      The pairs, by position in ``second``; None if sizes aren't known without reading everything
      (TFDS records), or if one set is encoded files and the other decoded pixels.
    """
    sizes, other = _sizes(first), _sizes(second)
    if sizes is None or other is None:
        return None
    if isinstance(first.source, ArraySource) != isinstance(second.source, ArraySource):
        return None
    suspects = (
        np.flatnonzero(np.isin(sizes, other) & (sizes >= 0)),
        np.flatnonzero(np.isin(other, sizes) & (other >= 0)),
    )
    by_hash: dict[bytes, int] = {}
    pairs = []
    total = len(suspects[0]) + len(suspects[1])
    with progress_bar(f"comparing {first.name} and {second.name}", total) as advance:
        for position in suspects[0]:
            by_hash.setdefault(_content_hash(first, int(position)), int(position))
            advance(1)
        for position in suspects[1]:
            found = by_hash.get(_content_hash(second, int(position)))
            if found is not None:
                pairs.append((found, int(position)))
            advance(1)
    return pairs


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
        "%d of %d images of %s (%s) are also in %s (%s): %s%s",
        len(pairs), len(second), second.name, second.split, first.name, first.split, shown, more,
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
    except OSError:  # reported when it is verified, or drawn
        return f"unreadable {dataset.source.ids[index]}".encode()
    if isinstance(data, np.ndarray):
        data = str(data.shape).encode() + data.tobytes()
    return hashlib.blake2b(data, digest_size=16).digest()
