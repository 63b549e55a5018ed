"""The serialised examples of a split that TFDS prepared, by index; damage is said by its file."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etils import epath

from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.lfs import is_pointer, pointer_text
from wiseft_jax.data.tfds_lookup import remedy
from wiseft_jax.data.tfrecord import RecordRange, TFRecordReader


class Records:
    """Serialised examples, with the file that each is in.

    Args:
      reader: Reads them, by index.
      files: The files that they are in, in order.
      takes: How many of them each file has.
      remedy: What to do about a damaged file, as the end of a message.
    """

    def __init__(self, reader: Any, files: Sequence[str], takes: Sequence[int], remedy: str):
        self._reader, self._files, self._remedy = reader, tuple(files), remedy
        self._ends = list(itertools.accumulate(takes))

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> bytes:
        """Return one example.

        Raises:
          InputError: Its file is cut off or damaged.
        """
        try:
            return self._reader[index]
        except (RuntimeError, ValueError) as error:  # what ArrayRecord's C++ raises
            raise self.damaged(index, error) from error

    def damaged(self, index: int, error: Exception) -> InputError:
        """Return the error for an example that can't be read.

        Args:
          index: Which one.
          error: Why not.
        """
        file = self._files[bisect.bisect_right(self._ends, index)]
        path = Path(file)
        if is_pointer(path):
            return InputError(f"{file}: {pointer_text('the shard')}; or {self._remedy}")
        if path.is_file() and not path.stat().st_size:
            return InputError(f"{file}: the file is empty; {self._remedy}")
        reason = " ".join(str(error).split()) or type(error).__name__
        return InputError(
            f"{file}: record {index} of the split can't be read ({reason}): the file is cut off or"
            f" damaged; {self._remedy}"
        )


def open_records(builder: Any, instructions: Sequence[Any], spec: Any) -> Records:
    """Return the examples of a split.

    Args:
      builder: TFDS's.
      instructions: TFDS's: which records of which files.
      spec: What was asked for, for messages.

    Raises:
      InputError: Files are missing, or of a format that can't be read.
    """
    mend = remedy(epath.Path(builder.data_dir))
    file_format = builder.info.file_format.value if builder.info.file_format else "unknown"
    files = [part.filename for part in instructions]
    missing = [file for file in files if not epath.Path(file).exists()]
    if missing:
        raise InputError(
            f"{spec}: {counted(len(missing), 'file is', 'files are')} missing: {missing[0]}; {mend}"
        )
    takes = [
        part.take if part.take >= 0 else part.examples_in_shard - part.skip for part in instructions
    ]
    if file_format == "array_record":
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        return Records(ArrayRecordDataSource(instructions), files, takes, mend)
    if file_format == "tfrecord" and "://" not in files[0]:
        ranges = [RecordRange(part.filename, part.skip, part.take) for part in instructions]
        return Records(TFRecordReader(ranges), files, takes, mend)
    reason = (
        "tensorflow-datasets reads only half of the rows of parquet files"
        if file_format == "parquet"
        else "only ArrayRecord, and TFRecord on a local disk, can be read without TensorFlow"
    )
    raise InputError(
        f"{spec}: prepared as {file_format}: {reason}; prepare it again with "
        "file_format='array_record'"
    )
