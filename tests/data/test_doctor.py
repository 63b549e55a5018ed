"""The doctor on every miniature of the catalog, and on faults that are planted in some."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.builders import encode, pixels
from tests.data.doctor_faults import (
    POINTER,
    check,
    copying,
    cutting,
    entry_of,
    nesting,
    of_kind,
    putting,
    renaming,
    write,
    write_eurosat,
)
from tests.data.published_array_miniatures import ARRAYS, VARIANTS
from tests.data.published_miniatures import MINIATURES
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.class_lists import CLASS_LISTS, class_keys
from wiseft_jax.data.doctor import check_dataset

BESIDE = {("imagenet-v2", "test"): {"extra_folder"}}
"""What a miniature has that isn't the data set's."""


@pytest.mark.parametrize(("name", "split"), [*MINIATURES, *ARRAYS])
def test_a_whole_miniature_lacks_classes_and_nothing_else(name: str, split: str, tmp_path: Path):
    names = write(tmp_path, name, split)
    report = check(tmp_path, name, split, len(names))
    variant = VARIANTS.get((name, split)) or getattr(MINIATURES.get((name, split)), "variant", "")
    (seen,) = [each for each in report.splits if each.variant == variant]
    assert (seen.state, seen.images, seen.opened, seen.bad) == (
        "checked",
        len(names),
        len(names),
        0,
    )
    assert seen.expected_classes == CLASS_LISTS[DATASETS[name].classes].count
    kinds = {finding.kind for finding in report.findings}
    if variant:
        assert kinds >= {"missing_variant"}
        kinds -= {"missing_variant", "image_count"}  # the third variant has an image of its own
    assert kinds == {"missing_class"} | BESIDE.get((name, split), set())


@pytest.mark.parametrize(("name", "split"), [*MINIATURES, *ARRAYS])
def test_an_absent_set_is_a_fault_with_a_fix(name: str, split: str, tmp_path: Path):
    report = check(tmp_path, name, split)
    (finding,) = report.faults
    assert finding.kind == "missing_split"
    assert DATASETS[name].layout.folder in finding.where[0]
    assert DATASETS[name].obtain in finding.fix
    assert {each.state for each in report.splits} == {"missing"}


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path):
    folder = write_eurosat(tmp_path)
    (folder / "River" / ".DS_Store").write_bytes(b"x")
    for root in (tmp_path, folder):
        report = check(root, "eurosat", "all", 20)
        assert report.findings == ()
        (seen,) = report.splits
        assert (seen.images, seen.classes, seen.opened) == (20, 10, 20)


_RIVER = "River/River_1.jpg"
EUROSAT_FAULTS: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "empty": (putting(_RIVER, b""), "empty_file", _RIVER, "remove what is empty"),
    "pointer": (putting(_RIVER, POINTER), "lfs_pointer", _RIVER, "git lfs pull"),
    "cut off": (cutting(_RIVER), "truncated_file", _RIVER, "download what is bad again"),
    "no image": (putting(_RIVER, b"<html>" * 300), "unreadable_image", _RIVER, "again"),
    "partial": (
        putting("River/River_3.jpg.crdownload", b"x"), "partial_download",
        "River/River_3.jpg.crdownload", "download again",
    ),
    "archive": (
        lambda folder: [shutil.make_archive(f"{folder}/River", "zip", folder / "River"),
                        shutil.rmtree(folder / "River")],
        "archive", "River.zip", "unzip ",
    ),
    "cut archive": (putting("EuroSAT.zip", b"PK123"), "truncated_file", "EuroSAT.zip", "again"),
    "no class": (
        lambda folder: shutil.rmtree(folder / "River"), "missing_class", "River", "again",
    ),
    "empty class": (
        lambda folder: [path.unlink() for path in (folder / "River").iterdir()],
        "empty_class", "River", "again",
    ),
    "too few": (lambda folder: (folder / _RIVER).unlink(), "image_count", "2750", "half"),
    "too many": (
        putting("River/River_3.jpg", encode(pixels(99), "JPEG")), "image_count", "2750", "remove",
    ),
    "extra class": (
        putting("Moon/Moon_1.jpg", encode(pixels(99), "JPEG")), "extra_folder", "Moon", "rename it",
    ),
    "other name": (
        renaming("River", "river"), "renamed_class", "river", "mv ",
    ),
    "a prompt's name": (
        renaming("SeaLake", "lake or sea"), "renamed_class", "lake or sea", "mv ",
    ),
    "numbers": (
        lambda folder: [(folder / key).rename(folder / str(label))
                        for label, key in enumerate(class_keys("eurosat"))],
        "class_order", "2750/0", "don't guess",
    ),
    "flat": (
        putting("loose.jpg", encode(pixels(99), "JPEG")), "flat_images", "loose.jpg", "move each",
    ),
    "class in itself": (
        nesting("River", "River/River"), "nested_folder", "River/River", "mv ",
    ),
    "twice": (copying(_RIVER, "River/River_3.jpg"), "duplicate", "River/River_3.jpg", "remove"),
    "two labels": (
        copying(_RIVER, "Forest/Forest_3.jpg"), "label_conflict", "Forest/Forest_3.jpg", "keep",
    ),
    "other folder": (
        renaming(_RIVER, "Forest/River_1.jpg"), "misplaced_image", "Forest/River_1.jpg", "River",
    ),
    "stray": (putting("River/list.txt", b"x"), "stray_file", "River/list.txt", "remove it"),
}  # fmt: skip


@pytest.mark.parametrize("fault", EUROSAT_FAULTS)
def test_a_planted_fault_is_found_in_folders(fault: str, tmp_path: Path):
    plant, kind, where, fix = EUROSAT_FAULTS[fault]
    folder = write_eurosat(tmp_path)
    plant(folder)
    report = check(tmp_path, "eurosat", "all", 20)
    finding = of_kind(report, kind)
    assert any(path.endswith(where) for path in finding.where)
    assert fix in finding.fix
    assert (finding in report.faults) == (kind != "stray_file")


@pytest.mark.parametrize("fault", ["other name", "a prompt's name", "class in itself"])
def test_the_command_of_a_fix_mends_folders(fault: str, tmp_path: Path):
    plant, kind, _, _ = EUROSAT_FAULTS[fault]
    plant(write_eurosat(tmp_path))
    finding = of_kind(check(tmp_path, "eurosat", "all", 20), kind)
    subprocess.run(["sh", "-c", finding.fix.splitlines()[-1]], check=True)
    assert check(tmp_path, "eurosat", "all", 20).findings == ()


def test_a_list_that_lacks_its_split_is_no_fault_if_the_whole_is_there(tmp_path: Path):
    write(tmp_path, "resisc45", "all")
    report = check_dataset("resisc45", tmp_path)
    lists = [finding for finding in report.findings if finding.kind == "missing_index"]
    assert [finding.severity for finding in lists] == ["note"] * 3
    assert of_kind(
        check_dataset("resisc45", tmp_path, splits=["val"]), "missing_index"
    ).severity == ("error")


def test_an_absent_split_is_a_note_unless_it_is_asked_for(tmp_path: Path):
    write(tmp_path, "imagenet", "val")
    archive = tmp_path / "imagenet" / "ILSVRC2012_img_train.tar"
    shutil.make_archive(str(archive.with_suffix("")), "tar", tmp_path / "imagenet" / "val")
    report = check_dataset("imagenet", tmp_path)
    assert of_kind(report, "missing_split").severity == "note"
    assert f"tar -xf {archive}" in of_kind(report, "archive").fix
    asked = check_dataset("imagenet", tmp_path, splits=["train"])
    assert of_kind(asked, "missing_split").severity == "error"


def test_the_files_of_reviewers_are_asked_for(tmp_path: Path):
    write(tmp_path, "ytbb-robust", "test")
    folder = tmp_path / DATASETS["ytbb-robust"].layout.folder / "metadata"
    (folder / "pmk_labels.json").unlink()
    finding = of_kind(check_dataset("ytbb-robust", tmp_path), "missing_index")
    assert finding.where == (str(folder / "pmk_labels.json"),)
    assert "ytbb-robust_metadata of mlfoundations/wise-ft" in finding.fix


def test_another_number_than_a_derived_one_is_a_note(tmp_path: Path):
    write(tmp_path, "ytbb-robust", "test")
    report = check_dataset("ytbb-robust", tmp_path)
    finding = of_kind(report, "image_count")
    assert (finding.severity, finding.expected) == ("note", "35,718 images")
    assert "derived" in finding.what
    assert not [found for found in report.faults if found.kind == "image_count"]


def test_a_sample_is_seeded_and_deep_opens_all(tmp_path: Path):
    folder = write_eurosat(tmp_path)
    cutting(_RIVER)(folder)
    entry = entry_of("eurosat", "all", 20)
    some = [
        check_dataset("eurosat", tmp_path, sample=5, seed=seed, entry=entry) for seed in range(9)
    ]
    assert {report.splits[0].opened for report in some} == {5}
    assert 0 < sum(bool(report.findings) for report in some) < 9
    again = check_dataset("eurosat", tmp_path, sample=5, seed=3, entry=entry)
    assert again.findings == some[3].findings
    none = check_dataset("eurosat", tmp_path, sample=0, entry=entry)
    assert (none.splits[0].opened, none.findings) == (0, ())
    deep = check_dataset("eurosat", tmp_path, sample=0, deep=True, entry=entry)
    assert of_kind(deep, "truncated_file").where == (str(folder / _RIVER),)


def test_readers_are_silent_while_they_are_asked(tmp_path: Path, caplog):
    write(tmp_path, "imagenet-v2", "test")
    check(tmp_path, "imagenet-v2", "test")
    assert caplog.text == ""


def test_what_was_given_wrong_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="unknown data set 'eurosta'"):
        check_dataset("eurosta", tmp_path)
    with pytest.raises(InputError, match="unknown split of eurosat 'al'"):
        check_dataset("eurosat", tmp_path, splits=["al"])
    with pytest.raises(InputError, match="no such folder"):
        check_dataset("eurosat", tmp_path / "nowhere")
