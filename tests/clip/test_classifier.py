from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import numpy_clip
from tests.helpers.tiny import tiny_images
from wiseft_jax.clip.classifier import (
    Classifier,
    head_logits,
    shaped_classifier,
    zero_shot_classifier,
)
from wiseft_jax.clip.convert import to_hf
from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.two_towers import shaped_two_tower_classifier, two_tower_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths

NAMES = ("red circle", "blue square", "x")


@pytest.fixture(scope="module")
def pair(clip: Clip) -> tuple[Classifier, Any]:
    classifier, theta = zero_shot_classifier(clip, NAMES)
    theta["head"]["bias"] = np.float32([0.5, -1, 2])
    return classifier, theta


@pytest.fixture(scope="module")
def logits(pair: tuple[Classifier, Any]) -> Any:
    return jax.jit(pair[0].logits)


@pytest.fixture(scope="module")
def features(pair: tuple[Classifier, Any]) -> Any:
    return jax.jit(pair[0].features)


def test_theta_is_one_tree_of_what_is_trained(clip: Clip):
    _, theta = zero_shot_classifier(clip, list(NAMES), "imagenet")
    assert sorted(theta) == ["encoder", "head"]
    assert sorted(theta["encoder"]) == ["vision_model", "visual_projection"]
    assert theta["head"]["kernel"].shape == (16, 3)
    for leaf in flatten_paths(theta).values():
        assert type(leaf) is np.ndarray
        assert leaf.dtype == np.float32


@pytest.mark.parametrize("two_towers", [False, True])
def test_shapes_are_those_of_the_parameters_and_no_prompt_is_embedded(
    clip: Clip, two_towers: bool, monkeypatch: pytest.MonkeyPatch
):
    make = two_tower_classifier if two_towers else zero_shot_classifier
    classifier, theta = make(clip, NAMES)
    monkeypatch.setattr("wiseft_jax.clip.classifier.zero_shot_head", None)
    shape = shaped_two_tower_classifier if two_towers else shaped_classifier
    shaped, shapes = shape(clip, NAMES)
    assert type(shaped) is type(classifier)
    assert shaped.class_names == classifier.class_names
    wanted = {path: (leaf.shape, leaf.dtype) for path, leaf in flatten_paths(theta).items()}
    found = {path: (leaf.shape, leaf.dtype) for path, leaf in flatten_paths(shapes).items()}
    assert found == wanted


def test_it_carries_what_an_export_needs(clip: Clip, pair: tuple[Classifier, Any]):
    classifier = pair[0]
    assert classifier.class_names == NAMES
    assert classifier.templates == ("a photo of a {}.",)
    assert sorted(classifier.frozen) == ["logit_scale", "text_model", "text_projection"]
    assert classifier.source == clip.source
    assert classifier.tokenizer is clip.tokenizer


def test_logits_equal_the_numpy_oracle(clip: Clip, pair: Any, logits: Any, features: Any):
    theta, images = pair[1], tiny_images()
    mean, std = np.array(clip.preprocess.mean), np.array(clip.preprocess.std)
    pixels = (images / 255 - mean) / std
    projected = numpy_clip.image_features(to_hf(clip.params), clip.config.to_dict(), pixels)
    unit = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    expected = unit @ theta["head"]["kernel"].astype(np.float64) + theta["head"]["bias"]
    found = logits(theta, images)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(features(theta, images), projected, atol=5e-6)


def test_logits_do_not_depend_on_the_scale_of_the_features(pair: Any, logits: Any):
    theta = pair[1]
    doubled = {**theta["encoder"]["visual_projection"]}
    doubled["kernel"] = 2 * doubled["kernel"]
    other = {**theta, "encoder": {**theta["encoder"], "visual_projection": doubled}}
    images = tiny_images()
    np.testing.assert_allclose(logits(other, images), logits(theta, images), atol=2e-5)


def test_the_head_may_be_applied_to_stored_features(pair: Any, logits: Any, features: Any):
    theta, images = pair[1], tiny_images()
    stored = np.asarray(features(theta, images))
    expected = logits(theta, images)
    np.testing.assert_allclose(head_logits(theta["head"], stored), expected, atol=2e-5)
    unit = stored / np.linalg.norm(stored, axis=1, keepdims=True)
    np.testing.assert_allclose(head_logits(theta["head"], unit), expected, atol=2e-5)


def test_the_head_is_float32_with_a_bfloat16_tower(clip_directory: Any):
    from wiseft_jax.clip.load import load_clip

    classifier, theta = zero_shot_classifier(load_clip(clip_directory, "bfloat16"), NAMES)
    images = tiny_images()

    @jax.jit
    def both(theta: Any, images: Any) -> Any:
        return classifier.features(theta, images), classifier.logits(theta, images)

    features, logits = map(np.asarray, both(theta, images))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert logits.dtype == jnp.float32
    expected = unit.astype(np.float64) @ theta["head"]["kernel"]
    np.testing.assert_allclose(logits, expected, atol=5e-5)
    assert flatten_paths(theta)["encoder/visual_projection/kernel"].dtype == np.float32


def test_floating_images_in_0_255_are_the_same(pair: Any, logits: Any):
    theta, images = pair[1], tiny_images()
    floating = logits(theta, images.astype(np.float32))
    np.testing.assert_allclose(floating, logits(theta, images), atol=1e-5)


def test_a_classifier_may_be_static_and_compiles_once(pair: tuple[Classifier, Any]):
    classifier, theta = pair
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def predict(classifier: Classifier, theta: Any, images: Any) -> Any:
        traces.append(1)
        return classifier.logits(theta, images).argmax(1)

    images = tiny_images()
    first = predict(classifier, theta, images)
    second = predict(classifier, theta, images)
    np.testing.assert_array_equal(first, second)
    assert len(traces) == 1
    assert hash(classifier.logits) == hash(classifier.logits)


def test_it_maps_over_stacked_parameters(pair: tuple[Classifier, Any]):
    classifier, theta = pair
    shifted = {**theta, "head": {**theta["head"], "bias": theta["head"]["bias"] + 1}}
    stacked = jax.tree_util.tree_map(lambda *leaves: np.stack(leaves), theta, shifted)
    logits = jax.jit(jax.vmap(classifier.logits, in_axes=(0, None)))(stacked, tiny_images())
    np.testing.assert_allclose(logits[1], logits[0] + 1, atol=1e-5)


def test_images_of_another_size_are_refused(pair: tuple[Classifier, Any]):
    classifier, theta = pair
    with pytest.raises(InputError, match=r"images are 24 x 24 pixels, .* takes 16 x 16"):
        classifier.logits(theta, tiny_images(2, 24))


def test_bad_names_and_templates_are_refused(clip: Clip):
    with pytest.raises(InputError, match="occurs twice"):
        zero_shot_classifier(clip, ["a", "a"])
    with pytest.raises(InputError, match=r"has no \{\}"):
        zero_shot_classifier(clip, ["a"], ["photo"])
