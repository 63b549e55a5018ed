"""The doctor on every miniature of the catalog, and on faults that are planted in some."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import encode, pixels
from tests.data.published_array_miniatures import ARRAYS, VARIANTS, write_arrays
from tests.data.published_miniatures import MINIATURES, cars_devkit, write_miniature
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.class_lists import CLASS_LISTS, class_keys
from wiseft_jax.data.doctor import check_dataset
from wiseft_jax.data.doctor_report import Finding, Report
from wiseft_jax.data.entry import DatasetEntry

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
BESIDE = {("imagenet-v2", "test"): {"extra_folder"}}
"""What a miniature has that isn't the data set's."""


def entry_of(name: str, split: str, images: int | None) -> DatasetEntry:
    """Return the catalog's entry, with another number of images of a split."""
    entry = DATASETS[name]
    splits = tuple(
        dataclasses.replace(each, images=images) if each.name == split else each
        for each in entry.layout.splits
    )
    return dataclasses.replace(entry, layout=dataclasses.replace(entry.layout, splits=splits))


def write(root: Path, name: str, split: str) -> list[str]:
    """Write a miniature; return what a prompt says for each of its images."""
    if (name, split) in ARRAYS:
        return list(write_arrays(root, name, split))
    return list(write_miniature(root, name, split).images.values())


def check(root: Path, name: str, split: str, images: int | None = None) -> Report:
    return check_dataset(name, root, splits=[split], entry=entry_of(name, split, images))


def of_kind(report: Report, kind: str) -> Finding:
    (found,) = [finding for finding in report.findings if finding.kind == kind]
    return found


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


def write_eurosat(root: Path) -> Path:
    """Write two images of each class of EuroSAT; return its folder."""
    for number, key in enumerate(class_keys("eurosat")):
        for index in range(2):
            path = root / "2750" / key / f"{key}_{index + 1}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(pixels(2 * number + index, 40, 40), "JPEG"))
    return root / "2750"


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path):
    folder = write_eurosat(tmp_path)
    (folder / "River" / ".DS_Store").write_bytes(b"x")
    for root in (tmp_path, folder):
        report = check(root, "eurosat", "all", 20)
        assert report.findings == ()
        (seen,) = report.splits
        assert (seen.images, seen.classes, seen.opened) == (20, 10, 20)


def _rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / old).rename(folder / new)


def _put(path: str, data: bytes) -> Callable[[Path], object]:
    def put(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)

    return put


def _cut(path: str, keep: float = 0.6) -> Callable[[Path], object]:
    def cut(folder: Path) -> None:
        data = (folder / path).read_bytes()
        (folder / path).write_bytes(data[: int(keep * len(data))])

    return cut


def _copy(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: shutil.copy(folder / old, folder / new)


def _nest(path: str, inner: str) -> Callable[[Path], object]:
    def nest(folder: Path) -> None:
        (folder / path).rename(folder / "aside")
        (folder / inner).parent.mkdir(parents=True, exist_ok=True)
        (folder / "aside").rename(folder / inner)

    return nest


_RIVER = "River/River_1.jpg"
EUROSAT_FAULTS: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "empty": (_put(_RIVER, b""), "empty_file", _RIVER, "remove what is empty"),
    "pointer": (_put(_RIVER, POINTER), "lfs_pointer", _RIVER, "git lfs pull"),
    "cut off": (_cut(_RIVER), "truncated_file", _RIVER, "download what is bad again"),
    "no image": (_put(_RIVER, b"<html>" * 300), "unreadable_image", _RIVER, "again"),
    "partial": (
        _put("River/River_3.jpg.crdownload", b"x"), "partial_download",
        "River/River_3.jpg.crdownload", "download again",
    ),
    "archive": (
        lambda folder: [shutil.make_archive(f"{folder}/River", "zip", folder / "River"),
                        shutil.rmtree(folder / "River")],
        "archive", "River.zip", "unzip ",
    ),
    "cut archive": (_put("EuroSAT.zip", b"PK123"), "truncated_file", "EuroSAT.zip", "again"),
    "no class": (
        lambda folder: shutil.rmtree(folder / "River"), "missing_class", "River", "again",
    ),
    "empty class": (
        lambda folder: [path.unlink() for path in (folder / "River").iterdir()],
        "empty_class", "River", "again",
    ),
    "too few": (lambda folder: (folder / _RIVER).unlink(), "image_count", "2750", "half"),
    "too many": (
        _put("River/River_3.jpg", encode(pixels(99), "JPEG")), "image_count", "2750", "remove",
    ),
    "extra class": (
        _put("Moon/Moon_1.jpg", encode(pixels(99), "JPEG")), "extra_folder", "Moon", "rename it",
    ),
    "other name": (
        _rename("River", "river"), "renamed_class", "river", "mv ",
    ),
    "a prompt's name": (
        _rename("SeaLake", "lake or sea"), "renamed_class", "lake or sea", "mv ",
    ),
    "numbers": (
        lambda folder: [(folder / key).rename(folder / str(label))
                        for label, key in enumerate(class_keys("eurosat"))],
        "class_order", "2750/0", "don't guess",
    ),
    "flat": (
        _put("loose.jpg", encode(pixels(99), "JPEG")), "flat_images", "loose.jpg", "move each",
    ),
    "class in itself": (
        _nest("River", "River/River"), "nested_folder", "River/River", "mv ",
    ),
    "twice": (_copy(_RIVER, "River/River_3.jpg"), "duplicate", "River/River_3.jpg", "remove"),
    "two labels": (
        _copy(_RIVER, "Forest/Forest_3.jpg"), "label_conflict", "Forest/Forest_3.jpg", "keep",
    ),
    "other folder": (
        _rename(_RIVER, "Forest/River_1.jpg"), "misplaced_image", "Forest/River_1.jpg", "River",
    ),
    "stray": (_put("River/list.txt", b"x"), "stray_file", "River/list.txt", "remove it"),
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


def _arrays(**arrays: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: [
        np.save(folder / f"{name}.npy", array, allow_pickle=False) for name, array in arrays.items()
    ]


_V1, _C10, _FRAME = "val/ILSVRC2015_val_00007021/000045.JPEG", "data_batch_1.bin", "pmsets.json"
LAYOUT_FAULTS: dict[
    str, tuple[tuple[str, str], Callable[[Path], object], str, str, str]
] = {
    "from 1": (
        ("imagenet-v2", "test"), lambda folder: shutil.rmtree(folder / "0"), "class_order", "1000",
        "number before",
    ),
    "zeros": (("imagenet-v2", "test"), _rename("2", "0002"), "renamed_class", "0002", "mv "),
    "ids": (
        ("imagenet-v2", "test"), _rename("2", "n01484850"), "renamed_class", "n01484850", "mv ",
    ),
    "no list": (
        ("dtd", "train"), lambda folder: (folder / "labels/train1.txt").unlink(),
        "missing_index", "labels/train1.txt", "get it",
    ),
    "bad list": (
        ("dtd", "train"), _put("labels/train1.txt", b"sky/sky_1.jpg\n"), "bad_index",
        "labels/train1.txt", "get it again",
    ),
    "list's pointer": (
        ("dtd", "train"), _put("labels/train1.txt", POINTER), "lfs_pointer",
        "labels/train1.txt", "git lfs pull",
    ),
    "unlisted": (
        ("dtd", "train"), lambda folder: (folder / "images/banded/banded_0002.jpg").unlink(),
        "missing_image", "images/banded/banded_0002.jpg", "half",
    ),
    "split in itself": (
        ("imagenet-r-val-classes", "val"), _nest("val_in_folder", "val_in_folder/val_in_folder"),
        "nested_folder", "val_in_folder/val_in_folder", "val_in_folder/val_in_folder/* ",
    ),
    "nested": (
        ("imagenet-r", "test"), lambda folder: folder.rename(folder.parent / "x") and (
            folder.mkdir(), (folder.parent / "x").rename(folder / "imagenet-r")),
        "nested_folder", "imagenet-r/imagenet-r", "mv ",
    ),
    "other folder": (
        ("cars", "train"), lambda folder: folder.rename(folder.parent / "Cars"),
        "nested_folder", "Cars", "mv ",
    ),
    "no table": (
        ("gtsrb", "test"), lambda folder: (folder / "GT-final_test.csv").unlink(),
        "missing_index", "GT-final_test.csv", "get it",
    ),
    "no row's image": (
        ("gtsrb", "test"), lambda folder: (folder / "GTSRB/Final_Test/Images/00001.ppm").unlink(),
        "missing_image", "00001.ppm", "half",
    ),
    "from 0": (
        ("cars", "train"),
        _put("devkit/cars_train_annos.mat", cars_devkit([("00001.jpg", 0)])),
        "class_order", "cars_train_annos.mat", "1 to 196",
    ),
    "no class's": (
        ("gtsrb", "test"),
        _put("GT-final_test.csv", b"Filename;ClassId\n00000.ppm;77\n"),
        "bad_label", "GT-final_test.csv", "0 to 42",
    ),
    "cut table": (
        ("cars", "train"), _cut("devkit/cars_train_annos.mat"), "bad_index",
        "cars_train_annos.mat", "get it again",
    ),
    "other order": (
        ("cifar10", "train"), _put("batches.meta.txt", b"bird\nairplane\n\n"), "class_order",
        "batches.meta.txt", "as its authors ship it",
    ),
    "cut records": (("cifar10", "train"), _cut(_C10), "truncated_file", _C10, "again"),
    "empty records": (("cifar10", "train"), _put(_C10, b""), "empty_file", _C10, "again"),
    "pickles": (
        ("cifar10", "test"), lambda folder: [
            (folder / "test_batch.bin").unlink(), _put("batches.meta", b"x")(folder)],
        "pickle", "cifar-10-batches-bin", "binary version",
    ),
    "label": (
        ("cifar10.1", "test"), _arrays(**{"cifar10.1_v6_labels": np.array([3, 8, 77])}),
        "bad_label", "cifar10.1_v6", "0 to 9",
    ),
    "no labels": (
        ("cifar10.1", "test"), lambda folder: (folder / "cifar10.1_v6_labels.npy").unlink(),
        "missing_index", "cifar10.1_v6_labels.npy", "get it",
    ),
    "cut array": (
        ("cifar10.1", "test"), _cut("cifar10.1_v6_data.npy"), "damaged_file",
        "cifar10.1_v6_data.npy", "again",
    ),
    "cut zip": (("cifar10.2", "test"), _cut("cifar102_test.npz"), "damaged_file", ".npz", "again"),
    "cut idx": (
        ("mnist", "test"), _cut("t10k-images-idx3-ubyte"), "truncated_file", "ubyte", "again",
    ),
    "twice": (
        ("cifar10.2", "train"), lambda folder: np.savez(
            folder / "cifar102_train.npz", images=np.ones((2, 32, 32, 3), np.uint8),
            labels=np.array([5, 5])),
        "duplicate", "cifar102_train.npz[1]", "remove",
    ),
    "no frame": (
        ("vid-robust", "val"), lambda folder: (folder / _V1).unlink(), "missing_image", _V1, "half",
    ),
    "no frames' labels": (
        ("vid-robust", "val"), lambda folder: (folder / "metadata/labels.json").unlink(),
        "missing_index", "metadata/labels.json", "get it",
    ),
    "bad sets": (
        ("vid-robust", "val"), _put(f"metadata/{_FRAME}", b"{"), "bad_index", _FRAME, "again",
    ),
    "cut frame": (("vid-robust", "val"), _cut(_V1), "truncated_file", _V1, "again"),
}  # fmt: skip


@pytest.mark.parametrize("fault", LAYOUT_FAULTS)
def test_a_planted_fault_is_found_in_other_layouts(fault: str, tmp_path: Path):
    (name, split), plant, kind, where, fix = LAYOUT_FAULTS[fault]
    write(tmp_path, name, split)
    plant(tmp_path / DATASETS[name].layout.folder)
    report = check(tmp_path, name, split)
    finding = of_kind(report, kind)
    assert any(path.endswith(where) or where in Path(path).name for path in finding.where)
    assert fix in finding.fix
    assert finding in report.faults


@pytest.mark.parametrize("fault", ["other name", "a prompt's name", "class in itself"])
def test_the_command_of_a_fix_mends_folders(fault: str, tmp_path: Path):
    plant, kind, _, _ = EUROSAT_FAULTS[fault]
    plant(write_eurosat(tmp_path))
    finding = of_kind(check(tmp_path, "eurosat", "all", 20), kind)
    subprocess.run(["sh", "-c", finding.fix.splitlines()[-1]], check=True)
    assert check(tmp_path, "eurosat", "all", 20).findings == ()


@pytest.mark.parametrize("fault", ["split in itself", "nested", "other folder", "zeros", "ids"])
def test_the_command_of_a_fix_mends_other_layouts(fault: str, tmp_path: Path):
    (name, split), plant, kind, _, _ = LAYOUT_FAULTS[fault]
    write(tmp_path, name, split)
    before = {finding.kind for finding in check(tmp_path, name, split).findings}
    plant(tmp_path / DATASETS[name].layout.folder)
    finding = of_kind(check(tmp_path, name, split), kind)
    subprocess.run(["sh", "-c", finding.fix.splitlines()[-1]], check=True)
    assert {finding.kind for finding in check(tmp_path, name, split).findings} == before


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


def test_labels_that_are_not_recorded_are_said_not_to_be_checked(tmp_path: Path):
    path = tmp_path / DATASETS["ytbb-robust"].layout.folder / "ytbb_videos" / "a" / "1.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(encode(pixels(0), "JPEG"))
    report = check(tmp_path, "ytbb-robust", "test", 1)
    assert [finding.kind for finding in report.findings] == ["labels_not_recorded"]
    assert (report.splits[0].images, report.splits[0].classes) == (1, None)


def test_a_sample_is_seeded_and_deep_opens_all(tmp_path: Path):
    folder = write_eurosat(tmp_path)
    _cut(_RIVER)(folder)
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
