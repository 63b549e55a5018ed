"""Which sets are matched references, and which shift is set against which."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.data.builders import write_folder
from tests.data.published_miniatures import write_miniature
from wiseft_jax.data.catalog_objects import MATCHED_DATASETS
from wiseft_jax.data.config import DataConfig
from wiseft_jax.data.load import LoadedData, load_data, load_dataset
from wiseft_jax.data.matched_references import published_reference
from wiseft_jax.data.prepare import PrepareOptions, prepare
from wiseft_jax.data.prepare_input import prepare_input


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``photos`` and ``whole`` of three classes, three folders of two, and one of another two."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_folder(tmp_path / "photos", {"cat": 10, "dog": 10, "owl": 10})
    write_folder(tmp_path / "whole", {"cat": 1, "dog": 1, "owl": 1}, seed=100)
    write_folder(tmp_path / "sketches", {"Dog": 2, "cat": 2}, seed=200)
    write_folder(tmp_path / "cats-dogs", {"dog": 3, "cat": 1}, seed=300)
    write_folder(tmp_path / "again", {"dog": 3, "cat": 1}, seed=400)
    write_folder(tmp_path / "owls", {"dog": 2, "owl": 2}, seed=500)
    return tmp_path


def load(root: Path, shifts: list[str], references: list[str]) -> LoadedData:
    specs = [tuple(f"folder:{root / name}" for name in names) for names in (shifts, references)]
    config = DataConfig(f"folder:{root / 'photos'}", shifts=specs[0], matched_references=specs[1])
    return load_data(config, seed=0)


def test_a_shift_goes_with_the_set_of_its_classes(root: Path, caplog: pytest.LogCaptureFixture):
    data = load(root, ["sketches", "whole"], ["cats-dogs"])
    assert [each.matched_reference for each in data.shifts] == ["cats-dogs", ""]
    (reference,) = data.matched_references
    assert (reference.role, reference.split) == ("matched_reference", "test")
    assert "matched reference" not in caplog.text


def test_one_set_may_go_with_several_shifts(root: Path):
    data = load(root, ["sketches", "again"], ["cats-dogs"])
    assert [each.matched_reference for each in data.shifts] == ["cats-dogs"] * 2


@pytest.mark.parametrize(
    ("shifts", "references", "why"),
    [
        (["whole"], ["owls"], "expected the classes of a shift; of those of whole it lacks cat"),
        (["sketches", "whole"], ["owls"], "of those of whole it lacks cat"),
        (["sketches"], ["owls"], "of those of sketches it lacks cat and has beside them owl"),
        (["sketches"], ["cats-dogs", "again"], "sketches is set against cats-dogs"),
        ([], ["owls"], "no shift is predicted among the same classes"),
    ],
)
def test_a_set_that_goes_with_no_shift_is_said(
    shifts: list[str], references: list[str], why: str, root: Path, caplog: pytest.LogCaptureFixture
):
    load(root, shifts, references)
    name = references[-1]
    said = f"{name}: no shift is set against this matched reference: "
    (line,) = [each for each in caplog.messages if each.startswith(said)]
    assert why in line


def published(root: Path, shifts: list[str], references: tuple[str, ...] = ()) -> LoadedData:
    for name, split in (("imagenet", "train"), ("imagenet", "val"), ("imagenet-r", "test"),
                        ("imagenet-a", "test"), ("imagenet-r-val-classes", "val")):  # fmt: skip
        write_miniature(root, name, split)
    imagenet = f"published:imagenet:{{}}@{root}"
    config = DataConfig(
        train=imagenet.format("train"),
        validation=f"held-out={imagenet.format('val')}",
        test=imagenet.format("val"),
        shifts=tuple(f"{each}@{root}" for each in shifts),
        matched_references=tuple(f"{each}@{root}" for each in references),
    )
    return load_data(config, seed=0)


@pytest.mark.parametrize("given_as", ["shifts", "matched_references"])
def test_published_sets_go_by_the_catalog_whatever_they_are_called(
    given_as: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    matched = "its-classes=published:imagenet-r-val-classes:val"
    shifts = ["mine=published:imagenet-r:test", "published:imagenet-a:test"]
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        if given_as == "shifts":
            data = published(tmp_path, [matched, *shifts])
        else:
            data = published(tmp_path, shifts, (matched,))
    assert [(each.name, each.matched_reference) for each in data.shifts] == [
        ("mine", "its-classes"),
        ("imagenet-a-test", ""),
    ]
    assert [each.name for each in data.matched_references] == ["its-classes"]
    assert caplog.text.count("add them: --data.matched_references") == 1
    assert "--data.matched_references published:imagenet-a-val-classes:val" in caplog.text


def test_a_published_one_without_its_shift_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    published(tmp_path, ["published:imagenet-a:test", "published:imagenet-r-val-classes:val"])
    assert "reference: expected published:imagenet-r among the shifts" in caplog.text


def test_a_prepared_copy_is_what_its_source_is(tmp_path: Path):
    write_miniature(tmp_path, "imagenet-r-val-classes", "val")
    spec = f"published:imagenet-r-val-classes:val@{tmp_path}"
    splits = prepare_input(spec).open(())
    report = prepare(splits, tmp_path / "copies", PrepareOptions("copy"))
    copy = report["splits"]["val"]["spec"]
    assert load_dataset(copy, role="shift").role == "matched_reference"
    assert load_dataset(spec, role="reference").role == "reference"


def test_every_matched_reference_is_that_of_a_published_set():
    names = ("imagenet-r", "imagenet-a", "objectnet", "vid-robust", "ytbb-robust")
    assert {published_reference(name) for name in names} == {*MATCHED_DATASETS}
    assert {published_reference(name) for name in ("imagenet-v2", "cifar10.1", "mine", "")} == {""}
