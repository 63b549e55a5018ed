"""npz files whose arrays are mapped from the disk, not read: an array costs what is looked at.

An npz is a zip file of npy files. Stored uncompressed, an array lies in it as it is in memory, so
it can be mapped at its place; ``numpy.load(mmap_mode=...)`` doesn't do that. ``numpy.load`` reads
what is written here. Without pickle.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

_ALIGNMENT = 64
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # of the zip format: APPNOTE.TXT, section 4.3.7
_CHECKED = 2**26
_PADDING_ID = 0xD935  # the extra field that Android's zipalign uses


def write_arrays(file: IO[bytes], arrays: Mapping[str, Any]) -> None:
    """Write an uncompressed npz whose arrays begin at multiples of 64 bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, value in arrays.items():
            array = np.asarray(value, order="C")
            member = zipfile.ZipInfo(f"{name}.npy")
            large = array.nbytes > 2**30
            # A large member's header has 20 bytes more, for 64-bit sizes.
            begin = file.tell() + _LOCAL_HEADER.size + len(member.filename) + 4 + 20 * large
            padding = -begin % _ALIGNMENT
            member.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
            with archive.open(member, "w", force_zip64=large) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Return the arrays of an npz; stored ones are mapped read-only, compressed ones read.

    The checksums of arrays of at most 64 MiB are compared; larger ones, such as the logits of many
    classes, are only mapped.

    Raises:
      ValueError: If an array is damaged, outside of the file, or pickled.
      zipfile.BadZipFile: If the file isn't a zip file.
      OSError: If it can't be read.
    """
    arrays = {}
    with Path(path).open("rb") as raw, zipfile.ZipFile(raw) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if member.compress_type == zipfile.ZIP_STORED:
                arrays[name] = _mapped(raw, member)
            else:
                with archive.open(member) as stream:
                    arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return arrays


def let_go(array: np.ndarray) -> None:
    """Let the system take a mapped array's memory back now; what is read again comes from the file.

    Without it the pages count as the process's own until it ends, or until memory is short. Nothing
    happens to an array that isn't mapped, or where the system can't be told.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def _mapped(raw: IO[bytes], member: zipfile.ZipInfo) -> np.ndarray:
    raw.seek(member.header_offset)
    header = raw.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise ValueError(f"{member.filename}: there is no member where the index says")
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    begin = raw.seek(name_length + extra_length, 1)
    version = np.lib.format.read_magic(raw)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(raw)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(raw)
    else:
        raise ValueError(f"{member.filename}: npy version {version}, expected 1.0 or 2.0")
    if dtype.hasobject:
        raise ValueError(f"{member.filename}: pickled objects are not read")
    offset = raw.tell()
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if offset - begin + size != member.file_size:
        raise ValueError(
            f"{member.filename}: {member.file_size} bytes, expected {offset - begin + size}"
        )
    if offset + size > raw.seek(0, 2):
        raise ValueError(f"{member.filename}: the file ends within it")
    if member.file_size <= _CHECKED:
        raw.seek(begin)
        if zlib.crc32(raw.read(member.file_size)) != member.CRC:
            raise ValueError(f"{member.filename}: its bytes are not those that were written")
    if size == 0:  # nothing can be mapped
        return np.zeros(shape, dtype)
    order = "F" if fortran else "C"
    return np.memmap(raw, dtype, "r", offset, shape, order)
