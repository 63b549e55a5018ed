"""Factors on the learning rate: by path, by block, and alike in both towers' layouts."""

from __future__ import annotations

import fnmatch

import jax
import numpy as np
import optax
import pytest

from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.clip.load import Clip, load_clip
from wiseft_jax.clip.towers import VISION_KEYS
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.training.options import TrainOptions
from wiseft_jax.training.rates import (
    count_trained,
    drop_frozen,
    learning_rate_factors,
    scale_updates,
)

NORM = "encoder/vision_model/encoder/layers/0/layer_norm1/*"
QUERY = "encoder/vision_model/encoder/layers/1/self_attn/q_proj/*"


def theta(clip: Clip) -> Params:
    width = clip.config.projection_dim
    head = {"kernel": np.ones((width, 3), np.float32), "bias": np.zeros(3, np.float32)}
    return {"encoder": {key: clip.params[key] for key in VISION_KEYS}, "head": head}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    directory = tiny_clip_directory(tmp_path_factory.mktemp("clip"))
    return {name: load_clip(directory, tower=name) for name in ("transformers", "scan")}


def factors(clip: Clip, options: TrainOptions) -> dict[str, np.ndarray]:
    """Return the factors, spread over whole parameters, in Hugging Face's layout."""
    params = theta(clip)
    found = learning_rate_factors(clip.tower, params, TrainConfig(options=options))
    assert found is not None
    spread = jax.tree_util.tree_map(
        lambda leaf, factor: np.broadcast_to(factor, np.shape(leaf)).copy(), params, found
    )
    return flatten_paths(clip.tower.to_canonical(spread))


@pytest.mark.parametrize("tower", ["transformers", "scan"])
def test_patterns_freeze_what_they_match_and_nothing_else(tower: str, clips: dict[str, Clip]):
    options = TrainOptions(freeze=(NORM, QUERY, "head/bias"))
    for path, leaf in factors(clips[tower], options).items():
        frozen = any(fnmatch.fnmatch(path, pattern) for pattern in options.freeze)
        np.testing.assert_array_equal(leaf, 0.0 if frozen else 1.0, err_msg=path)


@pytest.mark.parametrize("tower", ["transformers", "scan"])
def test_frozen_numbers_are_not_counted(tower: str, clips: dict[str, Clip]):
    options = TrainOptions(freeze=(NORM, QUERY, "head/bias"), layer_decay=0.5)
    clip = clips[tower]
    params = theta(clip)
    found = learning_rate_factors(clip.tower, params, TrainConfig(options=options))
    expected = sum(
        leaf.size
        for path, leaf in flatten_paths(clip.tower.to_canonical(params)).items()
        if not any(fnmatch.fnmatch(path, pattern) for pattern in options.freeze)
    )
    assert count_trained(params, found) == expected < count_trained(params, None)


@pytest.mark.parametrize("tower", ["transformers", "scan"])
def test_rates_fall_block_by_block_towards_the_input(tower: str, clips: dict[str, Clip]):
    found = factors(clips[tower], TrainOptions(layer_decay=0.5))
    expected = {
        "head/kernel": 1.0,
        "encoder/visual_projection/kernel": 1.0,
        "encoder/vision_model/post_layernorm/scale": 1.0,
        "encoder/vision_model/encoder/layers/1/mlp/fc1/kernel": 0.5,
        "encoder/vision_model/encoder/layers/0/self_attn/k_proj/bias": 0.25,
        "encoder/vision_model/pre_layrnorm/bias": 0.125,
        "encoder/vision_model/embeddings/patch_embedding/kernel": 0.125,
    }
    for path, value in expected.items():
        np.testing.assert_array_equal(found[path], np.float32(value), err_msg=path)


def test_nothing_asked_for_is_none(clips: dict[str, Clip]):
    clip = clips["transformers"]
    assert learning_rate_factors(clip.tower, theta(clip), TrainConfig()) is None


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (("encoder/vision/*",), r"'encoder/vision/\*' matches no parameter; expected a pattern"),
        (("*",), "freeze every parameter"),
    ],
)
def test_patterns_that_make_no_sense_are_refused(
    freeze: tuple[str, ...], message: str, clips: dict[str, Clip]
):
    clip, config = clips["transformers"], TrainConfig(options=TrainOptions(freeze=freeze))
    with pytest.raises(InputError, match=message):
        learning_rate_factors(clip.tower, theta(clip), config)


def test_a_frozen_parameter_keeps_every_bit_whatever_the_update():
    values = np.asarray([-0.0, 0.0, 1e-45, -3.0, np.inf], np.float32)
    params, part = {"w": values}, {"w": np.asarray([0, 0, 0, 0, 0], np.float32)}
    transform = scale_updates(part)
    updates, _ = transform.update({"w": np.full(5, 7.0, np.float32)}, transform.init(params))
    after = optax.apply_updates(params, updates)["w"]
    signs = np.signbit(np.asarray(after)) == np.signbit(values)
    assert signs.all()
    np.testing.assert_array_equal(np.asarray(after)[[0, 1, 3, 4]], values[[0, 1, 3, 4]])


def test_gradients_of_frozen_parameters_count_in_no_norm():
    grads = {"a": np.ones(3, np.float32), "b": np.ones((2, 2), np.float32)}
    part = {"a": np.zeros((), np.float32), "b": np.asarray([[0.0], [0.5]], np.float32)}
    dropped = drop_frozen(grads, part)
    np.testing.assert_array_equal(dropped["a"], 0)
    np.testing.assert_array_equal(dropped["b"], [[0, 0], [1, 1]])
    assert drop_frozen(grads, None) is grads


def test_layouts_agree_on_every_parameter(clips: dict[str, Clip]):
    options = TrainOptions(freeze=(QUERY,), layer_decay=0.75)
    first, second = (factors(clips[tower], options) for tower in ("transformers", "scan"))
    assert first.keys() == second.keys()
    for path, leaf in first.items():
        np.testing.assert_array_equal(leaf, second[path], err_msg=path)
