"""What a spec names: splits, and what TFDS may call the data set."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import files_of, pack_archive, write_folder, write_table
from tests.data.published_array_miniatures import ARRAYS
from tests.data.published_miniatures import write_miniature
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.prepare import PrepareOptions, prepare
from wiseft_jax.data.prepare_input import prepare_input, tfds_word
from wiseft_jax.data.prepared_shards import sha256_of
from wiseft_jax.data.specs import SourceOptions, open_source

COUNTS = {"cat": 2, "dog": 1}


def test_a_folder_has_one_split_that_can_be_named(tmp_path: Path):
    write_folder(tmp_path / "My photos", COUNTS)
    found = prepare_input(f"folder:{tmp_path / 'My photos'}")
    assert (found.name, found.config, list(found.splits)) == ("my_photos", "", ["train"])
    assert list(found.open(())) == ["train"]
    opened = found.open(("sketches",))
    assert {name: len(source) for name, source in opened.items()} == {"sketches": 3}
    write_folder(tmp_path / "x" / "val", COUNTS)
    found = prepare_input(f"folder:{tmp_path / 'x' / 'val'}")
    assert (found.name, list(found.splits)) == ("x", ["val"])


def test_a_folder_of_splits_has_them(tmp_path: Path):
    for split in ("train", "val"):
        write_folder(tmp_path / "photos" / split, COUNTS)
    (tmp_path / "photos" / ".cache").mkdir()
    found = prepare_input(f"mine=folder:{tmp_path / 'photos'}")
    assert (found.name, list(found.splits)) == ("mine", ["train", "val"])
    assert [len(source) for source in found.open(()).values()] == [3, 3]
    assert list(found.open(("val",))) == ["val"]
    with pytest.raises(InputError, match=r"unknown split of mine 'vla'.*Did you mean 'val'"):
        found.open(("train", "vla"))


SHAPES = {
    "folder": lambda root: f"folder:{root}",
    "tar": lambda root: str(pack_archive(root.with_suffix(".tar"), files_of(root, "photos/"))),
    "zip": lambda root: str(pack_archive(root.with_suffix(".zip"), files_of(root))),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_lies_beside_splits_with_their_classes_is_a_split(tmp_path: Path, shape: str):
    for split in ("train", "val", "sketches"):
        write_folder(tmp_path / "photos" / split, COUNTS)
    found = prepare_input(SHAPES[shape](tmp_path / "photos"))
    opened = found.open(())
    assert list(opened) == ["sketches", "train", "val"]
    assert {source.class_names for source in opened.values()} == {("cat", "dog")}
    report = prepare(opened, tmp_path / "out", PrepareOptions(found.name))
    assert (report["classes"], report["splits"]["sketches"]["images"]) == (2, 3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("beside", "counts", "message"),
    [
        ("sketches", {"cat": 1}, "sketches has other folders inside than train has"),
        ("docs", {".": 1}, "docs has other folders inside than train has"),
        ("my-photos", COUNTS, "my-photos can't be the name of a split, for TFDS wants letters"),
    ],
)
def test_what_may_be_no_split_is_refused_until_splits_are_named(
    tmp_path: Path, shape: str, beside: str, counts: dict[str, int], message: str
):
    for split in ("train", "val"):
        write_folder(tmp_path / "photos" / split, COUNTS)
    write_folder(tmp_path / "photos" / beside, counts)
    found = prepare_input(SHAPES[shape](tmp_path / "photos"))
    with pytest.raises(InputError, match=f"{message}.*; take those .*: --split train val;"):
        found.open(())
    assert [len(source) for source in found.open(("train", "val")).values()] == [3, 3]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_class_of_trains_is_a_class(tmp_path: Path, shape: str, caplog: pytest.LogCaptureFixture):
    write_folder(tmp_path / "photos", {"car": 1, "train": 2})
    found = prepare_input(SHAPES[shape](tmp_path / "photos"))
    (source,) = found.open(()).values()
    assert source.class_names == ("car", "train")
    assert "its classes include train, as splits are called" in caplog.text


@pytest.mark.parametrize("form", ["{}", "archive:{}", "mine=archive:{}"])
def test_an_archive_gives_the_bytes_of_its_folder(tmp_path: Path, form: str):
    root = tmp_path / "photos"
    write_folder(root / "train", COUNTS)
    write_folder(root / "test", COUNTS, seed=5)
    pack_archive(tmp_path / "photos.tar.gz", files_of(tmp_path / "photos", "photos/"))
    found = prepare_input(form.format(tmp_path / "photos.tar.gz"))
    assert found.name == ("mine" if form.startswith("mine") else "photos")
    digests = []
    for name, given in (("a", found), ("b", prepare_input(f"folder:{root}"))):
        prepare(given.open(()), tmp_path / name, PrepareOptions("photos"))
        files = sorted((tmp_path / name).rglob("*.array_record*"))
        digests.append({path.name: sha256_of(path) for path in files})
    assert digests[0] == digests[1]
    assert len(digests[0]) == 2


def test_published_splits_are_those_of_the_catalog(tmp_path: Path):
    for split in ("train", "test"):
        folder = tmp_path / "cifar-10.2"
        folder.mkdir(exist_ok=True)
        for name, data in ARRAYS["cifar10.2", split][0]().items():
            (folder / name).write_bytes(data)
    options = SourceOptions(root=str(tmp_path / "cifar-10.2"))
    found = prepare_input("published:cifar10.2", options)
    assert (found.name, list(found.splits)) == ("cifar10_2", ["train", "test"])
    report = prepare(found.open(()), tmp_path / "out", PrepareOptions(found.name))
    for split in ("train", "test"):
        source = open_source(f"published:cifar10.2:{split}", options)
        kept = open_source(report["splits"][split]["spec"])
        assert kept.class_names == source.class_names
        np.testing.assert_array_equal(kept.labels, source.labels)
        for index in range(len(source)):
            np.testing.assert_array_equal(decode_image(kept.read(index), ""), source.read(index))


def test_a_split_that_is_called_all_is_the_one_to_train_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    write_miniature(tmp_path, "eurosat", "all")
    found = prepare_input(f"published:eurosat@{tmp_path}")
    assert list(found.open(())) == ["train"]
    assert "eurosat: its only split is called all" in caplog.text
    assert "--split NAME" in caplog.text
    report = prepare(found.open(()), tmp_path / "out", PrepareOptions(found.name))
    assert report["splits"]["train"]["images"] == 2
    assert list(found.open(("pictures",))) == ["pictures"]


def test_a_split_that_is_the_sum_of_others_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    for split in ("train", "val", "test"):
        write_miniature(tmp_path, "resisc45", split)
    found = prepare_input(f"published:resisc45@{tmp_path}")
    assert list(found.open(())) == ["train", "val", "test"]
    assert "resisc45: all is the sum of the others" in caplog.text
    assert list(prepare_input(f"published:resisc45:all@{tmp_path}").open(())) == ["train"]


def test_a_split_that_a_published_set_is_whole_without_may_be_absent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for split in ("train", "test"):
        write_miniature(tmp_path, "gtsrb", split)
    found = prepare_input(f"published:gtsrb@{tmp_path}")
    assert list(found.open(())) == ["train", "test"]
    assert "gtsrb: train_online isn't there, and is left out" in caplog.text
    with pytest.raises(InputError, match="no such file or folder"):
        found.open(("train_online",))
    caplog.clear()
    write_miniature(tmp_path, "gtsrb", "train_online")
    assert len(prepare_input(f"published:gtsrb@{tmp_path}").open(())) == 3
    assert "left out" not in caplog.text


def test_how_to_take_some_splits_of_a_published_set_is_told(tmp_path: Path):
    write_miniature(tmp_path, "gtsrb", "train")
    with pytest.raises(InputError, match=r"To do without test: --split train$"):
        prepare_input(f"published:gtsrb@{tmp_path}").open(())
    wanted = re.escape(f"for several: published:gtsrb@{tmp_path} --split train test")
    with pytest.raises(InputError, match=wanted):
        prepare_input(f"published:gtsrb:train,test@{tmp_path}")


def test_objectnet_is_prepared_without_its_border(tmp_path: Path):
    write_miniature(tmp_path, "objectnet", "test")
    found = prepare_input(f"published:objectnet@{tmp_path}")
    report = prepare(found.open(()), tmp_path / "out", PrepareOptions(found.name))
    facts = report["splits"]["test"]
    assert (report["classes"], facts["images"], len(facts["empty_classes"])) == (113, 3, 110)
    source, kept = open_source(f"published:objectnet@{tmp_path}"), open_source(facts["spec"])
    assert kept.class_names == source.class_names
    for index in range(3):
        expected = source.read(index)
        assert expected.shape == (8, 12, 3)  # of 12 x 16, less 2 pixels on each side
        np.testing.assert_array_equal(decode_image(kept.read(index), ""), expected)


def test_a_variant_is_a_configuration(tmp_path: Path):
    found = prepare_input(f"published:imagenet-c/fog/3@{tmp_path}")
    assert (found.name, found.config, list(found.splits)) == ("imagenet_c", "fog_3", ["test"])


def test_tables_and_tfds_are_taken_too(tmp_path: Path, tfds_dirs: dict[str, Path]):
    write_folder(tmp_path, COUNTS)
    table = write_table(tmp_path / "list.csv", [("cat/000.png", "cat"), ("dog/000.png", "dog")])
    found = prepare_input(f"table:{table}")
    assert (found.name, {k: len(v) for k, v in found.open(()).items()}) == ("list", {"train": 2})
    options = SourceOptions(data_dir=str(tfds_dirs["tfrecord"]))
    found = prepare_input("tfds:mini_photos:test", options)
    assert (found.name, list(found.splits)) == ("mini_photos_test", ["test"])
    (source,) = found.open(()).values()
    assert len(source) == 5
    assert list(prepare_input("tfds:mini_photos:test[:2]", options).splits) == ["train"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("archive:", "nothing after it; write archive:FILE"),
        ("archive:gone.zip", "no such archive"),
        ("gone.tar.gz", "no such archive"),
        ("photos.rar", "are read: unpack photos.rar, and give the folder, as in folder:photos"),
        ("nowhere", "doesn't say what kind of data it is"),
        ("published:objectnett", "Did you mean 'objectnet'"),
    ],
)
def test_what_is_neither_is_an_input_error(text: str, message: str):
    with pytest.raises(InputError, match=message):
        prepare_input(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("cifar10.2", "cifar10_2"),
        ("My Photos!", "my_photos"),
        ("1st", "images_1st"),
        ("é", "images"),
    ],
)
def test_names_become_words(text: str, word: str):
    assert tfds_word(text) == word
