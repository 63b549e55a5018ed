"""What the catalog says of TensorFlow Datasets, against the installed package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import gcs_utils

from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.class_lists import CLASS_LISTS, class_keys
from wiseft_jax.data.entry import TfdsNames

NAMED = {name: entry.tfds for name, entry in DATASETS.items() if entry.tfds is not None}
NAMED_WHEN_PREPARED = {"cifar10", "cifar100"}
"""TFDS reads these names from the archive."""


@pytest.fixture(autouse=True)
def without_the_bucket(monkeypatch: pytest.MonkeyPatch):
    """Keep TFDS from asking its bucket for facts."""
    monkeypatch.setattr(gcs_utils, "_is_gcs_disabled", True)


def builder_of(names: TfdsNames, data_dir: Path) -> Any:
    return tfds.builder(names.name.format(corruption="fog", severity=3), data_dir=str(data_dir))


@pytest.mark.parametrize("name", NAMED)
def test_data_set_configuration_and_version_exist(name: str, tmp_path: Path):
    assert str(builder_of(NAMED[name], tmp_path).version) == NAMED[name].version


@pytest.mark.parametrize("name", NAMED)
def test_labels_are_as_the_catalog_says(name: str, tmp_path: Path):
    entry, labels = DATASETS[name], NAMED[name].labels
    theirs = builder_of(NAMED[name], tmp_path).info.features["label"].names
    ours = list(class_keys("imagenet" if labels == "imagenet" else entry.classes))
    if labels == "numbers" or name in NAMED_WHEN_PREPARED:
        assert theirs == [str(label) for label in range(CLASS_LISTS[entry.classes].count)]
    elif labels == "by_name":
        assert theirs != ours
        assert sorted(theirs) == sorted(ours)
    else:
        assert theirs == ours


@pytest.mark.parametrize("name", ["imagenet-c", "cifar10-c"])
def test_every_corruption_at_every_severity_has_a_configuration(name: str):
    entry, names = DATASETS[name], NAMED[name]
    assert entry.variants is not None
    theirs = dict(entry.variants.renamed)
    pattern = names.name.rpartition("/")[2]
    ours = {
        pattern.format(corruption=theirs.get(corruption, corruption), severity=severity)
        for corruption in (*entry.variants.corruptions, *entry.variants.extra)
        for severity in entry.variants.severities
    }
    assert set(tfds.builder_cls(names.name.partition("/")[0]).builder_configs) == ours
