"""Faults planted in numbered folders, lists, tables, arrays and videos."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.doctor_faults import (
    POINTER,
    check,
    cutting,
    nesting,
    of_kind,
    putting,
    renaming,
    saving,
    write,
)
from tests.data.published_miniatures import cars_devkit
from wiseft_jax.data.catalog import DATASETS

_V1, _C10, _FRAME = "val/ILSVRC2015_val_00007021/000045.JPEG", "data_batch_1.bin", "pmsets.json"
LAYOUT_FAULTS: dict[
    str, tuple[tuple[str, str], Callable[[Path], object], str, str, str]
] = {
    "from 1": (
        ("imagenet-v2", "test"), lambda folder: shutil.rmtree(folder / "0"), "class_order", "1000",
        "number before",
    ),
    "zeros": (("imagenet-v2", "test"), renaming("2", "0002"), "renamed_class", "0002", "mv "),
    "ids": (
        ("imagenet-v2", "test"), renaming("2", "n01484850"), "renamed_class", "n01484850", "mv ",
    ),
    "no list": (
        ("dtd", "train"), lambda folder: (folder / "labels/train1.txt").unlink(),
        "missing_index", "labels/train1.txt", "get it",
    ),
    "bad list": (
        ("dtd", "train"), putting("labels/train1.txt", b"sky/sky_1.jpg\n"), "bad_index",
        "labels/train1.txt", "get it again",
    ),
    "list's pointer": (
        ("dtd", "train"), putting("labels/train1.txt", POINTER), "lfs_pointer",
        "labels/train1.txt", "git lfs pull",
    ),
    "unlisted": (
        ("dtd", "train"), lambda folder: (folder / "images/banded/banded_0002.jpg").unlink(),
        "missing_image", "images/banded/banded_0002.jpg", "half",
    ),
    "split in itself": (
        ("imagenet-r-val-classes", "val"), nesting("val_in_folder", "val_in_folder/val_in_folder"),
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
        putting("devkit/cars_train_annos.mat", cars_devkit([("00001.jpg", 0)])),
        "class_order", "cars_train_annos.mat", "1 to 196",
    ),
    "no class's": (
        ("gtsrb", "test"),
        putting("GT-final_test.csv", b"Filename;ClassId\n00000.ppm;77\n"),
        "bad_label", "GT-final_test.csv", "0 to 42",
    ),
    "cut table": (
        ("cars", "train"), cutting("devkit/cars_train_annos.mat"), "bad_index",
        "cars_train_annos.mat", "get it again",
    ),
    "other order": (
        ("cifar10", "train"), putting("batches.meta.txt", b"bird\nairplane\n\n"), "class_order",
        "batches.meta.txt", "as its authors ship it",
    ),
    "cut records": (("cifar10", "train"), cutting(_C10), "truncated_file", _C10, "again"),
    "empty records": (("cifar10", "train"), putting(_C10, b""), "empty_file", _C10, "again"),
    "pickles": (
        ("cifar10", "test"), lambda folder: [
            (folder / "test_batch.bin").unlink(), putting("batches.meta", b"x")(folder)],
        "pickle", "cifar-10-batches-bin", "binary version",
    ),
    "label": (
        ("cifar10.1", "test"), saving(**{"cifar10.1_v6_labels": np.array([3, 8, 77])}),
        "bad_label", "cifar10.1_v6", "0 to 9",
    ),
    "no labels": (
        ("cifar10.1", "test"), lambda folder: (folder / "cifar10.1_v6_labels.npy").unlink(),
        "missing_index", "cifar10.1_v6_labels.npy", "get it",
    ),
    "cut array": (
        ("cifar10.1", "test"), cutting("cifar10.1_v6_data.npy"), "damaged_file",
        "cifar10.1_v6_data.npy", "again",
    ),
    "cut zip": (
        ("cifar10.2", "test"), cutting("cifar102_test.npz"), "damaged_file", ".npz", "again",
    ),
    "cut idx": (
        ("mnist", "test"), cutting("t10k-images-idx3-ubyte"), "truncated_file", "ubyte", "again",
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
        ("vid-robust", "val"), putting(f"metadata/{_FRAME}", b"{"), "bad_index", _FRAME, "again",
    ),
    "cut frame": (("vid-robust", "val"), cutting(_V1), "truncated_file", _V1, "again"),
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


@pytest.mark.parametrize("fault", ["split in itself", "nested", "other folder", "zeros", "ids"])
def test_the_command_of_a_fix_mends_other_layouts(fault: str, tmp_path: Path):
    (name, split), plant, kind, _, _ = LAYOUT_FAULTS[fault]
    write(tmp_path, name, split)
    before = {finding.kind for finding in check(tmp_path, name, split).findings}
    plant(tmp_path / DATASETS[name].layout.folder)
    finding = of_kind(check(tmp_path, name, split), kind)
    subprocess.run(["sh", "-c", finding.fix.splitlines()[-1]], check=True)
    assert {finding.kind for finding in check(tmp_path, name, split).findings} == before
