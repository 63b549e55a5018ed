"""Files of class names that copies ship, held against the class list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.class_lists import class_keys
from wiseft_jax.data.doctor_order import NAME_FILES, class_order_finding
from wiseft_jax.data.published_split import PublishedSplit


def split_in(folder: Path, name: str) -> PublishedSplit:
    entry = DATASETS[name]
    return PublishedSplit("test", name, entry, entry.layout.splits[-1], folder, {})


def write_names(path: Path, names: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".mat":
        cells = np.empty((1, len(names)), object)
        cells[0] = names
        scipy.io.savemat(path, {"class_names": cells})
    else:
        path.write_text("\n".join(names) + "\n\n")


@pytest.mark.parametrize("name", NAME_FILES)
def test_names_in_their_order_are_right_and_two_swapped_are_found(name: str, tmp_path: Path):
    found, path = split_in(tmp_path, name), tmp_path / NAME_FILES[name][0]
    assert class_order_finding(found) is None  # a copy without the file
    names = list(class_keys(DATASETS[name].classes))
    write_names(path, names)
    assert class_order_finding(found) is None
    write_names(path, [names[0], "written otherwise", *names[2:]])
    assert class_order_finding(found) is None
    names[3], names[8] = names[8], names[3]
    write_names(path, names)
    finding = class_order_finding(found)
    assert finding is not None
    assert (finding.kind, finding.where) == ("class_order", (str(path),))
    assert "2 of" in finding.what
    assert finding.expected == f"3 {names[8]}, 8 {names[3]}"
    assert finding.found == f"3 {names[3]}, 8 {names[8]}"


@pytest.mark.parametrize("name", NAME_FILES)
def test_a_file_of_names_that_can_not_be_read_is_said(name: str, tmp_path: Path):
    path = tmp_path / NAME_FILES[name][0]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\xff\xfe\x00")
    finding = class_order_finding(split_in(tmp_path, name))
    assert finding is not None
    assert (finding.kind, finding.where) == ("bad_index", (str(path),))


def test_labels_that_are_folders_need_no_file():
    assert class_order_finding(split_in(Path(), "food101")) is None


def test_sets_whose_labels_are_numbers_ship_names_or_are_known_to_ship_none():
    numbered = {
        name
        for name, entry in DATASETS.items()
        for split in entry.layout.splits
        if split.labels in ("arrays", "table", "integer_folder", "video", "reviewed_video")
    }
    nameless = {
        "cifar10.1", "cifar10.2", "cifar10-c", "svhn", "mnist", "gtsrb", "imagenet-v2",
        "vid-robust", "ytbb-robust", "wilds-fmow", "wilds-iwildcam",
    }  # fmt: skip
    assert numbered == nameless | set(NAME_FILES)
