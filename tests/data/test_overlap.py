from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import encode, pixels, write_folder
from wiseft_jax.data import overlap as overlap_module
from wiseft_jax.data.overlap import find_overlap, same_content, warn_of_overlap
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.data.specs import SourceOptions, open_source


def open_folder(path: Path, name: str) -> Dataset:
    source = open_source(f"{name}=folder:{path}")
    return Dataset(name, source, source.labels)


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """Two folders with two images in common: one under another name, one under another class."""
    write_folder(tmp_path / "train", {"a": 3, "b": 3})
    write_folder(tmp_path / "test", {"a": 2, "b": 2}, seed=50)
    (tmp_path / "test" / "a" / "copy.png").write_bytes(encode(pixels(1)))
    (tmp_path / "test" / "b" / "moved.png").write_bytes(encode(pixels(2)))
    return open_folder(tmp_path / "train", "train"), open_folder(tmp_path / "test", "test")


def test_the_same_bytes_are_found_under_another_name(sets: tuple[Dataset, Dataset]):
    assert find_overlap(*sets) == [(1, 2), (2, 5)]
    assert find_overlap(*sets[::-1]) == [(2, 1), (5, 2)]


def test_a_subset_is_looked_at_alone(sets: tuple[Dataset, Dataset]):
    train, test = sets
    assert find_overlap(train.subset(np.array([0, 2])), test) == [(1, 5)]
    assert find_overlap(train.subset(np.array([0])), test) == []


def test_parts_of_one_source_overlap_only_in_repeated_images(tmp_path: Path):
    write_folder(tmp_path, {"a": 4})
    (tmp_path / "a" / "zzz.png").write_bytes(encode(pixels(0)))
    dataset = open_folder(tmp_path, "all")
    first, second = dataset.subset(np.array([0, 1])), dataset.subset(np.array([2, 3]))
    assert find_overlap(first, second) == []
    assert find_overlap(first, dataset.subset(np.array([2, 4]))) == [(0, 1)]


def test_only_files_whose_sizes_collide_are_read(tmp_path: Path, monkeypatch):
    for name, contents in {"train": (b"1", b"22"), "test": (b"333", b"44")}.items():
        (tmp_path / name / "a").mkdir(parents=True)
        for index, content in enumerate(contents):
            (tmp_path / name / "a" / f"{index}.png").write_bytes(content)
    sets = open_folder(tmp_path / "train", "train"), open_folder(tmp_path / "test", "test")
    read: list[str] = []
    original = type(sets[0].source).read
    monkeypatch.setattr(
        type(sets[0].source),
        "read",
        lambda self, index: read.append(self.ids[index]) or original(self, index),
    )
    assert find_overlap(*sets) == []
    assert [Path(path).parent.parent.name for path in read] == ["train", "test"]


def test_the_warning_says_which_and_whether_labels_differ(sets: tuple[Dataset, Dataset], caplog):
    assert warn_of_overlap(*sets) == 2
    assert "2 of 6 images of test (test) are also in train (test)" in caplog.text
    assert f"{sets[0].id(1)} = {sets[1].id(2)}" in caplog.text
    assert "1 of them have another label there" in caplog.text
    assert "moved.png" in caplog.text


def test_no_overlap_no_word(sets: tuple[Dataset, Dataset], caplog):
    train, test = sets
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        assert warn_of_overlap(train, test.subset(np.array([0, 1]))) == 0
    assert caplog.text == ""


def test_images_in_memory_are_compared():
    images = np.stack([pixels(index) for index in range(4)])
    first = array_dataset(images[:3], np.zeros(3, int), ["a"])
    second = array_dataset(images[2:], np.zeros(2, int), ["a"])
    assert find_overlap(first, second) == [(2, 0)]
    assert find_overlap(first, array_dataset(images[3:], np.zeros(1, int), ["a"])) == []
    wider = array_dataset(images.reshape(4, 16, 12, 3), np.zeros(4, int), ["a"])
    assert find_overlap(first, wider) == []


def test_what_can_not_be_compared_is_said(sets, tfds_dirs: dict[str, Path], caplog):
    source = open_source(
        "tfds:mini_photos:train", SourceOptions(data_dir=str(tfds_dirs["tfrecord"]))
    )
    records = Dataset("records", source, source.labels)
    memory = array_dataset(np.stack([pixels(0)]), np.zeros(1, int), ["a"])
    assert find_overlap(sets[0], records) is None
    assert find_overlap(records, sets[0]) is None
    assert find_overlap(sets[0], memory) is None
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        assert warn_of_overlap(sets[0], records) == 0
    assert "train and records: not checked" in caplog.text


def test_missing_files_are_left_to_others(sets: tuple[Dataset, Dataset], monkeypatch):
    Path(sets[0].id(1)).unlink()
    assert find_overlap(*sets) == [(2, 5)]
    stale = overlap_module.FileSource.stats

    def as_before(self):  # the file vanishes after its size was taken
        sizes, times = stale(self)
        return np.where(sizes < 0, len(encode(pixels(1))), sizes), times

    monkeypatch.setattr(overlap_module.FileSource, "stats", as_before)
    assert find_overlap(*sets) == [(2, 5)]


def test_of_long_files_the_rest_is_read_only_if_the_beginnings_are_the_same(
    tmp_path: Path, monkeypatch
):
    beginning, other = bytes(5000), b"x" * 5000
    contents = {
        "a": beginning + b"1",
        "b": beginning + b"2",
        "c": other + b"1",
        "d": beginning + b"1",
    }
    (tmp_path / "all").mkdir()
    for name, content in contents.items():
        (tmp_path / "all" / f"{name}.png").write_bytes(content)
    dataset = open_folder(tmp_path, "all")
    read: list[str] = []
    original = type(dataset.source).read
    monkeypatch.setattr(
        type(dataset.source),
        "read",
        lambda self, index: read.append(Path(self.ids[index]).stem) or original(self, index),
    )
    assert same_content([dataset]) == [[(0, 0), (0, 3)]]
    assert read == ["a", "b", "d"]


def test_an_image_may_be_several_times_in_several_sets(sets: tuple[Dataset, Dataset]):
    train, test = sets
    groups = same_content([train, test, test])
    assert groups is not None
    assert [(0, 1), (1, 2), (2, 2)] in groups
    assert len(groups) == len(test)  # each image of the second and third set
    Path(test.id(0)).write_bytes(b"")
    Path(test.id(1)).write_bytes(b"")
    assert same_content([test]) == []  # empty files aren't the same image
