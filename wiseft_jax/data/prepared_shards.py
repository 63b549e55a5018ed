"""ArrayRecord shards, written one after the other so that a killed writer goes on exactly.

A shard appears whole, under its name, and only then in the manifest with its SHA-256. Whoever goes
on verifies what is listed and writes the rest; at most the shard in work is lost. TensorFlow
Datasets' own writer has no such thing: it shuffles into a temporary directory with a random name,
and its protocol buffers' bytes differ from process to process.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Int

from wiseft_jax.core.errors import FaultyDataError, InputError, counted
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.writers import write_bytes
from wiseft_jax.data.decode import BadImageError
from wiseft_jax.data.prepared_changes import describe_changes

logger = logging.getLogger(__name__)

MANIFEST_FILE = "wiseft_manifest.json"
SCHEMA = 1

_OPTIONS = "group_size:1"  # a record a group, as TFDS does: each is read alone
_CHUNK_BYTES = 1 << 20
_LISTED = 20

MakeRecord = Callable[[int], bytes]
"""Index in the source -> the record; raises ``BadImageError`` or ``OSError`` if it can't be had."""


@dataclasses.dataclass(frozen=True)
class SplitPlan:
    """What becomes of a split.

    Attributes:
      name: Its name.
      bounds: int64[S + 1]; shard s has the source's images ``bounds[s]`` to ``bounds[s + 1]``.
      files: The names of the shards' files.
      make_record: What makes a record of an image.
      where: What a person calls an image, by index.
    """

    name: str
    bounds: Int[np.ndarray, "S_1"]
    files: tuple[str, ...]
    make_record: MakeRecord
    where: Sequence[str]


class Manifest:
    """What is being prepared, and which shards are finished: a JSON file in the directory.

    Args:
      directory: Where the shards are.
      facts: What decides on the bytes: source, options, classes, versions.
    """

    def __init__(self, directory: epath.Path, facts: Mapping[str, Any]) -> None:
        self._directory = directory
        self.facts = dict(facts)
        self.shard_counts: dict[str, int] = {}
        self.shards: dict[str, dict[str, Any]] = {}
        self.finished = False

    @property
    def file(self) -> epath.Path:
        """Where it lies."""
        return self._directory / MANIFEST_FILE

    def write(self) -> None:
        """Replace the file."""
        value = {
            "schema": SCHEMA,
            "finished": self.finished,
            **self.facts,
            "shard_counts": self.shard_counts,
            "shards": self.shards,
        }
        publish(self.file, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())

    def of_split(self, name: str) -> list[dict[str, Any]]:
        """Return what is known of a split's finished shards, in order."""
        return [facts for facts in self.shards.values() if facts["split"] == name]

    def go_on(self, remedy: str) -> bool:
        """Take over what an earlier call finished; return whether there was one.

        Args:
          remedy: The end of the message to one who can't go on.

        Raises:
          InputError: Its source, options or versions were others; names them.
        """
        found = read_manifest(self._directory)
        if found is None:
            return False
        self.finished = bool(found["finished"])
        ignored = {"versions"} if self.finished else set()  # then only checksums are compared
        changes = describe_changes(found, _plain(self.facts), ignored)
        if changes:
            raise InputError(f"{self._directory}: {changes}. {remedy}")
        self.facts["versions"] = found["versions"]
        self.shard_counts, self.shards = found["shard_counts"], found["shards"]
        return True


def read_manifest(directory: epath.Path | Path | str) -> dict[str, Any] | None:
    """Return the manifest of a directory; None if it has none.

    Raises:
      InputError: It can't be read, or is of another version of this program.
    """
    file = epath.Path(directory) / MANIFEST_FILE
    if not file.exists():
        return None
    try:
        found = json.loads(file.read_text())
        schema = found["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file}: can't be read ({error}); remove {directory}, and prepare it again"
        ) from None
    if schema != SCHEMA:
        raise InputError(
            f"{file}: expected schema {SCHEMA}, found {schema}: another version of this program"
            " wrote it; go on with that one, or prepare it again elsewhere"
        )
    return found


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def write_shards(
    directory: epath.Path,
    plans: Sequence[SplitPlan],
    manifest: Manifest,
    *,
    skip_unreadable: bool,
    num_threads: int,
) -> None:
    """Write every shard that isn't finished, in order; verify those that are.

    A shard's records are held in memory until it is written, in the order of the source.

    Args:
      directory: Where to.
      plans: The splits.
      manifest: What is finished; it is written after each shard.
      skip_unreadable: Whether to leave out, and list, an image that can't be read.
      num_threads: How many images are read and checked at once.

    Raises:
      FaultyDataError: Images of a shard can't be read; lists them.
      OSError: Of the file system.
    """
    kept = 0
    with concurrent.futures.ThreadPoolExecutor(max(num_threads, 1)) as executor:
        for plan in plans:
            with progress_bar(f"preparing {plan.name}", int(plan.bounds[-1])) as advance:
                for number, file in enumerate(plan.files):
                    first, last = (int(each) for each in plan.bounds[number : number + 2])
                    if _is_intact(directory, file, manifest):
                        _check_skipped(plan, manifest.shards[file], skip_unreadable)
                        kept += 1
                    else:
                        indices = range(first, last)
                        records, skipped = _records(executor, plan, indices, skip_unreadable)
                        written = _write_shard(directory / file, records)
                        manifest.shards[file] = {
                            "split": plan.name,
                            **written,
                            "skipped": list(skipped.values()),
                            "left_out": list(skipped),
                        }
                        manifest.write()
                    advance(last - first)
    if kept:
        logger.info(
            "%s: %s finished before, and verified",
            *(directory, counted(kept, "shard was", "shards were")),
        )


def _is_intact(directory: epath.Path, file: str, manifest: Manifest) -> bool:
    facts = manifest.shards.get(file)
    if facts is None:
        return False
    path = directory / file
    problem = "is gone"
    if path.exists():
        if sha256_of(path) == facts["sha256"]:
            return True
        problem = "isn't what was written: its checksum differs"
    logger.warning("%s %s; it is written again", path, problem)
    return False


def sha256_of(path: epath.Path | Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    digest = hashlib.sha256()
    with epath.Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _records(
    executor: concurrent.futures.Executor,
    plan: SplitPlan,
    indices: range,
    skip_unreadable: bool,
) -> tuple[list[bytes], dict[int, str]]:
    """Return the records that could be made, and index -> what is wrong with each other image."""

    def make(index: int) -> bytes | str:
        try:
            return plan.make_record(index)
        except BadImageError as error:
            return f"{plan.where[index]}: {error.reason}"
        except OSError as error:
            return f"{plan.where[index]}: can't be read ({error.strerror or error})"

    futures = [executor.submit(make, index) for index in indices]
    try:
        made = [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    skipped = {
        index: each for index, each in zip(indices, made, strict=True) if isinstance(each, str)
    }
    _refuse(plan, list(skipped.values()), skip_unreadable)
    for line in skipped.values():
        logger.warning("left out: %s", line)
    return [each for each in made if isinstance(each, bytes)], skipped


def _check_skipped(plan: SplitPlan, facts: Mapping[str, Any], skip_unreadable: bool) -> None:
    """Refuse a finished shard that left images out, where that isn't asked for now."""
    _refuse(plan, facts["skipped"], skip_unreadable)


def _refuse(plan: SplitPlan, bad: Sequence[str], skip_unreadable: bool) -> None:
    if not bad or skip_unreadable:
        return
    listed = "".join(f"\n  {line}" for line in bad[:_LISTED])
    more = f"\n  and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
    raise FaultyDataError(
        f"{plan.name}: {counted(len(bad), 'image')} can't be read:{listed}{more}\n"
        "Repair them, or leave out what can't be read: --skip-unreadable"
    )


def _write_shard(target: epath.Path, records: Sequence[bytes]) -> dict[str, Any]:
    """Write a shard; return its number of images, its bytes of records, and its SHA-256."""
    with _staged(target) as path:
        _write_array_record(path, records)
        digest = sha256_of(path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    return {"images": len(records), "bytes": sum(map(len, records)), "sha256": digest}


@contextlib.contextmanager
def _staged(target: epath.Path) -> Iterator[Path]:
    """Yield a file on this machine, which becomes ``target`` if the block ends without an error."""
    with contextlib.ExitStack() as stack:
        remote = is_remote(target)
        folder = stack.enter_context(tempfile.TemporaryDirectory()) if remote else target.parent
        path = Path(folder) / f".{target.name}.tmp"
        try:
            yield path
            if remote:
                with _telling(target), path.open("rb") as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, _CHUNK_BYTES)
            else:
                path.replace(target)
        finally:
            path.unlink(missing_ok=True)


def _write_array_record(path: Path, records: Sequence[bytes]) -> None:
    from array_record.python.array_record_data_source import ArrayRecordDataSource
    from array_record.python.array_record_module import ArrayRecordWriter

    try:
        writer = ArrayRecordWriter(str(path), _OPTIONS)
        for record in records:
            writer.write(record)
        writer.close()
        with ArrayRecordDataSource([str(path)]) as written:
            found = len(written)
    except RuntimeError as error:  # what its C++ raises, whatever the reason
        raise OSError(errno.EIO, f"can't be written ({error})", str(path)) from None
    if found != len(records):
        raise OSError(errno.EIO, f"{found} of {len(records)} records were written", str(path))


def find_path(text: str | Path) -> epath.Path:
    """Return a path, remote or absolute.

    Raises:
      InputError: It is remote, and the library for that isn't installed.
    """
    if not is_remote(text):
        return epath.Path(Path(text).expanduser().absolute())
    path = epath.Path(text)
    try:
        path.exists()
    except ImportError as error:
        extra = " (pip install 'wiseft-jax[gcs]')" if str(text).startswith("gs:") else ""
        raise InputError(f"{text}: {error}{extra}") from None
    return path


def clear_temporaries(directory: epath.Path) -> None:
    """Remove what a killed writer left half written; a bucket has no such thing."""
    if is_remote(directory) or not directory.exists():
        return
    ours = (directory / MANIFEST_FILE).exists()
    for path in Path(directory).glob(".*.tmp" if ours else f".{MANIFEST_FILE}.*.tmp"):
        path.unlink()


def is_remote(path: epath.Path | Path | str) -> bool:
    """Return whether a path is a URI, such as ``gs://bucket/folder``."""
    return "://" in os.fspath(path)


def publish(path: epath.Path, data: bytes) -> None:
    """Write a file whole: by renaming on a disk, in one request to a bucket."""
    if is_remote(path):
        with _telling(path):
            path.write_bytes(data)
    else:
        write_bytes(Path(path), data)


@contextlib.contextmanager
def _telling(path: epath.Path) -> Iterator[None]:
    """Turn whatever a bucket's library raises into what the disk would raise."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        raise OSError(errno.EIO, f"can't be written ({reason})", str(path)) from error


def evenly_cut(count: int, parts: int) -> Int[np.ndarray, "S_1"]:
    """Return the bounds of ``parts`` runs of 0 to ``count``, whose lengths differ by one at most.

    Example:
      >>> evenly_cut(10, 4)
      array([ 0,  2,  5,  7, 10])
    """
    return np.arange(parts + 1, dtype=np.int64) * count // parts
