"""The contract of every entry of the catalog, and what is known of single ones."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from wiseft_jax.clip.prompts import PROMPT_SETS
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS, dataset_entry
from wiseft_jax.data.catalog_transfer import EIGHT_TASKS
from wiseft_jax.data.class_lists import CLASS_LISTS, class_keys, class_names, imagenet_members
from wiseft_jax.data.entry import DatasetEntry, LabelRule, Metric, Projection

IDS = [
    *("imagenet", "imagenet-v2", "imagenet-r", "imagenet-a", "imagenet-sketch", "imagenet-c"),
    *("imagenet-9", "objectnet", "vid-robust", "ytbb-robust", "imagenet-r-val-classes"),
    *("imagenet-a-val-classes", "imagenet-objectnet-val-classes"),
    *("imagenet-vid-robust-val-classes", "imagenet-ytbb-robust-val-classes", "cifar10"),
    *("cifar10.1", "cifar10.2", "cifar100", "cifar10-c", "svhn", "mnist", "cars", "dtd", "sun397"),
    *("food101", "resisc45", "eurosat", "gtsrb", "wilds-fmow", "wilds-iwildcam"),
]
MATCHED = [name for name in DATASETS if name.endswith("-val-classes")]
SHIFTS = [name for name, entry in DATASETS.items() if entry.reference]


def test_ids_are_fixed():
    """Scripts name them: an id may be added, never changed."""
    assert sorted(DATASETS) == sorted(IDS)


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_refers_to_what_exists(name: str):
    entry = DATASETS[name]
    assert entry.classes in CLASS_LISTS
    assert entry.prompts in PROMPT_SETS
    assert entry.reference is None or entry.reference in DATASETS
    for text in (entry.title, entry.licence, entry.obtain, *dataclasses.astuple(entry.citation)):
        assert text == text.strip() != ""
    for text in (*entry.notes, *entry.missing):
        assert text == text.strip()
        assert not text.endswith(".")


def test_tfds_has_one_name_for_each_data_set():
    """A part of a set, as a matched axis is, isn't what TFDS calls by the set's name."""
    names = [entry.tfds.name for entry in DATASETS.values() if entry.tfds is not None]
    assert len(set(names)) == len(names) > 0
    assert all(DATASETS[name].tfds is None for name in MATCHED)


@pytest.mark.parametrize("name", DATASETS)
def test_splits_say_where_images_and_labels_are(name: str):
    layout = DATASETS[name].layout
    names = [split.name for split in layout.splits]
    assert len(set(names)) == len(names) > 0
    for split in layout.splits:
        assert split.labels in typing.get_args(LabelRule)
        assert split.paths
        assert split.images is None or split.images > 0
        for path in (layout.folder, *split.paths, split.index or "x"):
            assert not path.startswith("/")
            assert ".." not in path.split("/")
        if split.labels == "table":
            assert split.index
            assert split.column
        assert split.first_label in (0, 1)


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_not_recorded_is_said_to_be_missing(name: str):
    entry = DATASETS[name]
    unknown = [split for split in entry.layout.splits if split.images is None]
    assert bool(unknown) <= any("number of images" in text for text in entry.missing)
    assert (entry.licence == "not recorded") <= any("licence" in text for text in entry.missing)


@pytest.mark.parametrize("name", DATASETS)
def test_projections_have_a_map_that_fits(name: str):
    entry = DATASETS[name]
    projection, members = entry.scoring.projection, imagenet_members(entry.classes)
    assert projection in typing.get_args(Projection)
    if projection == "none":
        assert not any(members)
    if projection == "subset":  # one ImageNet class each, in the order of the labels, rising
        indices = [index for each in members for index in each]
        assert len(indices) == len(members)
        assert indices == sorted(indices)
    if projection in ("max", "argmax"):
        assert CLASS_LISTS[entry.classes].mapped == sum(map(len, members)) > 0
    assert set(entry.scoring.never) <= set(class_names(entry.classes))


@pytest.mark.parametrize("name", DATASETS)
def test_scores_fit_the_kind_of_data(name: str):
    scoring, variants = DATASETS[name].scoring, DATASETS[name].variants
    assert set(scoring.metrics) <= set(typing.get_args(Metric))
    assert len(set(scoring.metrics)) == len(scoring.metrics) > 0
    assert ("worst_region" in scoring.metrics) == (scoring.groups is not None)
    assert ("top1_mean_over_variants" in scoring.metrics) == (variants is not None)
    rules = {split.labels for split in DATASETS[name].layout.splits}
    video = rules <= {"video", "reviewed_video"}
    assert ({"pm0", "pm10"} <= set(scoring.metrics)) == video


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_is_set_against_images_of_the_same_classes(name: str):
    entry = DATASETS[name]
    assert entry.reference is not None
    axis = DATASETS[entry.reference]
    assert (axis.classes, axis.prompts) == (entry.classes, entry.prompts)
    assert axis.scoring.projection == entry.scoring.projection
    assert axis.reference is None


@pytest.mark.parametrize("name", MATCHED)
def test_matched_subsets_are_50_images_of_each_mapped_class_of_a_shift(name: str):
    entry = DATASETS[name]
    assert [shift for shift in SHIFTS if DATASETS[shift].reference == name]
    (split,) = entry.layout.splits
    assert split.labels == "imagenet_folder"
    assert split.images == 50 * CLASS_LISTS[entry.classes].mapped
    assert entry.layout.folder == DATASETS["imagenet"].layout.folder


@pytest.mark.parametrize("name", ["imagenet-c", "cifar10-c"])
def test_corruptions_are_15_and_4_at_5_severities(name: str):
    entry = DATASETS[name]
    variants = entry.variants
    assert variants is not None
    every = (*variants.corruptions, *variants.extra)
    assert (len(variants.corruptions), len(variants.extra), len(set(every))) == (15, 4, 19)
    assert variants.severities == (1, 2, 3, 4, 5)
    assert all(ours in every and theirs not in every for ours, theirs in variants.renamed)
    (split,) = entry.layout.splits
    assert all("{corruption}" in path for path in split.paths)
    assert entry.tfds is not None
    assert entry.tfds.name.endswith("/{corruption}_{severity}")


@pytest.mark.parametrize("name", [name for name, entry in DATASETS.items() if entry.tfds])
def test_tfds_names_splits_that_exist_here(name: str):
    entry = DATASETS[name]
    assert entry.tfds is not None
    assert {here for _, here in entry.tfds.splits} <= {split.name for split in entry.layout.splits}
    assert len(entry.tfds.version.split(".")) == 3


@pytest.mark.parametrize(
    ("name", "classes", "images"),
    [
        ("imagenet", 1000, {"train": 1_281_167, "val": 50_000}),
        ("imagenet-v2", 1000, {"test": 10_000}),
        ("imagenet-r", 200, {"test": 30_000}),
        ("imagenet-a", 200, {"test": 7_500}),
        ("imagenet-sketch", 1000, {"test": 50_889}),
        ("objectnet", 113, {"test": 18_574}),
        ("vid-robust", 30, {"val": 1_109 + 21_070}),
        ("ytbb-robust", 24, {"test": 57_897 - 22_179}),
        ("imagenet-objectnet-val-classes", 113, {"val": 6_250}),
        ("imagenet-vid-robust-val-classes", 30, {"val": 14_400}),
        ("imagenet-ytbb-robust-val-classes", 24, {"val": 11_550}),
        ("cifar10", 10, {"train": 50_000, "test": 10_000}),
        ("cifar10.1", 10, {"test": 2_000}),
        ("cifar10.2", 10, {"train": 10_000, "test": 2_000}),
        ("cifar100", 100, {"train": 50_000, "test": 10_000}),
        ("cars", 196, {"train": 8_144, "test": 8_041}),
        ("dtd", 47, {"train": 1_880, "val": 1_880, "test": 1_880}),
        ("sun397", 397, {"train": 50 * 397, "test": 50 * 397}),
        ("food101", 101, {"train": 750 * 101, "test": 250 * 101}),
        ("resisc45", 45, {"all": 700 * 45, "train": None, "val": None, "test": None}),
        ("eurosat", 10, {"all": 27_000}),
        ("svhn", 10, {"extra": 531_131, "train": 73_257, "test": 26_032}),
        ("gtsrb", 43, {"train": 39_209, "train_online": 26_640, "test": 12_630}),
        ("mnist", 10, {"train": 60_000, "test": 10_000}),
        ("imagenet-9", 9, {"val": 9 * 450}),
        ("wilds-fmow", 62, dict.fromkeys(["train", "id_val", "id_test", "val", "test"])),
    ],
)
def test_the_published_counts(name: str, classes: int, images: dict[str, int | None]):
    entry = DATASETS[name]
    assert CLASS_LISTS[entry.classes].count == classes
    assert {split.name: split.images for split in entry.layout.splits} == images


def test_one_count_is_derived():
    derived = {
        name for name, entry in DATASETS.items() for split in entry.layout.splits if split.derived
    }
    assert derived == {"ytbb-robust"}


def test_what_single_sets_need():
    assert {name for name, entry in DATASETS.items() if entry.border_px} == {"objectnet"}
    assert DATASETS["objectnet"].border_px == 2
    assert DATASETS["imagenet-v2"].layout.splits[0].labels == "integer_folder"
    assert DATASETS["wilds-iwildcam"].scoring.metrics[0] == "macro_f1"
    assert DATASETS["ytbb-robust"].scoring.never == ("none",)
    assert class_names("ytbb-robust").index("none") == 22
    assert {split.first_label for split in DATASETS["cars"].layout.splits} == {1}
    groups = DATASETS["wilds-fmow"].scoring.groups
    assert groups is not None
    assert "Other" not in groups.values


def test_the_eight_tasks_of_merging_are_there():
    assert len(set(EIGHT_TASKS)) == 8
    assert set(EIGHT_TASKS) <= set(DATASETS)


def test_folders_are_keys_of_the_class_list():
    """A folder's name is looked up among keys: they must be names of folders."""
    for entry in DATASETS.values():
        if any(split.labels == "folder" for split in entry.layout.splits):
            deep = entry.classes == "sun397"
            assert all(("/" in key) == deep for key in class_keys(entry.classes))


def test_an_unknown_data_set_gets_a_suggestion():
    assert isinstance(dataset_entry("cifar10"), DatasetEntry)
    with pytest.raises(InputError, match=r"unknown data set 'objctnet'\. Did you mean 'objectnet'"):
        dataset_entry("objctnet")
