"""What is common to both towers beyond float32: bfloat16, rematerialisation, hashing, merging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.clip.parity import features_and_gradients, random_inputs, random_params, relative_error
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.clip.load import clip_module, make_tower, read_config
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.weights.interpolate import lerp

KEYS = ("vision_model", "visual_projection", "text_model", "text_projection")
TOWERS = ("transformers", "scan")
ONE_IS_FAST = [
    ("scan", "bfloat16"),
    pytest.param("scan", "float32", marks=pytest.mark.slow),
    pytest.param("transformers", "float32", marks=pytest.mark.slow),
    pytest.param("transformers", "bfloat16", marks=pytest.mark.slow),
]
EPSILON = 2.0**-8  # bfloat16's unit roundoff
LAYERS = 3
ALLOWED = EPSILON * float(np.sqrt(8 * LAYERS + 4))
"""Relative error in bfloat16: a layer rounds its residual twice and six results between, the rest
of a tower four, independently of each other."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("clip")
    return read_config(tiny_clip_directory(path, vision_layers=LAYERS, text_layers=LAYERS))


@pytest.fixture(scope="module")
def params(config: Any) -> Any:
    return random_params(config, KEYS)


def test_in_float32_the_modules_run_exactly_as_they_are(config: Any, params: Any):
    module, (pixels,) = clip_module(config), random_inputs(config, 2)["image"]

    def plain(params: Any, pixels: Any) -> Any:
        def encode(module: Any, pixels: Any) -> Any:
            return module.visual_projection(module.vision_model(pixels)[1])

        return module.apply({"params": {**params, "logit_scale": 0.0}}, pixels, method=encode)

    tower = make_tower(config)
    expected = jax.jit(plain).lower(params, pixels).as_text()
    found = jax.jit(tower.image_features).lower(params, pixels).as_text()
    assert found.count("stablehlo.dot_general") == expected.count("stablehlo.dot_general")
    assert found.count("stablehlo.convolution") == 1
    np.testing.assert_array_equal(tower.image_features(params, pixels), plain(params, pixels))


@pytest.mark.parametrize("which", ["image", "text"])
@pytest.mark.parametrize("name", TOWERS)
def test_bfloat16_is_float32_but_for_roundings(config: Any, params: Any, name: str, which: str):
    inputs, tower = random_inputs(config, 4)[which], make_tower(config, tower=name)
    used = {key: params[key] for key in KEYS if key.startswith(("vi", "text"))}
    used = {key: used[key] for key in used if key.startswith("vi") == (which == "image")}
    expected, gradients = features_and_gradients(tower, used, which, inputs)
    low = tower.with_dtype("bfloat16")
    found, low_gradients = features_and_gradients(low, used, which, inputs)
    assert found.dtype == np.float32
    assert 0 < relative_error(found, expected) < ALLOWED
    for path in (
        "patch_embedding/kernel",
        "token_embedding/embedding",
        "fc1/kernel",
        "v_proj/kernel",
    ):
        for leaf in (key for key in gradients if key.endswith(path)):
            assert low_gradients[leaf].dtype == np.float32
            assert 0 < relative_error(low_gradients[leaf], gradients[leaf]) < 2 * ALLOWED, leaf


@pytest.mark.parametrize(("name", "dtype"), ONE_IS_FAST)
def test_no_policy_changes_values_or_gradients(config: Any, params: Any, name: str, dtype: str):
    inputs = random_inputs(config, 2)["image"]
    used = {key: params[key] for key in KEYS[:2]}
    features, gradients = features_and_gradients(
        make_tower(config, dtype, name), used, "image", inputs
    )
    for remat in ("dots", "full"):
        tower = make_tower(config, dtype, name, remat)
        found, found_gradients = features_and_gradients(tower, used, "image", inputs)
        # In bfloat16 these are two roundings of one number: XLA keeps float32 between operations
        # that it fuses, and fuses others when they are computed again.
        tolerance = 4e-6 if dtype == "float32" else 2 * ALLOWED
        assert relative_error(found, features) <= tolerance / 2
        for path, leaf in gradients.items():
            if not path.endswith("k_proj/bias"):  # zero but for roundings
                assert relative_error(found_gradients[path], leaf) <= tolerance, path


def saved_elements(config: Any, params: Any, name: str, remat: str, dtype: str = "float32") -> int:
    """Return how many numbers a forward pass keeps for the backward pass, parameters aside."""
    tower, (pixels,) = make_tower(config, dtype, name, remat), random_inputs(config, 2)["image"]
    own = jax.device_put(tower.from_canonical({key: params[key] for key in KEYS[:2]}))
    _, pullback = jax.vjp(lambda params: tower.image_features(params, pixels), own)
    sizes = [np.size(leaf) for leaf in jax.tree_util.tree_leaves(pullback)]
    return sum(sizes)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", TOWERS)
def test_each_policy_keeps_less_than_the_one_before(
    config: Any, params: Any, name: str, dtype: str
):
    kept = [
        saved_elements(config, params, name, remat, dtype) for remat in ("none", "dots", "full")
    ]
    assert kept[0] > kept[1] > kept[2]


def test_full_rematerialisation_of_a_scan_needs_less_memory_than_none(config: Any, params: Any):
    def temporary_bytes(remat: str) -> int:
        tower = make_tower(config, "float32", "scan", remat)
        own = tower.from_canonical({key: params[key] for key in KEYS[:2]})
        pixels = np.zeros((64, 16, 16, 3), np.float32)
        loss = jax.grad(lambda params, pixels: tower.image_features(params, pixels).sum())
        analysis = jax.jit(loss).lower(own, pixels).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    none, dots, full = map(temporary_bytes, ("none", "dots", "full"))
    assert full < dots < none


@pytest.mark.parametrize(("name", "dtype"), ONE_IS_FAST)
def test_gradients_map_over_models_and_reach_alpha(config: Any, params: Any, name: str, dtype: str):
    tower, (pixels,) = make_tower(config, dtype, name, "dots"), random_inputs(config, 2)["image"]
    theta_0 = tower.from_canonical({key: params[key] for key in KEYS[:2]})
    theta_1 = jax.tree_util.tree_map(lambda leaf: np.float32(1.1) * leaf, theta_0)
    stacked = jax.tree_util.tree_map(lambda *leaves: np.stack(leaves), theta_0, theta_1)

    def loss(params: Any) -> Any:
        return jnp.square(tower.image_features(params, pixels)).mean()

    both = jax.jit(jax.vmap(jax.grad(loss)))(stacked)
    single = jax.jit(jax.grad(loss))
    tolerance = 1e-5 if dtype == "float32" else 4 * EPSILON
    for index, theta in enumerate((theta_0, theta_1)):
        one = flatten_paths(single(theta))
        for path, leaf in flatten_paths(both).items():
            if not path.endswith("bias"):
                assert relative_error(leaf[index], one[path]) < tolerance, path

    along = jax.jit(jax.grad(lambda alpha: loss(lerp(theta_0, theta_1, alpha))))
    delta = jax.tree_util.tree_map(lambda a, b: b - a, theta_0, theta_1)
    products = jax.tree_util.tree_map(
        lambda gradient, change: np.sum(np.float64(gradient) * change), single(theta_0), delta
    )
    expected = sum(jax.tree_util.tree_leaves(products))
    assert float(along(jnp.float32(0.0))) == pytest.approx(expected, rel=20 * tolerance)


@pytest.mark.parametrize("name", TOWERS)
def test_towers_of_equal_facts_are_one_key(config: Any, name: str, tmp_path: Path):
    again = read_config(tiny_clip_directory(tmp_path, vision_layers=LAYERS, text_layers=LAYERS))
    tower = make_tower(config, tower=name)
    assert tower == make_tower(again, tower=name)
    assert hash(tower) == hash(make_tower(again, tower=name))
    others = {
        tower.with_dtype("bfloat16"),
        make_tower(config, tower=name, remat="full"),
        make_tower(config, tower="scan" if name == "transformers" else "transformers"),
    }
    assert len(others | {tower}) == 4
    assert tower.with_dtype("bfloat16").with_dtype("float32") == tower
