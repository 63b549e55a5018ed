"""Models without weights: by architecture, hub id, directory."""

from __future__ import annotations

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from huggingface_hub import constants

from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.clip.two_towers import TwoTowerClassifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.experiment import ModelConfig
from wiseft_jax.planning.jaxpr import count_jaxpr
from wiseft_jax.planning.model import abstract_classifier, model_config

GFLOP_PER_IMAGE = {"ViT-B/32": 8.8, "ViT-B/16": 35.0, "ViT-L/14": 162.0, "ViT-L/14@336px": 382.0}


def image_flops(config: ModelConfig) -> float:
    classifier, theta = abstract_classifier(config, 1000)
    size = classifier.preprocess.size
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.uint8)
    return count_jaxpr(jax.make_jaxpr(classifier.logits)(theta, images)).flops


@pytest.mark.parametrize("name", GFLOP_PER_IMAGE)
def test_flops_of_a_forward_pass(name: str):
    assert flops_of_scan(name) / 1e9 == pytest.approx(GFLOP_PER_IMAGE[name], rel=0.02)


def test_flops_are_those_of_either_tower():
    by_transformers = image_flops(ModelConfig(name="ViT-B/32", tower="transformers"))
    assert by_transformers == pytest.approx(flops_of_scan("ViT-B/32"), rel=1e-9)


def flops_of_scan(name: str) -> float:
    """Return the FLOPs of an image, which are those of the closed form."""
    sizes = ARCHITECTURES[name]
    tokens = (sizes.image_size // sizes.patch_size) ** 2 + 1
    width, hidden = sizes.vision.width, sizes.vision.mlp
    layer = 2 * tokens * (4 * width**2 + 2 * width * hidden) + 4 * tokens**2 * width
    patches = 2 * (tokens - 1) * sizes.patch_size**2 * 3 * width
    ends = 2 * width * sizes.projection + 2 * sizes.projection * 1000
    flops = image_flops(ModelConfig(name=name, tower="scan"))
    assert flops == pytest.approx(sizes.vision.layers * layer + patches + ends, rel=1e-9)
    return flops


def test_shapes_are_those_of_the_classifier():
    classifier, theta = abstract_classifier(ModelConfig(name="glyphclip"), 7)
    assert theta["head"]["kernel"].shape[1] == 7
    assert set(theta["encoder"]) == {"vision_model", "visual_projection"}
    size = classifier.preprocess.size
    images = jax.ShapeDtypeStruct((3, size, size, 3), jnp.uint8)
    assert jax.eval_shape(classifier.logits, theta, images).shape == (3, 7)
    leaves = jax.tree_util.tree_leaves(theta)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)


def test_a_plan_is_made_at_the_resolution_that_is_asked_for():
    classifier, theta = abstract_classifier(ModelConfig(name="ViT-B/32", image_size=384), 3)
    positions = theta["encoder"]["vision_model"]["embeddings"]["position_embedding"]["embedding"]
    assert positions.shape == (12 * 12 + 1, 768)
    assert classifier.preprocess.size == 384


def test_published_models_need_no_network():
    for name, architecture in ARCHITECTURES.items():
        for hub_id in architecture.hub_ids:
            assert model_config(hub_id).to_dict() == model_config(name).to_dict()


def test_a_directory_needs_only_its_configuration(tmp_path: Path):
    directory = tiny_clip_directory(tmp_path / "clip")
    for file in Path(directory).iterdir():
        if file.name != "config.json":
            file.unlink()
    _, theta = abstract_classifier(ModelConfig(name=str(directory)), 3)
    count = sum(math.prod(leaf.shape) for leaf in jax.tree_util.tree_leaves(theta))
    assert count > 3


@pytest.mark.parametrize("name", ["ViT-B/15", "no-such-directory", "a/b/c", "./nope", "nope/"])
def test_an_unknown_model_says_what_is_known(name: str):
    with pytest.raises(InputError, match=r"unknown model .* Known: .*ViT-B/16"):
        model_config(name)


def test_a_hub_id_without_network_is_bad_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    # The real huggingface_hub: the test session sets HF_HUB_OFFLINE, and any connection fails it.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        model_config("some/model")
    said = str(caught.value)
    assert said.startswith("'some/model': no directory /")
    assert "Unset HF_HUB_OFFLINE, or give as --model.name a directory with its config.json" in said
    assert "ViT-B/16" in said


def test_both_towers_have_the_text_tower_in_place_of_a_head():
    config = ModelConfig(name="ViT-B/32", templates="imagenet")
    classifier, theta = abstract_classifier(config, 3, two_towers=True, num_tokens=18)
    assert isinstance(classifier, TwoTowerClassifier)
    assert classifier.prompt_ids.shape == (3 * 80, 24)  # rounded up to 8, as tokens are
    assert set(theta) == {"encoder", "text"}
    assert set(theta["text"]) == {"text_model", "text_projection", "logit_scale"}
    longest, _ = abstract_classifier(config, 3, two_towers=True)
    assert isinstance(longest, TwoTowerClassifier)
    assert longest.prompt_ids.shape[1] == 77


@pytest.mark.parametrize("tokens", [0, 78])
def test_more_tokens_than_the_model_reads_are_refused(tokens: int):
    with pytest.raises(InputError, match=rf"--tokens: expected 3 to 77.*found {tokens}"):
        abstract_classifier(ModelConfig(name="ViT-B/32"), 3, two_towers=True, num_tokens=tokens)
