"""One CLIP under two towers: features and gradients of both, compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wiseft_jax.clip.canonical import canonical_template
from wiseft_jax.clip.load import published_config
from wiseft_jax.clip.towers import Tower
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.core.typing import Params

IMAGE = ("vision_model", "visual_projection")
TEXT = ("text_model", "text_projection")


def shallow_config(name: str, layers: int = 2) -> Any:
    """Return a published configuration at its true widths, with few layers and a small vocabulary.

    The rows of the table that a text doesn't name have no part in anything.
    """
    config = published_config(name)
    for tower in (config.vision_config, config.text_config):
        tower.num_hidden_layers = layers
    config.text_config.vocab_size, config.text_config.eos_token_id = 1000, 999
    return config


def random_params(config: Any, keys: tuple[str, ...], seed: int = 0) -> Params:
    """Return canonical parameters of unit scale, such that no layer is idle and none explodes."""
    rng = np.random.default_rng(seed)
    leaves = {}
    for path, leaf in flatten_paths(canonical_template(config)).items():
        if path.split("/")[0] not in keys:
            continue
        values = rng.standard_normal(leaf.shape, np.float32)
        if path.endswith("kernel"):
            values /= np.float32(np.sqrt(np.prod(leaf.shape[:-1])))
        elif path.endswith("scale"):
            values = 1 + np.float32(0.1) * values
        else:
            values *= np.float32(0.1)
        leaves[path] = values
    return unflatten_paths(leaves)


def random_inputs(config: Any, count: int) -> dict[str, Any]:
    """Return pixels and texts for a configuration; the texts end, and are padded."""
    rng = np.random.default_rng(1)
    vision, text = config.vision_config, config.text_config
    size, length = vision.image_size, text.max_position_embeddings
    ids = rng.integers(3, text.vocab_size - 1, (count, length)).astype(np.int32)
    ends = rng.integers(1, length, count)
    mask = (np.arange(length) <= ends[:, None]).astype(np.int32)
    ids = np.where(np.arange(length) < ends[:, None], ids, text.vocab_size - 1).astype(np.int32)
    pixels = rng.standard_normal((count, size, size, vision.num_channels)).astype(np.float32)
    return {"image": (pixels,), "text": (ids, mask)}


def features_and_gradients(tower: Tower, params: Params, which: str, inputs: Any) -> Any:
    """Return the features and the canonical gradient of a fixed random projection of them."""
    call = {"image": tower.image_features, "text": tower.text_features}[which]

    def loss(params: Params, *inputs: Any) -> Any:
        features = call(params, *inputs)
        weight = np.random.default_rng(2).standard_normal(features.shape).astype(np.float32)
        return jnp.sum(jnp.asarray(weight) * features), features

    compiled = jax.jit(jax.grad(loss, has_aux=True))
    gradients, features = compiled(tower.from_canonical(params), *inputs)
    return np.asarray(features), flatten_paths(tower.to_canonical(jax.device_get(gradients)))


def relative_error(found: Any, expected: Any) -> float:
    """Return ``||found - expected|| / ||expected||``."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def worst_gradient(found: Mapping[str, Any], expected: Mapping[str, Any]) -> tuple[float, str]:
    """Return the largest relative error of a leaf's gradient, and its path.

    The gradient of attention's key biases is zero but for rounding (a softmax is blind to what is
    added to all scores), so that it is compared with the size of the query biases' gradient.
    """
    assert found.keys() == expected.keys()
    errors = []
    for path, leaf in expected.items():
        other = path.replace("k_proj/bias", "q_proj/bias")
        difference = np.asarray(found[path], np.float64) - np.asarray(leaf, np.float64)
        errors.append((float(np.linalg.norm(difference) / np.linalg.norm(expected[other])), path))
    return max(errors)
