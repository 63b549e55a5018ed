"""What shards and the manifest promise, apart from any source."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from array_record.python.array_record_data_source import ArrayRecordDataSource
from etils import epath
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.errors import FaultyDataError, InputError
from wiseft_jax.data import prepared_shards
from wiseft_jax.data.decode import BadImageError
from wiseft_jax.data.prepared_shards import (
    MANIFEST_FILE,
    Manifest,
    SplitPlan,
    clear_temporaries,
    evenly_cut,
    find_path,
    read_manifest,
    write_shards,
)
from wiseft_jax.data.specs import open_source

FACTS = {"versions": {"pillow": "1"}, "shard_mib": 1.0}


def plan(failing: tuple[int, ...] = ()) -> SplitPlan:
    def make_record(index: int) -> bytes:
        if index in failing:
            raise BadImageError("full path", "not an image")
        if index == 6:
            raise OSError(5, "Input/output error")
        return b"%d" % index

    files = tuple(f"x.array_record-{n:05d}-of-00003" for n in range(3))
    return SplitPlan("x", evenly_cut(6, 3), files, make_record, [f"{n}.png" for n in range(7)])


def write(directory: Path, manifest: Manifest, made: SplitPlan, skip: bool = False) -> None:
    write_shards(epath.Path(directory), [made], manifest, skip_unreadable=skip, num_threads=2)


@given(st.integers(1, 10**7), st.integers(1, 500))
def test_cuts_are_even_and_leave_nothing_out(count: int, parts: int):
    bounds = evenly_cut(count, parts)
    assert (bounds[0], bounds[-1], len(bounds)) == (0, count, parts + 1)
    assert np.ptp(np.diff(bounds)) <= 1


def test_records_are_in_order_and_the_manifest_lists_every_shard(tmp_path: Path):
    manifest = Manifest(epath.Path(tmp_path), FACTS)
    write(tmp_path, manifest, plan())
    with ArrayRecordDataSource([str(tmp_path / name) for name in plan().files]) as records:
        assert [bytes(records[i]) for i in range(6)] == [b"%d" % i for i in range(6)]
    found = read_manifest(tmp_path)
    assert found is not None
    assert list(found["shards"]) == list(plan().files)
    assert [facts["images"] for facts in found["shards"].values()] == [2, 2, 2]
    assert not list(tmp_path.glob(".*"))


def test_a_shard_that_fails_leaves_those_before_it(tmp_path: Path):
    manifest = Manifest(epath.Path(tmp_path), FACTS)
    with pytest.raises(FaultyDataError, match=r"x: 2 images .*\n  2.png: not an image\n  3.png"):
        write(tmp_path, manifest, plan(failing=(2, 3)))
    assert list(manifest.shards) == [plan().files[0]]
    assert {path.name for path in tmp_path.iterdir()} == {MANIFEST_FILE, plan().files[0]}
    again = Manifest(epath.Path(tmp_path), FACTS)
    assert again.go_on("")
    write(tmp_path, again, plan(failing=(0, 2, 3)), skip=True)  # 0 isn't asked for again
    assert [facts["images"] for facts in again.of_split("x")] == [2, 0, 2]
    assert again.shards[plan().files[1]]["skipped"] == [f"{n}.png: not an image" for n in (2, 3)]


def test_a_disk_that_fails_is_an_os_error_with_the_path(tmp_path: Path):
    manifest = Manifest(epath.Path(tmp_path), FACTS)
    with pytest.raises(OSError, match=r"can't be written \(open\(\) failed") as raised:
        write(tmp_path / "gone", manifest, plan())
    assert raised.value.filename == str(tmp_path / "gone" / f".{plan().files[0]}.tmp")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    made = plan()
    broken = SplitPlan("x", np.array([6, 7]), made.files[:1], made.make_record, made.where)
    with pytest.raises(FaultyDataError, match=r"6\.png: can't be read \(Input/output error\)"):
        write(tmp_path, Manifest(epath.Path(tmp_path), FACTS), broken)


def test_other_versions_go_on_with_what_is_finished_only(tmp_path: Path):
    manifest = Manifest(epath.Path(tmp_path), FACTS)
    manifest.write()
    other = FACTS | {"versions": {"pillow": "2"}}
    with pytest.raises(
        InputError, match=r"begun otherwise: versions was .*\"1\"}, is .*\"2\"}\. Mend it"
    ):
        Manifest(epath.Path(tmp_path), other).go_on("Mend it")
    manifest.finished = True
    manifest.write()
    again = Manifest(epath.Path(tmp_path), other)
    assert again.go_on("")
    assert again.facts["versions"] == {"pillow": "1"}
    assert not Manifest(epath.Path(tmp_path / "empty"), FACTS).go_on("")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "can't be read .* prepare it again"),
        ("[]", "can't be read"),
        (json.dumps({"schema": 99}), "expected schema 1, found 99"),
    ],
)
def test_a_manifest_that_is_none_is_an_input_error(tmp_path: Path, text: str, message: str):
    (tmp_path / MANIFEST_FILE).write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path)


def test_only_our_own_temporaries_are_removed(tmp_path: Path):
    names = (f".{MANIFEST_FILE}.abc.tmp", ".x.array_record-00000-of-00003.tmp", ".notes")
    for name in names:
        (tmp_path / name).touch()
    clear_temporaries(epath.Path(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {*names[1:]}
    (tmp_path / MANIFEST_FILE).touch()
    clear_temporaries(epath.Path(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {".notes", MANIFEST_FILE}
    clear_temporaries(epath.Path(tmp_path / "gone"))


def test_a_bucket_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    class Bucket:
        def __init__(self, path: str) -> None:
            self.path = path

        def exists(self) -> bool:
            raise ImportError("Please install gcsfs")

    monkeypatch.setattr(prepared_shards.epath, "Path", Bucket)
    message = r"gs://b/a: Please install gcsfs \(pip install 'wiseft-jax\[gcs\]'\)"
    with pytest.raises(InputError, match=message):
        find_path("gs://b/a")
    with pytest.raises(InputError, match=message):
        open_source("tfds:gs://b/a:test")


def test_what_is_left_out_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        write(tmp_path, Manifest(epath.Path(tmp_path), FACTS), plan(failing=(1,)), skip=True)
    assert "left out: 1.png: not an image" in caplog.text
