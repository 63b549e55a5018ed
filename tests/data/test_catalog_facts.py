"""The catalog as plain values and short texts."""

from __future__ import annotations

import json

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.catalog_facts import (
    dataset_facts,
    images_text,
    layout_names,
    list_facts,
    published_specs,
    tfds_specs,
    where_text,
)
from wiseft_jax.data.specs import parse_spec


@pytest.mark.parametrize("name", DATASETS)
def test_facts_are_json_and_come_back(name: str):
    facts = dataset_facts(name, classes=True)
    assert json.loads(json.dumps(facts, allow_nan=False))["id"] == name
    assert len(facts["classes"]["rows"]) == facts["classes"]["count"]


def test_the_list_is_json():
    facts = list_facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


@pytest.mark.parametrize("name", DATASETS)
def test_tfds_specs_are_specs(name: str):
    for text in tfds_specs(DATASETS[name]).values():
        spec = parse_spec(text)
        assert (spec.scheme, str(spec).rpartition("=")[2]) == ("tfds", text)


@pytest.mark.parametrize("name", DATASETS)
def test_published_specs_are_specs(name: str):
    for split, text in published_specs(name).items():
        spec = parse_spec(text)
        assert (spec.scheme, spec.split) == ("published", split)
        assert spec.target.partition("/")[0] == name


def test_names_of_a_layout_are_those_of_every_split_and_variant():
    assert layout_names(DATASETS["gtsrb"]) == {
        "GTSRB", "Final_Training", "Images", "Training", "Final_Test", "GT-final_test.csv"
    }  # fmt: skip
    assert {"fog", "gaussian_blur", "1", "5"} < layout_names(DATASETS["imagenet-c"])
    assert {"fog.npy", "labels.npy"} < layout_names(DATASETS["cifar10-c"])


def test_where_names_alternatives_labels_and_rows():
    def where(name: str, split: int) -> str:
        layout = DATASETS[name].layout
        return where_text(layout, layout.splits[split])

    assert where("imagenet", -1) == "imagenet/val_in_folder or imagenet/val"
    assert where("imagenet-r", 0) == "imagenet-r"
    assert where("dtd", -1) == "dtd/images; dtd/labels/test1.txt"
    assert where("svhn", -1) == "svhn/test_32x32.mat [y]"
    assert where("wilds-iwildcam", -1) == (
        "iwildcam_v2.0/train; iwildcam_v2.0/metadata.csv [y]; split is test"
    )


def test_numbers_of_images():
    assert images_text(1_281_167) == "1,281,167"
    assert images_text(None) == "not recorded"
    assert images_text(35_718, derived=True) == "35,718 (derived)"


def test_an_unknown_data_set_is_refused():
    with pytest.raises(InputError, match="unknown data set"):
        dataset_facts("imagenet-q")
