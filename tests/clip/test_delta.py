from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.clip.parity import relative_error
from tests.helpers.tiny import tiny_clip_directory, tiny_images
from wiseft_jax.clip.classifier import Classifier, zero_shot_classifier
from wiseft_jax.clip.delta import delta_features, delta_logits, same_paths
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.towers import normalise_pixels
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.weights.interpolate import lerp

NAMES = ("red circle", "blue square", "digit", "x")
LAYERS = 2
RELATIVE = 1e-5
ALPHAS = np.float32([0, 1, 0.3, -0.5, 1.75, 0.85, 0.5, 0.05])
TOWERS = ("transformers", "scan")

OF_A_LAYER = [
    *(f"layer_norm{number}/{leaf}" for number in (1, 2) for leaf in ("scale", "bias")),
    *(f"mlp/{name}/{leaf}" for name in ("fc1", "fc2") for leaf in ("kernel", "bias")),
    *(
        f"self_attn/{name}_proj/{leaf}"
        for name in ("q", "k", "v", "out")
        for leaf in ("kernel", "bias")
    ),
]
VISION = "encoder/vision_model"
LEAVES = [
    f"{VISION}/embeddings/class_embedding",
    f"{VISION}/embeddings/patch_embedding/kernel",
    f"{VISION}/embeddings/position_embedding/embedding",
    *(
        f"{VISION}/{norm}/{leaf}"
        for norm in ("pre_layrnorm", "post_layernorm")
        for leaf in ("scale", "bias")
    ),
    *(f"{VISION}/encoder/layers/{layer}/{leaf}" for layer in range(LAYERS) for leaf in OF_A_LAYER),
    "encoder/visual_projection/kernel",
    "head/kernel",
    "head/bias",
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip_directory(tmp_path_factory.mktemp("clip"), vision_layers=LAYERS)


def classifier_of(directory: Path, tower: str = "transformers", **options: Any) -> Any:
    return zero_shot_classifier(load_clip(directory, tower=tower, **options), NAMES)


@pytest.fixture(scope="module")
def pair(directory: Path) -> tuple[Classifier, Any, Any]:
    """A classifier of transformers' tower, and two trees that differ in every leaf."""
    classifier, theta_0 = classifier_of(directory)
    return classifier, theta_0, moved(theta_0)


def moved(theta: Any, only: str | None = None) -> Any:
    """Return a tree that is as far from another as fine-tuning may well go, in all leaves or one."""
    rng, leaves = np.random.default_rng(7), {}
    for path, leaf in flatten_paths(theta).items():
        scale = np.float32(0.3) * (np.std(leaf) or np.float32(1))
        noise = scale * rng.standard_normal(leaf.shape, np.float32)
        leaves[path] = leaf + noise if only in (None, path) else leaf
    return unflatten_paths(leaves)


def compiled(classifier: Classifier, **options: Any) -> Any:
    return jax.jit(functools.partial(delta_logits, classifier, **options))


@pytest.fixture(scope="module")
def delta(pair: Any) -> Any:
    return compiled(pair[0])


@pytest.fixture(scope="module")
def direct(pair: Any) -> Any:
    """The logits of each image by the merged model of its own alpha, one image at a time."""
    return one_by_one(pair[0].logits)


def one_by_one(call: Any) -> Any:
    @jax.jit
    def single(theta_0: Any, theta_1: Any, alpha: Any, image: Any) -> Any:
        return call(lerp(theta_0, theta_1, alpha), image[None])[0]

    def every(theta_0: Any, theta_1: Any, alphas: Any, images: Any) -> Any:
        rows = zip(alphas, images, strict=True)
        return np.stack([single(theta_0, theta_1, alpha, image) for alpha, image in rows])

    return every


def worst_row(found: Any, expected: Any) -> float:
    return max(map(relative_error, np.asarray(found), np.asarray(expected)))


IMAGES = tiny_images(len(ALPHAS))


def test_the_leaves_below_are_all_that_there_are(pair: Any):
    assert sorted(LEAVES) == sorted(flatten_paths(pair[1]))


@pytest.mark.parametrize("path", LEAVES)
def test_each_leaf_alone_is_merged_for_each_image(path: str, pair: Any, delta: Any, direct: Any):
    theta_0 = pair[1]
    theta_1 = moved(theta_0, only=path)
    expected = direct(theta_0, theta_1, ALPHAS, IMAGES)
    assert worst_row(delta(theta_0, theta_1, ALPHAS, IMAGES), expected) < RELATIVE
    change = np.abs(expected - direct(theta_0, theta_0, ALPHAS, IMAGES)).max(1)
    if not path.endswith("k_proj/bias"):  # a softmax is blind to what is added to all scores
        assert change[ALPHAS != 0].min() > 1e-3
