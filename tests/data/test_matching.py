from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.class_lists import class_names
from wiseft_jax.data.matching import match_class_names, normalise_name, similar_names

NAMES = ["golden retriever", "tabby cat", "owl", "A", "a"]
name_lists = st.lists(st.text("abcd", min_size=1), min_size=1, max_size=8, unique=True)


@given(name_lists, st.data())
def test_a_label_means_the_same_name_on_both_sides(classifier: list[str], data: st.DataObject):
    source = data.draw(st.permutations(classifier))[: data.draw(st.integers(1, len(classifier)))]
    labels = np.array(data.draw(st.lists(st.integers(-1, len(source) - 1), max_size=20)), np.int32)
    mapped = match_class_names(source, classifier).apply(labels)
    assert mapped.dtype == np.int32
    for label, other in zip(labels, mapped, strict=True):
        assert (other == -1) if label < 0 else classifier[other] == source[label]


def test_the_same_classes_are_the_identity(caplog):
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        match = match_class_names(NAMES, NAMES, where="photos")
    assert match.indices.tolist() == [0, 1, 2, 3, 4]
    assert "photos: the classifier's 5 classes, in its order" in caplog.text


def test_the_same_list_is_the_identity_though_it_repeats_a_name():
    """ImageNet's published list has missile twice, for classes 657 and 744."""
    names = class_names("imagenet")
    assert len(set(names)) < len(names)
    assert match_class_names(names, names).indices.tolist() == list(range(1000))


def test_a_subset_in_another_order_is_logged(caplog):
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        match = match_class_names(["owl", "tabby cat"], NAMES, where="photos")
    assert match.indices.tolist() == [2, 1]
    assert "photos: classes matched by name: 2 of the classifier's 5" in caplog.text
    assert "owl -> owl (2), tabby cat -> tabby cat (1)" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_long_mapping_is_cut_in_the_log(caplog):
    names = [f"class {index}" for index in range(30)]
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        match_class_names(names[::-1], names)
    assert "... (10 more)" in caplog.text


@pytest.mark.parametrize("name", ["Golden_Retriever", "golden-retriever", "GOLDEN  RETRIEVER"])
def test_case_and_separators_are_forgiven_with_a_warning(name: str, caplog):
    match = match_class_names([name], NAMES, where="photos")
    assert match.indices.tolist() == [0]
    assert f"written differently: {name} -> golden retriever" in caplog.text


def test_an_exact_name_comes_first_and_a_doubtful_one_is_refused():
    assert match_class_names(["a", "A"], NAMES).indices.tolist() == [4, 3]
    with pytest.raises(InputError, match="1 of 1 class is none"):
        match_class_names([" A_"], NAMES)


def test_unmatched_names_are_listed_with_suggestions():
    with pytest.raises(InputError) as info:
        match_class_names(["owl", "tabby kat", "zebra"], NAMES, where="photos")
    message = str(info.value)
    assert "photos: 2 of 3 classes are none of the classifier's 5" in message
    assert "'tabby kat' Did you mean 'tabby cat'?" in message
    assert "'zebra'" in message
    assert f"\nThe classifier's: {', '.join(NAMES)}\n" in message
    assert "--class-names" in message


def test_many_unmatched_names_are_counted():
    with pytest.raises(InputError, match="and 5 more"):
        match_class_names([f"x{index}" for index in range(25)], NAMES)


def test_a_class_without_images_need_not_match(caplog):
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        match = match_class_names(["owl", "zebra"], NAMES, counts=np.array([3, 0]))
    assert match.indices.tolist() == [2, -1]
    assert "classes without images, left out: zebra" in caplog.text
    with pytest.raises(InputError, match="'zebra'"):
        match_class_names(["owl", "zebra"], NAMES, counts=np.array([3, 1]))


def test_two_names_of_one_class_are_merged_with_a_warning(caplog):
    match = match_class_names(["owl", "Owl"], NAMES)
    assert match.indices.tolist() == [2, 2]
    assert "several classes were merged into: owl" in caplog.text


@given(st.text())
def test_normalising_twice_is_normalising_once(name: str):
    assert normalise_name(normalise_name(name)) == normalise_name(name)


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["daisy", "dasiy", "tulip"], [("daisy", "dasiy")]),
        (["sunflower", "sun flower"], [("sunflower", "sun flower")]),
        (["Sunflower", "rose", "sunflower"], [("Sunflower", "sunflower")]),
        (["rabbit", "rabit"], [("rabbit", "rabit")]),
        (["rabbits", "rabbit", "robbit"], [("rabbits", "rabbit"), ("rabbit", "robbit")]),
        (["a", "A", "b"], []),
        (["cat", "bat", "rat"], []),
        (["class 1", "class 2", "class 12"], []),
        (["boeing 747", "boeing 737", "boeing 777"], []),
        (["monarch", "daisies"], []),
        (["abcdef", "abdcfe"], []),
    ],
)
def test_similar_names(names: list[str], pairs: list[tuple[str, str]]):
    assert similar_names(names) == pairs
