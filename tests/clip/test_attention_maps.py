"""What is read and changed inside the image tower, against NumPy and finite differences."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from tests.clip.saliency_model import Model, saliency_model
from wiseft_jax.clip.attention_maps import (
    cosine_scores,
    gradients_inside,
    look_inside,
    relevance,
    rollout,
    score_images,
)

TOLERANCE = 3e-6  # float32 through two layers, of numbers of order one


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return saliency_model(tmp_path_factory.mktemp("clip") / "model")


def test_looking_changes_no_feature(model: Model):
    found, seen = look_inside(model.clip.tower, model.clip.params, model.pixels)
    expected = model.clip.tower.image_features(model.clip.params, model.pixels)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    assert seen["attention"].shape == (2, 2, 2, 5, 5)
    assert seen["last_output"].shape == seen["last_attention_input"].shape == (2, 5, 32)
    np.testing.assert_allclose(seen["attention"].sum(-1), 1, atol=1e-6)


def test_what_is_seen_is_what_numpy_computes(model: Model):
    _, seen = look_inside(model.clip.tower, model.clip.params, model.pixels)
    oracle = model.oracle()
    np.testing.assert_allclose(seen["attention"][:, 0], oracle.seen("attention"), atol=TOLERANCE)
    for place, name in (("last_attention_input", "attention_input"), ("last_output", "output")):
        np.testing.assert_allclose(seen[place][0], oracle.seen(name)[-1], atol=5 * TOLERANCE)
    scores = score_images(*model.arguments())
    np.testing.assert_allclose(scores[0], oracle.scores(oracle.pixels[None])[0], atol=TOLERANCE)


def test_scores_are_cosines(model: Model):
    features = np.asarray([[3.0, 4.0], [1.0, 0.0]], np.float32)
    directions = np.asarray([[30.0, 40.0], [0.0, -2.0]], np.float32)
    np.testing.assert_allclose(cosine_scores(features, directions), [1, 0], atol=1e-7)


def test_gradients_by_attention_are_finite_differences(model: Model):
    values, found = jax.jit(gradients_inside, static_argnums=(0, 4))(
        *model.arguments(), "attention"
    )
    assert values.shape == found.shape == (2, 2, 2, 5, 5)
    for row in range(2):
        expected = model.oracle(row).gradients("attention")
        assert np.abs(expected).max() > 1e-2
        np.testing.assert_allclose(found[:, row], expected, atol=TOLERANCE)


def test_at_the_last_blocks_output_patches_have_no_gradient_at_all(model: Model):
    """The trap: only the class token is read there; Grad-CAM there would be 0 everywhere."""
    _, after = gradients_inside(*model.arguments(), "last_output")
    assert np.all(np.asarray(after[:, 1:]) == 0)
    assert np.abs(after[:, 0]).max() > 1e-3
    _, before = gradients_inside(*model.arguments(), "last_attention_input")
    assert np.abs(before[:, 1:]).min(axis=-1).max() > 0
    expected = model.oracle().gradients("attention_input")[-1]
    np.testing.assert_allclose(before[0], expected, atol=TOLERANCE)


def test_rows_of_a_rollout_sum_to_one():
    weights = np.random.default_rng(0).dirichlet(np.ones(7), size=(3, 2, 4, 7)).astype(np.float32)
    found = rollout(weights)
    np.testing.assert_allclose(found.sum(-1), np.ones((2, 7)), atol=1e-6)
    expected = np.eye(7)
    for layer in weights.astype(np.float64):
        mixed = layer[1].mean(0) + np.eye(7)
        expected = mixed / mixed.sum(-1, keepdims=True) @ expected
    np.testing.assert_allclose(found[1], expected, atol=1e-6)


def test_without_attention_each_token_holds_itself():
    itself = np.broadcast_to(np.eye(5, dtype=np.float32), (3, 1, 2, 5, 5))
    np.testing.assert_allclose(rollout(itself)[0], np.eye(5), atol=1e-7)
    np.testing.assert_array_equal(relevance(itself, np.zeros_like(itself))[0], np.eye(5))


def test_relevance_is_chefers_recursion():
    rng = np.random.default_rng(1)
    weights = rng.dirichlet(np.ones(6), size=(2, 1, 3, 6)).astype(np.float32)
    slopes = rng.normal(size=weights.shape).astype(np.float32)
    first, second = (np.maximum(0, weights[i, 0] * slopes[i, 0]).mean(0) for i in range(2))
    expected = (np.eye(6) + second) @ (np.eye(6) + first)  # R + A R = (I + A) R
    np.testing.assert_allclose(relevance(weights, slopes)[0], expected, atol=1e-6)
    negative = relevance(weights, -np.abs(slopes))
    np.testing.assert_array_equal(negative[0], np.eye(6))
