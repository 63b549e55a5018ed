"""Looking at the images before training: the headers of all, a full decode of many."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL
from jaxtyping import Integer, UInt64

from wiseft_jax.core.cache import Cache
from wiseft_jax.core.errors import FaultyDataError, InputError, counted
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.data.decode import BadImageError, check_decodes, open_image
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.source import ArraySource, Dataset, Source

logger = logging.getLogger(__name__)

FULL_DECODE_LIMIT = 50_000
SAMPLE = 10_000
_BLOCK = 64
_LISTED = 20


@dataclasses.dataclass(frozen=True)
class VerifyReport:
    """What looking at a source's images found.

    Attributes:
      name: The source.
      checked: How many images were asked about.
      decoded: How many of them were decoded in full, now or earlier.
      cached: How many were known to be good from an earlier run, by path, size and time.
      bad: Index in the source -> ``"id: reason"``.
      animated: How many newly decoded images have several frames; the first one is used.
    """

    name: str
    checked: int
    decoded: int
    cached: int
    bad: dict[int, str]
    animated: int


class BadImagesError(FaultyDataError):
    """Images of a data set are bad.

    Args:
      name: The data set.
      bad: ``"id: reason"`` of each.
      total: How many images it has.
    """

    def __init__(self, name: str, bad: Sequence[str], total: int) -> None:
        more = f"\n  and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
        listed = "".join(f"\n  {line}" for line in bad[:_LISTED])
        verb = "is" if len(bad) == 1 else "are"
        super().__init__(
            f"{name}: {len(bad):,} of {counted(total, 'image')} {verb} bad:{listed}{more}\n"
            "Repair or remove them, or go on without them: --on-bad-image skip"
        )


def verify_images(
    source: Source,
    indices: Integer[np.ndarray, "N"] | None = None,
    *,
    full_decode_limit: int = FULL_DECODE_LIMIT,
    sample: int = SAMPLE,
    seed: int = 0,
    num_threads: int = 16,
) -> VerifyReport:
    """Look at the header of every image, and decode up to ``full_decode_limit`` in full.

    Beyond that limit a seeded sample is decoded. Good images are remembered by path, size and
    modification time (records by file, size, time and index), so that a second run is quick. Images
    in memory need no look.

    Args:
      source: Where the images come from.
      indices: Which of them; None is all.
      full_decode_limit: How many images are still decoded one and all.
      sample: How many are decoded beyond that.
      seed: Of the sample.
      num_threads: Decoding threads.
    """
    indices = np.arange(len(source)) if indices is None else np.asarray(indices)
    if isinstance(source, ArraySource) or len(indices) == 0:
        return VerifyReport(source.name, len(indices), len(indices), 0, {}, 0)
    full = np.ones(len(indices), bool)
    if len(indices) > full_decode_limit:
        chosen = numpy_stream(seed, "verify").permutation(len(indices))[:sample]
        full = np.isin(np.arange(len(indices)), chosen)
        logger.info(
            "%s: %d images: the headers of all are read, %d are decoded in full",
            source.name,
            len(indices),
            full.sum(),
        )
    memory = _Memory(source)
    known = memory.known(indices, full)
    bad, animated = _look(source, indices[~known], full[~known], num_threads)
    good = np.array([int(index) not in bad for index in indices], bool)
    memory.remember(indices[good], full[good])
    if animated:
        logger.info(
            "%s: %s animated; the first frame is used",
            *(source.name, counted(animated, "image is", "images are")),
        )
    return VerifyReport(source.name, len(indices), int(full.sum()), int(known.sum()), bad, animated)


def drop_bad_images(dataset: Dataset, report: VerifyReport) -> Dataset:
    """Return the dataset without the bad images, which ``skipped`` then lists.

    Raises:
      BadImagesError: If there are any and ``dataset.on_bad_image`` is ``"stop"``.
    """
    if not report.bad:
        return dataset
    lines = tuple(report.bad[index] for index in sorted(report.bad))
    if dataset.on_bad_image == "stop":
        raise BadImagesError(dataset.name, lines, report.checked)
    base = np.arange(len(dataset)) if dataset.indices is None else dataset.indices
    kept = np.flatnonzero(~np.isin(base, list(report.bad)))
    if len(kept) == 0:
        raise InputError(f"{dataset.name}: no image of {len(base)} is good; the first: {lines[0]}")
    logger.warning("%s: %s skipped:", dataset.name, counted(len(lines), "bad image"))
    for line in lines[:_LISTED]:
        logger.warning("  %s", line)
    return dataset.subset(kept, skipped=dataset.skipped + lines)


def _look(
    source: Source, indices: np.ndarray, full: np.ndarray, num_threads: int
) -> tuple[dict[int, str], int]:
    bad: dict[int, str] = {}
    animated = 0
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(indices), _BLOCK)]

    def look_at_block(block: slice) -> list[tuple[int, str | bool]]:
        return [
            (int(index), _look_at(source, int(index), bool(whole)))
            for index, whole in zip(indices[block], full[block], strict=True)
        ]

    executor = concurrent.futures.ThreadPoolExecutor(max(num_threads, 1))
    try:
        with progress_bar(f"checking {source.name}", len(indices)) as advance:
            for results in executor.map(look_at_block, blocks):
                for index, result in results:
                    if isinstance(result, str):
                        bad[index] = result
                    else:
                        animated += result
                advance(len(results))
    finally:
        executor.shutdown(cancel_futures=True)
    return bad, animated


def _look_at(source: Source, index: int, full: bool) -> str | bool:
    where = source.ids[index]
    try:
        if not full and isinstance(source, FileSource):
            with Path(where).open("rb") as file:
                if not file.peek(1):
                    raise BadImageError(where, "the file is empty")
                open_image(file, where)
            return False
        data = source.read(index)
        if isinstance(data, np.ndarray):
            return False
        if full:
            return check_decodes(data, where)
        open_image(data, where)
        return False
    except BadImageError as error:
        return str(error)
    except OSError as error:
        return f"{where}: can't be read ({error.strerror or error})"


class _Memory:
    """Which images were good before; an entry of the cache for each source."""

    def __init__(self, source: Source) -> None:
        if isinstance(source, FileSource):
            stamps: Sequence[str] = source.stamps()
            identity = str(source.root.absolute())
        else:
            identity = source.fingerprint()
            stamps = [f"{identity}|{index}" for index in range(len(source))]
        self._key = hash_json(["verify", PIL.__version__, identity])
        self._stamps = np.array([_short_hash(stamp) for stamp in stamps], np.uint64)
        entry = Cache().load("verified", self._key) or {}
        self._full = entry.get("full", np.zeros(0, np.uint64))
        self._header = entry.get("header", np.zeros(0, np.uint64))

    def known(self, indices: np.ndarray, full: np.ndarray) -> np.ndarray:
        """Return which images are known to be good, each as well as it is asked for."""
        stamps = self._stamps[indices]
        decoded = np.isin(stamps, self._full)
        return np.where(full, decoded, decoded | np.isin(stamps, self._header))

    def remember(self, indices: np.ndarray, full: np.ndarray) -> None:
        """Add good images to what was known of other images that are still there."""
        whole = self._merge(self._full, self._stamps[indices[full]])
        header = self._merge(self._header, self._stamps[indices[~full]])
        if len(whole) != len(self._full) or len(header) != len(self._header):
            Cache().store("verified", self._key, {"full": whole, "header": header})

    def _merge(
        self, old: UInt64[np.ndarray, "N"], new: UInt64[np.ndarray, "M"]
    ) -> UInt64[np.ndarray, "L"]:
        return np.union1d(old[np.isin(old, self._stamps)], new)


def _short_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
