"""Whether an archive that somebody downloaded is whole, without unpacking it."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

ArchiveState: TypeAlias = Literal["whole", "cut", "unread", "unknown"]
"""``whole``: its end is there. ``cut``: it isn't, or the file is no archive. ``unread``: only
reading all of it would tell. ``unknown``: nothing here reads its format."""

_Readable: TypeAlias = io.FileIO | io.BufferedIOBase

_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_GZIP_SIZE = 4  # bytes
_XZ_END = b"YZ"
_BZIP2_END = 0x177245385090
_BZIP2_TAIL = 11  # bytes: the mark of 48 bits, a checksum of 32, and less than 8 bits of padding
_CHUNK = 2**20
_ERRORS = (OSError, EOFError, ValueError, tarfile.TarError, zlib.error, lzma.LZMAError)


def archive_state(path: Path, *, deep: bool) -> ArchiveState:
    """Return whether an archive is whole.

    Of a tar the headers alone are read. One that is compressed with bzip2 or xz has a mark at its
    end. One of gzip has only its content's size there, which of a tar is whole blocks: where it
    isn't, it is read. A zip has its directory at its end.

    Args:
      path: The archive.
      deep: Whether to read a compressed tar to its end, in chunks.

    Example:
      >>> archive_state(Path("imagenet-r.tar"), deep=False)
      'whole'
    """
    suffix = path.suffix.lower()
    if suffix in (".rar", ".7z"):
        return "unknown"
    try:
        if suffix == ".zip":
            return "whole" if zipfile.is_zipfile(path) else "cut"
        with path.open("rb") as file:
            head = file.read(len(_XZ))
        packed = head.startswith((_GZIP, _BZIP2, _XZ))  # whatever the name says, as tar does
        if packed and not deep and (state := _state_by_ends(path, head)) is not None:
            return state
        with _content(path, head) as content:
            return "whole" if _has_end(content) else "cut"
    except _ERRORS:
        return "cut"


def _state_by_ends(path: Path, head: bytes) -> ArchiveState | None:
    """Return what the beginning and the end of a compressed tar tell; None: too little."""
    if not tarfile.is_tarfile(path):
        return "cut"
    with path.open("rb") as file:
        file.seek(-min(_CHUNK, path.stat().st_size), io.SEEK_END)
        tail = file.read()
    if head.startswith(_GZIP):
        size = int.from_bytes(tail[-_GZIP_SIZE:], "little")  # modulo 2^32, of its last part
        return "unread" if size and size % tarfile.BLOCKSIZE == 0 else None
    if head.startswith(_XZ):
        return "whole" if tail.rstrip(b"\0").endswith(_XZ_END) else "cut"
    bits = int.from_bytes(tail[-_BZIP2_TAIL:], "big") >> 32
    ends = [(bits >> padding) & (2**48 - 1) for padding in range(8)]
    return "whole" if _BZIP2_END in ends else "cut"


@contextlib.contextmanager
def _content(path: Path, head: bytes) -> Iterator[_Readable]:
    with contextlib.ExitStack() as stack:
        if head.startswith(_GZIP):
            yield stack.enter_context(gzip.open(path, "rb"))
        elif head.startswith(_BZIP2):
            yield stack.enter_context(bz2.open(path, "rb"))
        elif head.startswith(_XZ):
            yield stack.enter_context(lzma.open(path, "rb"))
        else:
            yield stack.enter_context(path.open("rb", buffering=0))  # between headers it seeks


class _LastRead(io.BufferedIOBase):
    """A file that remembers what was read last: the block that a walk over a tar ended with."""

    def __init__(self, file: _Readable) -> None:
        self._file = file
        self.last = b""

    def read(self, size: int | None = -1, /) -> bytes:
        self.last = self._file.read(-1 if size is None else size)
        return self.last

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _has_end(file: _Readable) -> bool:
    """Return whether a tar has each of its members whole, and an empty block after the last.

    A compressed one is read on to its end, where its checksum is.
    """
    blocks = _LastRead(file)
    with tarfile.open(fileobj=blocks, mode="r:") as tar:
        while tar.next() is not None:
            # There may be millions.
            tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
    end = blocks.last == bytes(tarfile.BLOCKSIZE)
    if not isinstance(file, io.FileIO):
        while file.read(_CHUNK):
            pass
    return end
