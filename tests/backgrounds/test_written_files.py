"""Files that were cut short, changed or lost are told from those that are as they were written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from wiseft_jax.backgrounds.written_files import faulty_files, remove_leftovers


def test_what_is_not_as_it_was_written_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    digests = {}
    for index in range(40):
        path = tmp_path / f"{index:02d}.png"
        path.write_bytes(data := bytes([index]) * 5000)
        digests[path] = hashlib.sha256(data).hexdigest()
    assert faulty_files(digests) == {}
    assert not caplog.records
    lost, short, empty, same_size, folder = list(digests)[5::8]
    lost.unlink()
    short.write_bytes(short.read_bytes()[:-1])
    empty.write_bytes(b"")
    same_size.write_bytes(b"\x00" + same_size.read_bytes()[1:])
    folder.unlink()
    folder.mkdir()
    changed = dict.fromkeys([short, empty, same_size, folder], "changed")
    assert faulty_files(digests) == {lost: "missing", **changed}
    assert "4 files aren't what this build wrote" in caplog.text
    assert f"{short}, {empty}, {same_size}, ..." in caplog.text
    assert faulty_files({}) == {}


def test_only_the_leftovers_of_atomic_writes_are_removed(tmp_path: Path):
    (tmp_path / "val" / "00_dog").mkdir(parents=True)
    kept = [tmp_path / "val" / "00_dog" / name for name in ("a.png", "b.tmp", ".hidden")]
    for path in (*kept, tmp_path / "val" / "00_dog" / ".a.png.x1y2.tmp", tmp_path / ".rows.z.tmp"):
        path.write_bytes(b"")
    assert remove_leftovers(tmp_path) == 2
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
    assert remove_leftovers(tmp_path) == 0
