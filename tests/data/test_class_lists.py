"""The contract of every class list, and what is known of single ones."""

from __future__ import annotations

import collections
import hashlib
from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9, IN9_CLASSES
from wiseft_jax.core.errors import InputError
from wiseft_jax.data import class_lists
from wiseft_jax.data.class_lists import (
    CLASS_LISTS,
    class_keys,
    class_names,
    class_rows,
    imagenet_map,
    imagenet_members,
)
from wiseft_jax.data.class_lists.rows import class_list_path

MAPPED = [name for name, facts in CLASS_LISTS.items() if facts.mapped]


@pytest.mark.parametrize("name", CLASS_LISTS)
def test_a_list_is_what_the_table_says(name: str):
    facts = CLASS_LISTS[name]
    content = class_list_path(name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == facts.sha256
    assert b"\r" not in content
    assert content.endswith(b"\n")
    assert len(class_rows(name)) == facts.count
    assert facts.source
    assert facts.licence


@pytest.mark.parametrize("name", CLASS_LISTS)
def test_keys_are_unique_and_names_repeat_only_where_the_table_says(name: str):
    keys, names = class_keys(name), class_names(name)
    assert len(set(keys)) == len(keys)
    repeated = {each for each, count in collections.Counter(names).items() if count > 1}
    assert repeated == set(CLASS_LISTS[name].repeats)
    for text in (*keys, *names):
        assert text == text.strip() != ""
        assert text.isprintable()


@pytest.mark.parametrize("name", CLASS_LISTS)
def test_maps_are_in_range_rising_and_give_no_class_twice(name: str):
    members = imagenet_members(name)
    every = [index for each in members for index in each]
    assert all(0 <= index < 1000 for index in every)
    assert all(list(each) == sorted(set(each)) for each in members)
    assert len(set(every)) == len(every) == CLASS_LISTS[name].mapped


@pytest.mark.parametrize("name", MAPPED)
def test_the_map_from_imagenet_is_the_members_turned_round(name: str):
    found = imagenet_map(name)
    assert found.shape == (1000,)
    for label, members in enumerate(imagenet_members(name)):
        assert np.flatnonzero(found == label).tolist() == list(members)


@pytest.mark.parametrize("name", ["imagenet", "imagenet-a", "imagenet-r"])
def test_wordnet_ids_rise(name: str):
    keys = class_keys(name)
    assert list(keys) == sorted(keys)
    assert all(key[0] == "n" and len(key) == 9 and key[1:].isdigit() for key in keys)


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r"])
def test_subsets_of_imagenet_have_its_ids_and_names(name: str):
    every = class_rows("imagenet")
    for row in class_rows(name):
        (index,) = row.imagenet
        assert (row.key, row.name) == (every[index].key, every[index].name)


BY_KEY = ["cars", "cifar10", "cifar100", "dtd", "eurosat", "fmow", "food101", "gtsrb", "imagenet-9"]
BY_KEY += ["objectnet", "objectnet-folders", "resisc45", "sun397"]


@pytest.mark.parametrize("name", BY_KEY)
def test_labels_are_in_the_order_of_the_sorted_keys(name: str):
    """Sorted folders give the labels; the devkit of Cars alone has an order of its own."""
    keys = list(class_keys(name))
    assert (keys == sorted(keys)) == (name != "cars")


@pytest.mark.parametrize("name", ["digits", "iwildcam", "ytbb-robust"])
def test_keys_of_tables_count_from_0(name: str):
    assert class_keys(name) == tuple(map(str, range(CLASS_LISTS[name].count)))


def test_objectnets_classes_are_folders_of_the_release():
    folders = {row.key: row.name for row in class_rows("objectnet-folders")}
    assert {row.key: row.name for row in class_rows("objectnet")}.items() <= folders.items()
    assert all(row.imagenet for row in class_rows("objectnet"))


def test_youtube_has_five_classes_without_an_imagenet_class():
    empty = [row.name for row in class_rows("ytbb-robust") if not row.imagenet]
    assert empty == ["cow", "giraffe", "skateboard", "toilet", "none"]


def test_the_nine_classes_are_those_of_the_backgrounds_study():
    assert class_keys("imagenet-9") == IN9_CLASSES
    assert np.array_equal(imagenet_map("imagenet-9"), IMAGENET_TO_IN9)


def test_every_file_is_in_the_table_and_the_other_way_round():
    files = {path.stem for path in Path(class_lists.__file__).parent.glob("*.tsv")}
    assert files == CLASS_LISTS.keys()


def test_known_places():
    assert class_names("imagenet")[0] == "tench"
    assert class_names("imagenet")[999] == "toilet paper"
    assert [class_names("imagenet").index("missile")] == [657]
    assert class_names("imagenet")[744] == "missile"
    assert class_keys("eurosat")[2] == "HerbaceousVegetation"
    assert class_names("eurosat")[2] == "brushland or shrubland"
    assert class_names("iwildcam")[:2] == ("empty", "white-lipped peccary")
    assert imagenet_members("objectnet")[class_keys("objectnet").index("chair")] == (423, 559, 765)


def test_an_unknown_list_is_refused():
    with pytest.raises(
        InputError, match=r"unknown class list 'imagenet-b'\. Did you mean 'imagenet"
    ):
        class_rows("imagenet-b")
