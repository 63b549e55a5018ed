from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.builders import crc32c, frame
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.tfrecord import RecordRange, TFRecordReader, record_index


def test_the_tests_own_checksum_is_right():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4
    assert frame(b"") == struct.pack("<Q", 0) + bytes.fromhex("29039807d8ea82a2")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=50), max_size=6), min_size=1, max_size=4), st.data())
def test_records_come_back(tmp_path_factory: pytest.TempPathFactory, files, data):
    root = tmp_path_factory.mktemp("records")
    ranges, expected = [], []
    for number, records in enumerate(files):
        path = root / f"{number}.tfrecord"
        path.write_bytes(b"".join(frame(record) for record in records))
        skip = data.draw(st.integers(0, len(records)))
        take = data.draw(st.integers(-1, len(records) - skip))
        ranges.append(RecordRange(str(path), skip, take))
        expected += records[skip:] if take < 0 else records[skip : skip + take]
    reader = TFRecordReader(ranges)
    assert [reader[index] for index in range(len(reader))] == expected


def test_no_files_are_no_records():
    assert len(TFRecordReader([])) == 0


def test_the_index_is_cached_by_size_and_time(tmp_path: Path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(frame(b"abc") + frame(b"defgh"))
    offsets, lengths = record_index(str(path))
    assert (offsets.tolist(), lengths.tolist()) == ([12, 31], [3, 5])
    cached = record_index(str(path))
    np.testing.assert_array_equal(cached[0], offsets)
    np.testing.assert_array_equal(cached[1], lengths)
    path.write_bytes(frame(b"abc"))
    assert record_index(str(path))[1].tolist() == [3]


@pytest.mark.parametrize("content", [frame(b"abc")[:-1], b"\x1f\x8b compressed?", b"short"])
def test_what_is_no_tfrecord_file_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tfrecord: record 0 goes beyond the end of the file"):
        record_index(str(path))
