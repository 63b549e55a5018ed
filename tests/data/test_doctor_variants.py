"""Corruptions and severities: which lack, and which are copies."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.published_array_miniatures import write_arrays
from tests.data.published_miniatures import write_miniature
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.doctor import check_dataset
from wiseft_jax.data.doctor_report import Finding, Report
from wiseft_jax.data.entry import DatasetEntry, Variants


def findings(report: Report, kind: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.kind == kind]


@pytest.fixture
def few() -> DatasetEntry:
    """ImageNet-C with two corruptions and one beside them, at two severities."""
    variants = Variants(("fog", "frost"), ("spatter",), (1, 2))
    return dataclasses.replace(DATASETS["imagenet-c"], variants=variants)


def write_few(root: Path, *variants: str) -> Path:
    """Write what the miniature has at zoom_blur/4 as other variants."""
    write_miniature(root / "made", "imagenet-c", "test")
    for number, variant in enumerate(variants):
        shutil.copytree(root / "made/ImageNet-C/zoom_blur/4", root / "ImageNet-C" / variant)
        for path in (root / "ImageNet-C" / variant).rglob("*.JPEG"):
            path.write_bytes(path.read_bytes() + b"x" * number)
    shutil.rmtree(root / "made")
    return root / "ImageNet-C"


def test_what_lacks_of_the_benchmark_is_a_fault_and_what_lacks_beside_it_is_none(
    few: DatasetEntry, tmp_path: Path
):
    folder = write_few(tmp_path, "fog/1", "fog/2", "frost/2")
    missing, beside = findings(check_dataset("imagenet-c", tmp_path, entry=few), "missing_variant")
    assert (missing.severity, missing.found) == ("error", "3")
    assert missing.where == (str(folder / "frost/1"),)
    assert "1 of the 4 variants of the benchmark isn't there: frost/1" in missing.what
    assert beside.severity == "note"
    assert "2 of the 2 variants beside the benchmark aren't there: spatter" in beside.what


def test_each_variant_is_reported_and_checked(few: DatasetEntry, tmp_path: Path):
    folder = write_few(tmp_path, "fog/1", "fog/2", "frost/1", "frost/2")
    bad = folder / "frost/1/n15075141/ILSVRC2012_val_00000003.JPEG"
    bad.write_bytes(b"")
    report = check_dataset("imagenet-c", tmp_path, entry=few)
    assert [(each.variant, each.state) for each in report.splits] == [
        ("fog/1", "checked"), ("fog/2", "checked"), ("frost/1", "checked"), ("frost/2", "checked"),
        ("spatter/1", "missing"), ("spatter/2", "missing"),
    ]  # fmt: skip
    (empty,) = findings(report, "empty_file")
    assert (empty.where, empty.split) == ((str(bad),), "test frost/1")


def test_a_variant_that_is_a_copy_of_another_is_found(few: DatasetEntry, tmp_path: Path):
    folder = write_few(tmp_path, "fog/1", "fog/2", "frost/1", "frost/2")
    report = check_dataset("imagenet-c", tmp_path, entry=few)
    assert findings(report, "duplicate") == []
    shutil.rmtree(folder / "fog/2")
    shutil.copytree(folder / "fog/1", folder / "fog/2")
    (copy,) = findings(check_dataset("imagenet-c", tmp_path, entry=few), "duplicate")
    assert copy.where == ("test fog/1", "test fog/2")


def test_variants_in_a_folder_for_their_archive_are_found(few: DatasetEntry, tmp_path: Path):
    folder = write_few(tmp_path, "fog/1", "weather/fog/2", "weather/frost/1", "weather/frost/2")
    report = check_dataset("imagenet-c", tmp_path, entry=few)
    (nested,) = findings(report, "nested_folder")
    assert nested.where == (str(folder / "weather"),)
    assert nested.split == "test fog/2, test frost/1, test frost/2"
    assert nested.fix == f"move it up:\nmv {folder}/weather/* {folder}/"
    (beside,) = findings(report, "missing_variant")
    assert beside.severity == "note"


def test_the_sample_is_of_all_variants_together(few: DatasetEntry, tmp_path: Path):
    write_few(tmp_path, "fog/1", "fog/2")
    report = check_dataset("imagenet-c", tmp_path, entry=few, sample=6)
    assert [each.opened for each in report.splits[:2]] == [3, 3]


def test_a_missing_array_is_all_severities_of_a_corruption(tmp_path: Path):
    write_arrays(tmp_path, "cifar10-c", "test")
    report = check_dataset("cifar10-c", tmp_path)
    missing, _ = findings(report, "missing_variant")
    assert len(missing.where) == 14
    assert "fog, brightness" in missing.what
    (count,) = findings(report, "image_count")  # the same of all five, said once
    assert str(count.split).count("glass_blur") == 5


def test_arrays_with_the_severities_doubled_are_found(tmp_path: Path):
    write_arrays(tmp_path, "cifar10-c", "test")
    path = tmp_path / "CIFAR-10-C/glass_blur.npy"
    images = np.load(path)
    images[2:4] = images[:2]
    np.save(path, images, allow_pickle=False)
    (copy,) = findings(check_dataset("cifar10-c", tmp_path), "duplicate")
    assert copy.where == ("test glass_blur/1", "test glass_blur/2")


def test_a_cut_array_is_said_once(tmp_path: Path):
    write_arrays(tmp_path, "cifar10-c", "test")
    path = tmp_path / "CIFAR-10-C/glass_blur.npy"
    path.write_bytes(path.read_bytes()[:-100])
    (damaged,) = findings(check_dataset("cifar10-c", tmp_path), "damaged_file")
    assert damaged.where == (str(path),)
