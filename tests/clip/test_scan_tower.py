from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.clip.parity import (
    IMAGE,
    TEXT,
    features_and_gradients,
    random_inputs,
    random_params,
    relative_error,
    shallow_config,
    worst_gradient,
)
from tests.helpers.tiny import tiny_clip
from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.clip.load import make_tower, published_config
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.platform import compiling_for
from wiseft_jax.core.trees import count_parameters

RELATIVE = 1e-5
FAST = {("image", "ViT-B/32"), ("text", "ViT-B/32"), ("text", "ViT-H/14")}
SIZES = [
    pytest.param(name, which, marks=() if (which, name) in FAST else pytest.mark.slow)
    for name in ARCHITECTURES
    for which in ("image", "text")
]


def assert_parity(config: Any, which: str, count: int, seed: int = 0) -> None:
    params = random_params(config, IMAGE if which == "image" else TEXT, seed)
    inputs = random_inputs(config, count)[which]
    reference = make_tower(config, tower="transformers")
    features, gradients = features_and_gradients(reference, params, which, inputs)
    lean = make_tower(config, tower="scan")
    found, found_gradients = features_and_gradients(lean, params, which, inputs)
    assert np.abs(features).max() > 0.1
    assert relative_error(found, features) < RELATIVE
    error, path = worst_gradient(found_gradients, gradients)
    assert error < RELATIVE, (path, error)


@pytest.mark.parametrize(("name", "which"), SIZES)
def test_two_layers_of_every_size_equal_transformers_in_features_and_gradients(
    name: str, which: str
):
    assert_parity(shallow_config(name), which, count=2)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["image", "text"])
def test_a_whole_vit_b_32_equals_transformers_in_features_and_gradients(which: str):
    assert_parity(published_config("ViT-B/32"), which, count=2)


@pytest.mark.parametrize("activation", ["gelu_new", "relu", "silu", "tanh"])
def test_other_activations_are_those_of_transformers(activation: str, tmp_path: Path):
    config = tiny_clip(tmp_path, hidden_act=activation, vision_layers=1).config
    assert_parity(config, "image", count=3)


@pytest.mark.parametrize("options", [{}, {"eos_token_id": 2}])
def test_either_pooling_is_that_of_transformers(options: dict[str, Any], tmp_path: Path):
    config = tiny_clip(tmp_path, text_layers=3, **options).config
    assert_parity(config, "text", count=5)


def test_an_epsilon_and_images_that_patches_do_not_fill_are_those_of_transformers(tmp_path: Path):
    config = tiny_clip(tmp_path).config
    config.vision_config.layer_norm_eps = 0.1
    config.vision_config.image_size = 21
    assert_parity(config, "image", count=2)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_whole_of_every_size_has_shapes_for_a_gradient_step(name: str):
    tower = make_tower(published_config(name), "bfloat16", "scan", "full")
    template, inputs = tower.template(), random_inputs(tower.config, 1)

    def loss(params: Any, pixels: Any, ids: Any, mask: Any) -> Any:
        images = tower.image_features(params, pixels)
        return (images * tower.text_features(params, ids, mask)).sum()

    gradient = jax.eval_shape(jax.grad(loss), template, *inputs["image"], *inputs["text"])
    assert jax.tree_util.tree_structure(gradient) == jax.tree_util.tree_structure(template)
    assert count_parameters(gradient) == count_parameters(template)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree_util.tree_leaves(gradient))


def test_the_program_does_not_grow_with_depth():
    def size(layers: int) -> int:
        tower = make_tower(shallow_config("ViT-B/32", layers), tower="scan")
        pixels = jax.ShapeDtypeStruct((1, 224, 224, 3), np.float32)
        jaxpr = jax.make_jaxpr(tower.image_features)(tower.template(), pixels)
        return sum(1 for _ in jax.tree_util.tree_leaves(jaxpr.jaxpr.eqns))

    assert size(2) == size(24) > 10


@pytest.mark.parametrize("which", ["image", "text"])
def test_in_bfloat16_a_backward_pass_keeps_nothing_of_the_layers_in_float32(which: str):
    tower = make_tower(shallow_config("ViT-B/32"), "bfloat16", "scan")
    features = tower.image_features if which == "image" else tower.text_features
    inputs = random_inputs(tower.config, 2)[which]
    gradient = jax.grad(lambda params: features(params, *inputs).sum())
    with compiling_for("tpu"):
        program = jax.make_jaxpr(gradient)(tower.template())
    forward = next(each for each in program.eqns if each.primitive.name == "scan")
    kept = [each.aval for each in forward.outvars[forward.params["num_carry"] :]]
    rows = [each for each in kept if each.ndim > 2]
    assert len(rows) > 5
    assert {str(each.dtype) for each in rows} == {"bfloat16"}
    tokens = rows[0].shape[2]
    assert all(each.shape[-2:] != (tokens, tokens) for each in rows)  # attention weights


def test_an_unknown_activation_is_refused():
    config = shallow_config("ViT-B/32")
    config.text_config.hidden_act = "quick_gel"
    with pytest.raises(InputError, match=r"unknown hidden_act 'quick_gel'\. Did you mean 'quick_g"):
        make_tower(config, tower="scan")
