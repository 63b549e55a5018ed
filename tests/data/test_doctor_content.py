"""The same image in two splits: which splits must have none in common, and when it is a fault."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.builders import pixels
from tests.data.published_array_miniatures import write_arrays
from tests.data.published_miniatures import write_miniature
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.doctor import check_dataset
from wiseft_jax.data.doctor_content import content_findings
from wiseft_jax.data.doctor_report import Finding, Report
from wiseft_jax.data.source import Dataset, array_dataset


def overlaps(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.kind == "overlap"]


def split_of(name: str, *seeds: int) -> Dataset:
    images = np.stack([pixels(seed) for seed in seeds])
    return array_dataset(images, np.zeros(len(seeds), int), ["a"], name=name)


def test_an_image_to_train_and_to_test_on_is_found_by_its_content(tmp_path: Path):
    for split in ("train", "val"):
        write_miniature(tmp_path, "imagenet", split)
    folder = tmp_path / "imagenet"
    for path in sorted((folder / "val").rglob("*.JPEG")):  # the miniatures have the same pixels
        path.write_bytes(path.read_bytes() + b"another tail")
    assert overlaps(check_dataset("imagenet", tmp_path)) == []
    copied = folder / "train/n15075141/n00000000_00000003.JPEG"
    shutil.copy(copied, folder / "val/n15075141/again.JPEG")
    (finding,) = overlaps(check_dataset("imagenet", tmp_path))
    assert finding.where == (str(copied), str(folder / "val/n15075141/again.JPEG"))
    assert (finding.severity, finding.split) == ("error", "train, val")
    assert "1 image is in train and in val" in finding.what


def test_an_image_that_two_lists_name_is_found(tmp_path: Path):
    for split in ("train", "test"):
        write_miniature(tmp_path, "food101", split)
    (finding,) = overlaps(check_dataset("food101", tmp_path))
    assert "3 images are listed in train and in test" in finding.what
    assert finding.where[0].endswith("images/cheese_plate/101251.jpg")
    (tmp_path / "food-101/meta/test.json").write_text('{"cheesecake": ["cheesecake/999"]}')
    assert overlaps(check_dataset("food101", tmp_path)) == []


def test_arrays_are_compared_by_their_pixels(tmp_path: Path):
    for split in ("train", "test"):
        write_arrays(tmp_path, "cifar10.2", split)  # of the same pixels
    (finding,) = overlaps(check_dataset("cifar10.2", tmp_path))
    assert len(finding.where) == 4
    assert finding.where[0].endswith("cifar102_train.npz[0]")


@pytest.mark.parametrize(
    ("complete", "severity"), [(True, "note"), (False, "warning"), (None, "warning")]
)
def test_what_is_doubled_in_a_set_of_the_published_size_is_a_note(
    complete: bool | None, severity: str
):
    (finding,) = content_findings([split_of("test", 1, 2, 1)], {"test": complete})
    assert (finding.kind, finding.severity) == ("duplicate", severity)
    assert ("its authors ship them so" in finding.fix) == bool(complete)
    assert finding.where == ("test[0]", "test[2]")


@pytest.mark.parametrize(
    ("first", "second", "complete", "severity"),
    [
        ("train", "test", {"train": True, "test": True}, "note"),
        ("train", "test", {"train": True, "test": None}, "error"),
        ("val", "test", {"val": False, "test": None}, "error"),
        ("train", "extra", {"train": False, "extra": False}, None),
        ("all", "test", {"all": False, "test": False}, None),
    ],
)
def test_which_splits_must_have_no_image_in_common(
    first: str, second: str, complete: dict[str, bool | None], severity: str | None
):
    found = content_findings([split_of(first, 1, 2), split_of(second, 2, 3)], complete)
    assert [finding.severity for finding in found] == ([severity] if severity else [])


def test_two_labels_of_an_image_are_a_conflict():
    test = dataclasses.replace(split_of("test", 1, 1, 2), labels=np.array([0, 1, 0]))
    (finding,) = content_findings([test], {"test": False})
    assert (finding.kind, finding.severity) == ("label_conflict", "error")


def test_every_split_of_the_catalog_has_a_known_role():
    names = {split.name for entry in DATASETS.values() for split in entry.layout.splits}
    assert names == {
        "all", "train", "train_online", "extra", "val", "test", "id_val", "id_test",
    }  # fmt: skip
