"""Cached features: what they are, and everything that makes them stale."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.tiny import tiny_clip, tiny_images
from tests.training.toy import ToyClassifier, ToyModule, toy_classifier, toy_dataset
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.core import cache
from wiseft_jax.core.mesh import Layout, make_mesh
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.training import features
from wiseft_jax.training.features import encode_dataset


def encode(classifier: Any, theta: Any, dataset: Dataset, devices: int = 1) -> dict[str, Any]:
    return encode_dataset(classifier, theta, dataset, Layout(make_mesh(devices)), batch_size=8)


def direct(classifier: Any, theta: Any, dataset: Dataset) -> np.ndarray:
    images = np.stack([np.asarray(dataset.source.read(i)) for i in range(len(dataset.source))])
    return np.asarray(classifier.features(theta, images))


@pytest.mark.parametrize("devices", [1, 8])
def test_every_image_once_in_order(devices: int):
    classifier, theta = toy_classifier()
    dataset = toy_dataset(21)
    with cache.disabled():
        found = encode(classifier, theta, dataset, devices)
    np.testing.assert_array_equal(found["index"], np.arange(21))
    np.testing.assert_array_equal(found["label"], dataset.labels)
    np.testing.assert_allclose(
        found["features"], direct(classifier, theta, dataset), rtol=0, atol=1e-5
    )


def test_a_real_tower(tmp_path: Path):
    classifier, theta = zero_shot_classifier(tiny_clip(tmp_path), ["red", "blue"])
    images = tiny_images(5)
    dataset = array_dataset(images, np.array([0, 1, 0, 1, 1]), ["red", "blue"])
    found = encode(classifier, theta, dataset)
    np.testing.assert_allclose(
        found["features"], direct(classifier, theta, dataset), rtol=0, atol=1e-5
    )


class Counting(ToyClassifier):
    """Counts how often its features are traced."""

    traces = 0

    def features(self, theta: Any, images: Any) -> Any:
        type(self).traces += 1
        return super().features(theta, images)


def changed(what: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, Dataset]:
    classifier, theta = Counting(), toy_classifier()[1]
    dataset = toy_dataset(10, name=f"cached-{what}")
    dataset = dataclasses.replace(dataset, name="cached")
    if what == "weights":
        theta = {**theta, "encoder": jax.tree_util.tree_map(lambda x: x + 1, theta["encoder"])}
    elif what == "images":
        dataset = toy_dataset(10, seed=1)
    elif what == "subset":
        dataset = dataset.subset(np.arange(9))
    elif what == "transform":
        object.__setattr__(classifier, "preprocess", Preprocess(size=8, resize=9))
    elif what == "pillow":
        monkeypatch.setattr(features.PIL, "__version__", "0.0")
    elif what == "version":
        monkeypatch.setattr(features, "_VERSION", -1)
    elif what == "dtype":
        object.__setattr__(classifier, "module", ToyModule(jnp.bfloat16))
    elif what == "head":
        theta = {**theta, "head": jax.tree_util.tree_map(lambda x: x + 1, theta["head"])}
    return classifier, theta, dataset


@pytest.mark.parametrize(
    ("what", "stale"),
    [
        ("nothing", False),
        ("head", False),
        ("weights", True),
        ("images", True),
        ("subset", True),
        ("transform", True),
        ("dtype", True),
        ("pillow", True),
        ("version", True),
    ],
)
def test_the_cache_knows_what_features_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, stale: bool
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = encode(*changed("nothing", monkeypatch))
    Counting.traces = 0
    second = encode(*changed(what, monkeypatch))
    assert (Counting.traces > 0) == stale
    if not stale:
        assert first.keys() == second.keys()
        for name, array in first.items():
            np.testing.assert_array_equal(second[name], array)


def test_an_image_that_is_skipped_is_left_out(tmp_path: Path):
    class Source:
        name, class_names = "odd", ("red", "green", "blue")
        ids = tuple(f"{index}.png" for index in range(6))
        labels = np.arange(6, dtype=np.int32) % 3

        def __len__(self) -> int:
            return 6

        def read(self, index: int) -> Any:
            return b"not an image" if index == 2 else np.full((8, 8, 3), 40 * index, np.uint8)

        def fingerprint(self) -> str:
            return "odd"

    classifier, theta = toy_classifier()
    source = Source()
    dataset = Dataset("odd", source, source.labels, on_bad_image="skip")  # type: ignore[arg-type]
    found = encode(classifier, theta, dataset)
    np.testing.assert_array_equal(found["index"], [0, 1, 3, 4, 5])
    np.testing.assert_array_equal(found["label"], source.labels[[0, 1, 3, 4, 5]])
