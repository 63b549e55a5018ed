"""The builder is one of TFDS's: it prepares, it reads, and its records are always the same."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath

from tests.data.builders import encode, pixels
from wiseft_jax.data.prepared_builder import ImageBuilder
from wiseft_jax.data.prepared_shards import Manifest, SplitPlan, evenly_cut, write_shards


def make_builder(directory: Path, splits: tuple[str, ...] = ("train",)) -> Any:
    path = epath.Path(directory)

    def write(builder: ImageBuilder) -> Manifest:
        manifest = Manifest(path, {})
        plans = [
            SplitPlan(
                name,
                evenly_cut(3, 2),
                builder.shard_files(name, 2),
                lambda index: builder.record(encode(pixels(index)), index % 2, f"{index}.png"),
                ["0", "1", "2"],
            )
            for name in splits
        ]
        write_shards(path, plans, manifest, skip_unreadable=False, num_threads=1)
        return manifest

    return ImageBuilder("mini", "", ["cat", "dog"], path, write)


def test_it_prepares_and_reads(tmp_path: Path):
    directory = tmp_path / "mini" / "1.0.0"
    directory.mkdir(parents=True)
    builder = make_builder(directory, ("train", "test"))
    builder.download_and_prepare()
    assert (directory / "mini-test.array_record-00001-of-00002").is_file()
    assert builder.info.splits["test"].shard_lengths == [1, 2]
    assert builder.is_prepared()
    for split in ("train", "test"):
        examples = list(builder.as_data_source(split=split))
        assert [example["label"] for example in examples] == [0, 1, 0]
        assert [example["file_name"] for example in examples] == [b"0.png", b"1.png", b"2.png"]
        np.testing.assert_array_equal(examples[2]["image"], pixels(2))
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    make_builder(directory, ("train", "test")).download_and_prepare()
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_a_record_is_the_same_bytes_in_every_process(tmp_path: Path):
    record = make_builder(tmp_path).record(b"image", 1, "a/b.png")
    digest = hashlib.sha256(record).hexdigest()
    assert (
        digest == "c17fdb7a0e12174889ae9c3074abcfa2dcb26ccf851764a38f345adf3d7e20f2"
    )  # TFDS's serializer orders fields anew
