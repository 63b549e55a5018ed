"""GlyphCLIP's architecture, its initialisation, and the stored model."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open

from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.hub import EMBEDDED_DIRECTORY
from wiseft_jax.clip.load import canonical_template, clip_module, load_clip, read_config
from wiseft_jax.quickstart.captions import DIGIT_NAMES
from wiseft_jax.quickstart.data import mnist_splits
from wiseft_jax.quickstart.glyphclip import (
    INITIAL_LOGIT_SCALE,
    glyphclip_settings,
    initial_params,
)


def shapes(**leaves: tuple[int, ...]) -> dict:
    return {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in leaves.items()}


def test_initial_scales():
    template = {
        "q_proj": shapes(kernel=(64, 64), bias=(64,)),
        "fc2": shapes(kernel=(256, 64)),
        "token_embedding": shapes(embedding=(100, 64)),
        "position_embedding": shapes(embedding=(20, 64)),
        "layer_norm1": shapes(scale=(64,)),
        "patch_embedding": shapes(kernel=(8, 8, 3, 64)),
        **shapes(logit_scale=()),
    }
    params = initial_params(jax.random.key(0), template)

    def spread(part: str, name: str) -> float:
        return float(params[part][name].std())

    assert spread("q_proj", "kernel") == pytest.approx(1 / 8, rel=0.1)
    assert spread("patch_embedding", "kernel") == pytest.approx(192**-0.5, rel=0.1)
    assert spread("fc2", "kernel") == pytest.approx((0.5 / 256) ** 0.5, rel=0.1)
    assert spread("token_embedding", "embedding") == pytest.approx(1.0, rel=0.1)
    assert spread("position_embedding", "embedding") == pytest.approx(0.5, rel=0.1)
    assert float(params["logit_scale"]) == pytest.approx(INITIAL_LOGIT_SCALE)
    assert not np.asarray(params["q_proj"]["bias"]).any()
    assert np.all(np.asarray(params["layer_norm1"]["scale"]) == 1)


def test_settings_describe_a_clip_whose_image_tower_is_the_larger(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(glyphclip_settings(600, 598, 599)))
    config = read_config(tmp_path)
    assert config.vision_config.hidden_size > config.text_config.hidden_size
    assert config.text_config.eos_token_id == config.text_config.pad_token_id == 599
    leaves = jax.tree_util.tree_leaves(canonical_template(config))
    assert 2 * sum(leaf.size for leaf in leaves) < 6_000_000


@pytest.mark.slow
def test_initial_features_depend_on_the_image(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(glyphclip_settings(600, 598, 599, width=64)))
    module = clip_module(read_config(tmp_path))
    template = canonical_template(module.config)

    def features(key: jax.Array, pixels: jax.Array) -> jax.Array:
        return module.apply(
            {"params": initial_params(key, template)},
            method=lambda clip: clip.vision_model(pixel_values=pixels, deterministic=True)[1],
        )

    images = jax.random.normal(jax.random.key(1), (4, 32, 32, 3))
    made = jax.jit(features)(jax.random.key(0), images)
    units = made / jnp.linalg.norm(made, axis=-1, keepdims=True)
    cosines = np.asarray(units @ units.T)[~np.eye(4, dtype=bool)]
    assert cosines.max() < 0.95


def test_an_unknown_parameter_has_no_initialisation():
    with pytest.raises(ValueError, match="tower/gamma"):
        initial_params(jax.random.key(0), {"tower": {"gamma": jax.ShapeDtypeStruct((2,), "f4")}})


def test_the_stored_model_is_small_half_precision_and_loads():
    path = EMBEDDED_DIRECTORY / "model.safetensors"
    assert path.stat().st_size <= 6_000_000
    with safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
        assert {file.get_tensor(key).dtype for key in file.keys()} == {np.dtype("float16")}  # noqa: SIM118
    clip = load_clip("glyphclip")
    leaves = jax.tree_util.tree_leaves(clip.params)
    assert {leaf.dtype for leaf in leaves} == {np.dtype("float32")}
    assert all(np.isfinite(leaf).all() for leaf in leaves)

    def size(name: str) -> int:
        return sum(leaf.size for leaf in jax.tree_util.tree_leaves(clip.params[name]))

    assert size("vision_model") > size("text_model")
    assert clip.preprocess.size == clip.preprocess.resize == 32


@pytest.mark.slow
def test_the_stored_model_names_handwritten_digits_it_never_saw():
    classifier, theta_0 = zero_shot_classifier(load_clip("glyphclip"), DIGIT_NAMES, "digits")
    images, labels = mnist_splits()["validation"]
    logits = jax.jit(classifier.logits)(theta_0, images)
    assert (np.asarray(logits).argmax(-1) == labels).mean() >= 0.88
