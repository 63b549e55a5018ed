from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import encode, pixels, write_folder
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.folder import split_folders
from wiseft_jax.data.specs import open_source


def open_folder(path: Path):
    return open_source(f"folder:{path}")


def test_classes_and_files_are_sorted(tmp_path: Path):
    write_folder(tmp_path, {"dog": 2, "Cat": 1, "10": 1, "9": 1})
    source = open_folder(tmp_path)
    assert source.class_names == ("10", "9", "Cat", "dog")
    assert [Path(path).relative_to(tmp_path).as_posix() for path in source.ids] == [
        "10/000.png", "9/000.png", "Cat/000.png", "dog/000.png", "dog/001.png",
    ]  # fmt: skip
    assert source.labels.tolist() == [0, 1, 2, 3, 3]


def test_images_at_any_depth_belong_to_the_folder_at_the_top(tmp_path: Path):
    write_folder(tmp_path, {"cat/indoors/2024": 1, "cat": 1, "dog/old": 2})
    source = open_folder(tmp_path)
    assert source.class_names == ("cat", "dog")
    assert source.labels.tolist() == [0, 0, 1, 1]


def test_links_to_files_and_folders_are_followed_and_cycles_are_not(tmp_path: Path):
    write_folder(tmp_path / "real", {"cat": 2, "wolf": 1})
    root = tmp_path / "linked"
    (root / "dog").mkdir(parents=True)
    (root / "cat").symlink_to(tmp_path / "real" / "cat")
    (root / "dog" / "one.png").symlink_to(tmp_path / "real" / "wolf" / "000.png")
    (root / "dog" / "again").symlink_to(root / "dog")
    source = open_folder(root)
    assert source.labels.tolist() == [0, 0, 1]
    assert source.read(2) == encode(pixels(2))


def test_what_is_no_image_is_skipped_with_a_count(tmp_path: Path, caplog):
    write_folder(tmp_path, {"cat": 1, "dog": 1})
    for name in ("cat/notes.txt", "cat/more.txt", "dog/data.JSON", "dog/README", "top.txt"):
        (tmp_path / name).write_text("text")
    for name in ("cat/.DS_Store", "dog/Thumbs.db", ".hidden.png"):
        (tmp_path / name).write_text("text")
    for name in (".git", "__MACOSX", "cat/.cache"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(encode(pixels(0)))
    source = open_folder(tmp_path)
    assert len(source) == 2
    assert source.class_names == ("cat", "dog")
    (record,) = [record for record in caplog.records if "no images" in record.getMessage()]
    message = record.getMessage()
    assert record.levelno == logging.WARNING
    assert "skipped 11 files" in message
    assert "3 .txt (" in message
    assert "1 .JSON (data.JSON)" in message
    assert "1 no suffix (README)" in message
    assert "6 hidden (" in message


def test_hidden_files_alone_are_no_warning(tmp_path: Path, caplog):
    write_folder(tmp_path, {"cat": 1, "dog": 1})
    (tmp_path / "cat" / ".DS_Store").touch()
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        open_folder(tmp_path)
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert "skipped 1 file" in record.getMessage()


def test_suffixes_count_in_any_case(tmp_path: Path):
    write_folder(tmp_path, {"cat": 1}, suffix=".JPeG")
    write_folder(tmp_path, {"dog": 1}, suffix=".PNG")
    assert len(open_folder(tmp_path)) == 2


def test_an_empty_class_is_a_warning_that_names_it(tmp_path: Path, caplog):
    write_folder(tmp_path, {"cat": 1, "dog": 0, "owl": 0})
    source = open_folder(tmp_path)
    assert source.class_names == ("cat", "dog", "owl")
    assert "no images in 2 class folders: dog, owl" in caplog.text


def test_images_beside_the_class_folders_are_left_out_with_a_warning(tmp_path: Path, caplog):
    write_folder(tmp_path, {"cat": 1, "dog": 1})
    (tmp_path / "loose.png").write_bytes(encode(pixels(0)))
    assert len(open_folder(tmp_path)) == 2
    assert "1 image lies outside of the class folders, left out (loose.png)" in caplog.text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: shutil.rmtree(root), "no such folder"),
        (lambda root: (root / "a.png").write_bytes(b"x"), "found none, and 1 image directly"),
        (lambda root: None, "found none, and 0 images directly"),
        (lambda root: write_folder(root, {"a": 0, "b": 0}), "2 class folders, and no image in any"),
        (
            lambda root: [write_folder(root / split, {"a": 1}) for split in ("train", "Val")],
            r"are splits \(Val, train\), not classes; give one of them, as in folder:.*/Val",
        ),
    ],
)
def test_what_is_no_folder_of_classes_is_refused(tmp_path: Path, make, message: str):
    root = tmp_path / "photos"
    root.mkdir()
    make(root)
    with pytest.raises(InputError, match=message):
        open_folder(root)


def test_a_file_is_no_folder(tmp_path: Path):
    table = tmp_path / "list.csv"
    table.write_text("path,label\n")
    with pytest.raises(InputError, match=r"found a file; did you mean 'table:.*list\.csv'"):
        open_folder(table)
    (tmp_path / "x.png").touch()
    with pytest.raises(InputError, match=r"found a file$"):
        open_folder(tmp_path / "x.png")


def test_a_copy_has_the_same_fingerprint(tmp_path: Path):
    write_folder(tmp_path / "one", {"cat": 2, "dog": 1})
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    first, second = open_folder(tmp_path / "one"), open_folder(tmp_path / "two")
    assert first.fingerprint() == second.fingerprint()
    (tmp_path / "two" / "dog").rename(tmp_path / "two" / "fox")
    assert open_folder(tmp_path / "two").fingerprint() != first.fingerprint()


def test_a_file_that_vanished_has_no_size(tmp_path: Path):
    write_folder(tmp_path, {"cat": 2})
    source = open_folder(tmp_path)
    (tmp_path / "cat" / "001.png").unlink()
    sizes, times = source.stats()
    assert sizes.tolist() == [len(encode(pixels(0))), -1]
    assert times[1] == -1
    assert np.all(times[0] > 0)


def test_an_archive_is_to_be_unpacked(tmp_path: Path):
    for name, said in (("a.zip", "unpack it, or make ArrayRecord"), ("a.rar", "unpack a.rar, and")):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=f"found a file; .*{said}"):
            open_folder(tmp_path / name)


def test_classes_that_are_called_as_splits_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    write_folder(tmp_path, {"train/cat": 1, "sketches/cat": 1})
    assert open_folder(tmp_path).class_names == ("sketches", "train")
    assert f"{tmp_path}: its classes include train, as splits are called" in caplog.text
    caplog.clear()
    write_folder(tmp_path / "plain", {"training set": 1, "cat": 1})
    open_folder(tmp_path / "plain")
    assert "as splits are called" not in caplog.text


@pytest.mark.parametrize(
    ("inside", "names", "doubt"),
    [
        ({}, (), ""),
        ({"cat": {"old"}, "dog": {"old"}}, (), ""),
        ({"car": {"old"}, "train": set()}, (), ""),
        ({"Train": {"a"}, "val": {"b"}}, ("Train", "val"), ""),
        ({"train": {"a", "b"}, "x": {"a", "b"}}, ("train", "x"), ""),
        ({"test": set(), "train": {"a"}, "x": {"a"}}, ("test", "train", "x"), "test has other"),
        ({"train": {"a"}, "x": {"a", "b"}, "y": set()}, ("train", "x", "y"), "x, y have other"),
        ({"train": {"a"}, "x y": {"a"}}, ("train", "x y"), "x y can't be the name of a split"),
    ],
)
def test_splits_share_their_folders(
    inside: dict[str, set[str]], names: tuple[str, ...], doubt: str
):
    found = split_folders(inside)
    assert found.names == names
    assert doubt in found.doubt
    assert bool(found.doubt) == bool(doubt)
