"""Sums over each layer's parameters: against flat vectors, in both layouts, of both towers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.two_towers import two_tower_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import count_parameters, flatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.weights.layer_sums import layer_sums

NAMES = ("red circle", "blue square")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip_directory(tmp_path_factory.mktemp("clip") / "model", vision_layers=11)


def moved(theta: Params) -> Params:
    rng = np.random.default_rng(0)
    return jax.tree_util.tree_map(
        lambda leaf: np.asarray(leaf + 0.1 * rng.standard_normal(np.shape(leaf)), np.float32), theta
    )


def test_a_layers_sums_are_those_of_its_flat_vector(directory: Path):
    _, theta_0 = zero_shot_classifier(load_clip(directory), NAMES)
    theta_1 = moved(theta_0)
    found = layer_sums(theta_0, theta_1)
    assert list(found) == ["embedding", *(f"block_{i}" for i in range(11)), "projection", "head"]
    prefix = "encoder/vision_model/encoder/layers/10/"
    start, end = (
        np.concatenate(
            [
                np.ravel(leaf).astype(np.float64)
                for path, leaf in flatten_paths(theta).items()
                if path.startswith(prefix)
            ]
        )
        for theta in (theta_0, theta_1)
    )
    sums = found["block_10"]
    assert sums["count"] == len(start)
    assert sums["square_0"] == pytest.approx(start @ start)
    assert sums["square_1"] == pytest.approx(end @ end)
    assert sums["change"] == pytest.approx((end - start) @ (end - start))
    assert sums["along"] == pytest.approx((end - start) @ start)
    assert sum(each["count"] for each in found.values()) == count_parameters(theta_0)


def test_both_layouts_have_the_same_sums(directory: Path):
    _, theta_0 = zero_shot_classifier(load_clip(directory), NAMES)
    theta_1 = moved(theta_0)
    lean = load_clip(directory, tower="scan").tower
    stacked = [lean.from_canonical(theta) for theta in (theta_0, theta_1)]
    assert layer_sums(*stacked, lean.to_canonical) == layer_sums(theta_0, theta_1)


def test_the_text_tower_has_layers_of_its_own(directory: Path):
    _, theta_0 = two_tower_classifier(load_clip(directory), NAMES)
    found = layer_sums(theta_0, moved(theta_0))
    assert list(found)[-5:] == [
        "projection",
        "text_embedding",
        "text_block_0",
        "text_projection",
        "logit_scale",
    ]
    assert sum(each["count"] for each in found.values()) == count_parameters(theta_0)


def test_a_parameter_of_no_layer_is_refused():
    theta = {"encoder": {"body": np.zeros(3, np.float32)}}
    with pytest.raises(InputError, match="encoder/body: expected a parameter of a CLIP's layer"):
        layer_sums(theta, theta)


def test_a_head_alone_can_have_moved(directory: Path):
    classifier, theta_0 = zero_shot_classifier(load_clip(directory), NAMES)
    theta_1 = {**theta_0, "head": moved(theta_0["head"])}
    found = layer_sums(theta_0, theta_1, classifier.tower.to_canonical)
    assert {name for name, sums in found.items() if sums["change"]} == {"head"}
    assert dataclasses.is_dataclass(classifier)
