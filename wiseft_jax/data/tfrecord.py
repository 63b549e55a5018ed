"""Random access to TFRecord files without TensorFlow.

A record is ``uint64 length, uint32 crc(length), bytes, uint32 crc(bytes)``, little endian. The
index is made by hopping from length to length; the checksums are not verified.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
from jaxtyping import Int

from wiseft_jax.core.cache import Cache
from wiseft_jax.core.errors import InputError

_HEADER = 12  # length and its checksum
_FOOTER = 4


@dataclasses.dataclass(frozen=True)
class RecordRange:
    """Records ``skip`` to ``skip + take`` of a file; ``take`` -1 is all of the rest."""

    path: str
    skip: int
    take: int


class TFRecordReader:
    """The records of a list of file ranges, by index.

    Args:
      ranges: Which records of which files, in order.

    Raises:
      InputError: If a file is damaged, or shorter than its range.
    """

    def __init__(self, ranges: list[RecordRange]) -> None:
        self._paths = [part.path for part in ranges]
        offsets, lengths, files = [], [], []
        for number, part in enumerate(ranges):
            start, length = record_index(part.path)
            stop = len(start) if part.take < 0 else part.skip + part.take
            if stop > len(start):
                raise InputError(f"{part.path}: expected {stop} records, found {len(start)}")
            offsets.append(start[part.skip : stop])
            lengths.append(length[part.skip : stop])
            files.append(np.full(stop - part.skip, number, np.int64))
        self._offsets = np.concatenate(offsets) if offsets else np.zeros(0, np.int64)
        self._lengths = np.concatenate(lengths) if lengths else np.zeros(0, np.int64)
        self._files = np.concatenate(files) if files else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> bytes:
        """Return a record; opens the file anew, so that threads and processes don't collide."""
        with Path(self._paths[self._files[index]]).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), int(self._lengths[index]), int(self._offsets[index]))


def record_index(path: str) -> tuple[Int[np.ndarray, "N"], Int[np.ndarray, "N"]]:
    """Return the offset and the length in bytes of each record of a file; cached by path and time.

    Raises:
      InputError: If the file ends inside a record.
    """
    stat = Path(path).stat()
    key = f"{Path(path).absolute()}|{stat.st_size}|{stat.st_mtime_ns}"
    cached = Cache().load("tfrecord-index", key)
    if cached is not None:
        return cached["offsets"], cached["lengths"]
    offsets, lengths = [], []
    position = 0
    with Path(path).open("rb") as file:
        while position < stat.st_size:
            file.seek(position)
            header = file.read(8)
            length = int.from_bytes(header, "little")
            end = position + _HEADER + length + _FOOTER
            if len(header) < 8 or end > stat.st_size:
                raise InputError(
                    f"{path}: record {len(offsets)} goes beyond the end of the file; "
                    "it is truncated or not a TFRecord file (compressed ones can't be read)"
                )
            offsets.append(position + _HEADER)
            lengths.append(length)
            position = end
    index = {"offsets": np.asarray(offsets, np.int64), "lengths": np.asarray(lengths, np.int64)}
    Cache().store("tfrecord-index", key, index)
    return index["offsets"], index["lengths"]
