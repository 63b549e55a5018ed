"""What is prepared is what the source has, to TFDS and to the program."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tests.data.builders import CLASSES, encode, pixels, write_folder
from wiseft_jax.core.errors import FaultyDataError, InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.class_lists import class_names
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.load import load_dataset
from wiseft_jax.data.pipeline import train_batches
from wiseft_jax.data.prepare import PrepareOptions, file_names, prepare, unique_names
from wiseft_jax.data.prepared_shards import MANIFEST_FILE, sha256_of
from wiseft_jax.data.source import ArraySource, Source
from wiseft_jax.data.specs import open_source

SMALL = 0.003  # MiB: about four of the images a shard
COUNTS = {"cat": 5, "dog": 4, "owl": 3}


def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "photos", COUNTS)
    return tmp_path / "photos"


def prepared(tmp_path: Path, splits: dict[str, Source], **options: Any) -> dict[str, Any]:
    options = {"name": "mini", "shard_mib": SMALL, "num_threads": 2, **options}
    return prepare(splits, tmp_path / "out", PrepareOptions(**options))


def tree(directory: Path) -> dict[str, str]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): sha256_of(path) for path in files}


def test_tfds_and_the_program_read_what_the_folder_has(tmp_path: Path):
    source = open_source(f"folder:{folder(tmp_path)}")
    report = prepared(tmp_path, {"test": source})
    facts = report["splits"]["test"]
    assert (facts["images"], facts["shards"], report["classes"]) == (12, 3, 3)
    assert facts["skipped"] == facts["empty_classes"] == []
    directory = tmp_path / "out" / "mini" / "1.0.0"
    assert report["directory"] == str(directory)

    builder = tfds.builder_from_directory(str(directory))
    features: Any = builder.info.features
    assert features["label"].names == list(CLASSES)
    assert builder.info.splits["test"].shard_lengths == [4, 4, 4]
    examples = list(tfds.data_source("mini", data_dir=tmp_path / "out", split="test"))
    assert [example["file_name"].decode() for example in examples] == file_names(source)
    assert file_names(source)[5] == "dog/000.png"
    for index, example in enumerate(examples):
        np.testing.assert_array_equal(example["image"], pixels(index))
        assert example["label"] == source.labels[index]

    again = open_source(facts["spec"])
    assert (again.name, again.class_names) == ("mini-test", CLASSES)
    np.testing.assert_array_equal(again.labels, source.labels)
    assert [again.read(i) for i in range(12)] == [source.read(i) for i in range(12)]
    assert "tensorflow" not in sys.modules


def test_the_pipeline_makes_the_same_batches_of_it(tmp_path: Path):
    original = f"folder:{folder(tmp_path)}"
    spec = prepared(tmp_path, {"train": open_source(original)})["splits"]["train"]["spec"]
    of_both = []
    for text in (original, spec):
        dataset = load_dataset(text, classifier_class_names=("owl", "dog", "cat"), split="train")
        assert dataset.class_names == ("owl", "dog", "cat")
        with train_batches(
            dataset, Preprocess(8, 8), batch_size=4, seed=1, num_threads=2, start_step=2
        ) as batches:
            of_both.append([next(batches) for _ in range(4)])
    for one, other in zip(*of_both, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_plain_jpeg_and_png_keep_their_bytes_and_others_their_pixels(tmp_path: Path):
    grey = Image.fromarray(pixels(3)).convert("L")
    turned = Image.Exif()
    turned[0x0112] = 6
    files = {
        "a.jpg": encode(pixels(0), "JPEG"),
        "b.png": encode(grey),
        "c.jpg": encode(pixels(1), "JPEG", exif=turned),
        "d.webp": encode(pixels(2), "WEBP", lossless=True),
        "e.tiff": encode(pixels(4), "TIFF"),
        "f.gif": encode(Image.fromarray(pixels(5)).convert("P"), "GIF"),
        "g.jpg": encode(Image.fromarray(pixels(6)).convert("CMYK"), "JPEG"),
        "h.png": encode(Image.fromarray(pixels(7)).convert("P")),
        "i.png": encode(Image.fromarray(np.dstack([pixels(8), pixels(9)[..., :1]]))),
        "j.png": encode(pixels(8), transparency=tuple(pixels(8)[0, 0].tolist())),
        "k.png": encode(pixels(2), exif=turned),
    }
    for name, data in files.items():
        (tmp_path / "photos" / "x").mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / "x" / name).write_bytes(data)
    source = open_source(f"folder:{tmp_path / 'photos'}")
    report = prepared(tmp_path, {"test": source})
    kept = open_source(report["splits"]["test"]["spec"])
    theirs: Any = tfds.data_source("mini", data_dir=tmp_path / "out", split="test")
    for index, (name, data) in enumerate(files.items()):
        found = kept.read(index)
        assert (found == data) == (name[0] in "ab")
        expected = decode_image(source.read(index), name)
        assert decode_image(found, name).tobytes() == expected.tobytes()
        np.testing.assert_array_equal(theirs[index]["image"], expected)
        assert Image.open(io.BytesIO(found)).format in ("JPEG", "PNG")


def test_pixels_in_memory_become_png(tmp_path: Path):
    images = np.stack([pixels(index) for index in range(4)])
    source = ArraySource(images, np.array([1, 0, -1, 1]), ("a", "b"))
    kept = open_source(prepared(tmp_path, {"test": source})["splits"]["test"]["spec"])
    assert kept.labels.tolist() == [1, 0, -1, 1]
    found = [np.asarray(decode_image(kept.read(i), "x")) for i in range(4)]
    np.testing.assert_array_equal(found, images)


def test_the_same_input_gives_the_same_bytes_wherever_it_lies(tmp_path: Path):
    first = folder(tmp_path)
    shutil.copytree(first, tmp_path / "elsewhere" / "copy")  # with its times
    for name, root in (("one", first), ("two", tmp_path / "elsewhere" / "copy")):
        prepare(
            {"test": open_source(f"folder:{root}")},
            tmp_path / name,
            PrepareOptions("mini", "small"),
        )
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert (tmp_path / "one" / "mini" / "small" / "1.0.0" / "dataset_info.json").is_file()


def test_a_second_call_verifies_and_mends(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    source = open_source(f"folder:{folder(tmp_path)}")
    report = prepared(tmp_path, {"test": source})
    directory = Path(report["directory"])
    whole = tree(directory)
    times = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    assert prepared(tmp_path, {"test": source}) == report
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == times

    first, second, third = sorted(directory.glob("*.array_record-*"))
    data = bytearray(first.read_bytes())
    data[100] ^= 1
    first.write_bytes(data)
    second.unlink()
    (directory / "label.labels.txt").write_text("half")
    with caplog.at_level(logging.INFO):
        prepared(tmp_path, {"test": source})
    assert tree(directory) == whole
    assert f"{first} isn't what was written: its checksum differs" in caplog.text
    assert f"{second} is gone; it is written again" in caplog.text
    assert third.stat().st_mtime_ns == times[third]


def test_what_was_begun_otherwise_is_refused_unless_overwritten(tmp_path: Path):
    root = folder(tmp_path)
    prepared(tmp_path, {"test": open_source(f"folder:{root}")})
    (root / "cat" / "new.png").write_bytes(encode(pixels(50)))
    changed = {"test": open_source(f"folder:{root}")}
    before = tree(tmp_path / "out")
    with pytest.raises(InputError, match=r"begun otherwise: images was .*12.*13.*--overwrite"):
        prepared(tmp_path, changed)
    with pytest.raises(InputError, match=r"shard_mib was 0.003, is 1;"):
        prepared(tmp_path, {"test": changed["test"]}, shard_mib=1)
    with pytest.raises(InputError, match="begun otherwise: images was"):
        prepared(tmp_path, {"val": changed["test"]})
    assert tree(tmp_path / "out") == before
    report = prepared(tmp_path, changed, overwrite=True)
    assert report["splits"]["test"]["images"] == 13
    assert len(open_source(report["splits"]["test"]["spec"])) == 13


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_others_put_there_is_left_alone(tmp_path: Path, overwrite: bool):
    directory = tmp_path / "out" / "mini" / "1.0.0"
    directory.mkdir(parents=True)
    (directory / "dataset_info.json").write_text("{}")
    with pytest.raises(InputError, match=r"didn't write what is there \(1 file: dataset_info"):
        prepared(tmp_path, {"a": open_source(f"folder:{folder(tmp_path)}")}, overwrite=overwrite)
    assert [path.name for path in directory.iterdir()] == ["dataset_info.json"]


def test_unreadable_images_are_named_or_left_out(tmp_path: Path):
    root = folder(tmp_path)
    (root / "cat" / "001.png").write_bytes(b"no image")
    good = root / "dog" / "000.png"
    good.write_bytes(good.read_bytes()[:-60])
    splits = {"test": open_source(f"folder:{root}")}
    with pytest.raises(
        FaultyDataError, match=r"1 image can't be read:\n  cat/001.png: not an image"
    ):
        prepared(tmp_path, splits)
    report = prepared(tmp_path, splits, skip_unreadable=True)["splits"]["test"]
    assert report["images"] == 10
    assert [line.partition(":")[0] for line in report["skipped"]] == ["cat/001.png", "dog/000.png"]
    kept = open_source(report["spec"])
    assert kept.labels.tolist() == [0] * 4 + [1] * 3 + [2] * 3
    with pytest.raises(FaultyDataError, match=r"cat/001.png"):
        prepared(tmp_path, splits)  # and isn't left out silently by a later call


def test_a_shard_of_unreadable_images_is_empty_and_a_split_of_them_an_error(tmp_path: Path):
    root = folder(tmp_path)
    for path in (*sorted((root / "cat").iterdir())[:4],):
        path.write_bytes(b"")
    splits = {"test": open_source(f"folder:{root}")}
    report = prepared(tmp_path, splits, skip_unreadable=True, shard_mib=0.002)["splits"]["test"]
    kept = open_source(report["spec"])
    assert kept.labels.tolist() == [0] + [1] * 4 + [2] * 3
    assert json.loads((tmp_path / f"out/mini/1.0.0/{MANIFEST_FILE}").read_text())["shards"][
        f"mini-test.array_record-00000-of-{report['shards']:05d}"
    ]["images"] == 0  # fmt: skip
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    splits = {"test": open_source(f"folder:{root}")}
    with pytest.raises(InputError, match="split 'test': no image of photos can be read"):
        prepared(tmp_path, splits, name="other", skip_unreadable=True)


def test_repeated_class_names_come_back_as_they_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    names = class_names("imagenet")
    assert len(set(names)) < len(names)
    images = np.stack([pixels(0), pixels(1)])
    source = ArraySource(images, np.array([744, 657]), names)
    kept = open_source(prepared(tmp_path, {"val": source})["splits"]["val"]["spec"])
    assert kept.class_names == names
    assert kept.labels.tolist() == [744, 657]
    assert "class names are repeated, or no single line" in caplog.text
    stored = (tmp_path / "out" / "mini" / "1.0.0" / "label.labels.txt").read_text().splitlines()
    assert len(set(stored)) == 1000


def test_unique_names():
    assert unique_names(["a", "b"]) == ["a", "b"]
    assert unique_names(["a", "a", "a (1)"]) == ["a", "a (1) (1)", "a (1)"]
    assert unique_names([" a\nb", ""]) == ["a b", "class 1"]


@pytest.mark.parametrize(
    ("splits", "options", "message"),
    [
        ({"all": CLASSES}, {}, "split 'all': TFDS wants .* keeps 'all'"),
        ({"a-b": CLASSES}, {}, "split 'a-b'"),
        ({}, {}, "no split"),
        ({"a": CLASSES, "b": ("cat", "dog", "fox")}, {}, r"other classes \(fox, owl\)"),
        ({"a": CLASSES, "b": CLASSES[::-1]}, {}, r"other classes \(the order\)"),
        ({"a": CLASSES}, {"name": "1st"}, "--name 1st: TFDS wants a letter"),
        ({"a": CLASSES}, {"name": "x", "config": "a/b"}, "--name x/a/b"),
        ({"a": CLASSES}, {"shard_mib": 0}, "--shard-mib 0: expected"),
    ],
)
def test_what_tfds_would_not_take_is_an_input_error(
    tmp_path: Path, splits: dict, options: dict, message: str
):
    images = pixels(0)[None]
    sources: dict[str, Source] = {
        name: ArraySource(images, np.array([0]), names) for name, names in splits.items()
    }
    with pytest.raises(InputError, match=message):
        prepared(tmp_path, sources, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("split", ["", "train"])
def test_a_source_is_not_written_into(tmp_path: Path, split: str):
    roots = [tmp_path / "photos" / name for name in ((split, "val") if split else ("",))]
    for root in roots:
        write_folder(root, COUNTS)
    splits: dict[str, Source] = {f"s{i}": open_source(f"folder:{r}") for i, r in enumerate(roots)}
    message = f"it would lie among the images of {tmp_path / 'photos'}; give another --name"
    with pytest.raises(InputError, match=re.escape(message)):
        prepare(splits, tmp_path, PrepareOptions("photos"))
    assert not (tmp_path / "photos" / "1.0.0").exists()


def test_repeated_file_names_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    images = np.stack([pixels(0), pixels(1)])
    source = ArraySource(images, np.array([0, 0]), ("a",), ids=["x", "x"])
    prepared(tmp_path, {"test": source})
    assert "test: 1 file name is there more than once: x" in caplog.text


def test_files_of_arrays_are_named_below_their_folder():
    ids = ["/data/CIFAR/a.npz[0]", "/data/CIFAR/a.npz[1]", "/data/CIFAR/b/c.npz[0]"]
    source = ArraySource(np.zeros((3, 1, 1, 3), np.uint8), np.zeros(3, int), ("a",), ids=ids)
    assert file_names(source) == ["a.npz[0]", "a.npz[1]", "b/c.npz[0]"]
    assert file_names(ArraySource(source.images, source.labels, ("a",), "m"))[1] == "m[1]"
