"""Shards that are cut off, damaged or gone: said by their file, with the way out."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import write_folder
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.lfs import POINTER
from wiseft_jax.data.prepare import PrepareOptions, prepare
from wiseft_jax.data.source import Source
from wiseft_jax.data.specs import open_source

OPTIONS = PrepareOptions("photos", shard_mib=2e-3)
AGAIN = "prepare it again: the wiseft data prepare command that made it checks every shard"


def write_prepared(root: Path) -> Source:
    """Prepare eight images in several shards, and open them."""
    if not (root / "photos").exists():
        write_folder(root / "photos", {"cat": 5, "dog": 3})
    report = prepare({"train": open_source(f"folder:{root / 'photos'}")}, root / "out", OPTIONS)
    return open_source(report["splits"]["train"]["spec"])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def point(path: Path) -> None:
    path.write_bytes(POINTER + b"v1\noid sha256:00\nsize 70000\n")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    begin = data.index(b"\x89PNG")
    data[begin : begin + 200] = bytes(255 - value for value in data[begin : begin + 200])
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "the file is cut off or damaged"),
        (flip, "the file is cut off or damaged"),
        (empty, "the file is empty"),
        (point, "is a Git LFS pointer, not the shard; install git-lfs"),
    ],
)
def test_a_damaged_shard_is_named_and_mended_by_the_same_command(
    damage: Callable[[Path], None], said: str, tmp_path: Path
):
    source = write_prepared(tmp_path)
    assert len(source.labels) == 8
    shards = sorted((tmp_path / "out").rglob("*.array_record*"))
    assert len(shards) > 1
    damage(shards[1])
    damaged = open_source(f"tfds:{shards[1].parent}:train")
    with pytest.raises(InputError) as raised:
        [damaged.read(index) for index in range(8)]
    assert str(raised.value).startswith(f"{shards[1]}: ")
    assert said in str(raised.value)
    assert AGAIN in str(raised.value)
    mended = write_prepared(tmp_path)
    np.testing.assert_array_equal(mended.labels, source.labels)


def test_a_missing_shard_is_named(tmp_path: Path):
    write_prepared(tmp_path)
    first = sorted((tmp_path / "out").rglob("*.array_record*"))[0]
    first.unlink()
    with pytest.raises(InputError, match=f"1 file is missing: {first}; {AGAIN}"):
        open_source(f"tfds:{first.parent}:train")


def test_a_record_that_is_no_example_is_named(tfds_dirs: dict[str, Path], tmp_path: Path):
    source = tfds_dirs["tfrecord"] / "mini_photos" / "1.0.0"
    target = tmp_path / "mini_photos" / "1.0.0"
    target.mkdir(parents=True)
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    shard = next(target.glob("*train.tfrecord-00001*"))
    data = bytearray(shard.read_bytes())
    data[12:40] = b"\xff" * 28  # behind the length and its checksum, which stay
    shard.write_bytes(data)
    with pytest.raises(InputError, match=f"{shard.name}: record 4 .*prepare it again: remove"):
        _ = open_source(f"tfds:{target}:train").labels


def test_records_go_to_other_processes(tmp_path: Path):
    source = write_prepared(tmp_path)
    again = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert [again.read(index) for index in range(8)] == [source.read(index) for index in range(8)]
