"""Losses against NumPy oracles in float64, and their laws."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.training.losses import contrastive_loss, cross_entropy, distillation


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def oracle_cross_entropy(logits, targets, smoothing, weights):
    log_p = log_softmax(logits.astype(np.float64))
    losses = []
    for row, target in zip(log_p, targets, strict=True):
        nll = -row[target] if np.ndim(target) == 0 else -(target * row).sum()
        losses.append((1 - smoothing) * nll - smoothing * row.mean())
    return np.average(losses, weights=weights)


def oracle_contrastive(images, texts, scale, positives):
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    texts = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    logits = np.exp(scale) * images @ texts.T
    total = 0.0
    for table, mask in ((logits, positives), (logits.T, positives.T)):
        log_p = log_softmax(table)
        total += np.mean([-log_p[i, mask[i]].mean() for i in range(len(mask))]) / 2
    return total


def random_features(seed: int, count: int = 6, width: int = 5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, count, width)).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("soft", [False, True])
def test_cross_entropy_matches_numpy(smoothing: float, soft: bool):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (7, 5)).astype(np.float32)
    targets = (
        rng.dirichlet(np.ones(5), 7).astype(np.float32)
        if soft
        else rng.integers(5, size=7).astype(np.int32)
    )
    weights = rng.random(7).astype(np.float32)
    loss = cross_entropy(jnp.asarray(logits), jnp.asarray(targets), smoothing, jnp.asarray(weights))
    expected = oracle_cross_entropy(logits, targets, smoothing, weights)
    np.testing.assert_allclose(loss, expected, rtol=2e-6)


@given(seed=st.integers(0, 2**31 - 1), smoothing=st.floats(0, 1))
def test_one_hot_targets_equal_labels(seed: int, smoothing: float):
    rng = np.random.default_rng(seed)
    logits = jnp.asarray(rng.normal(size=(4, 3)), jnp.float32)
    labels = jnp.asarray(rng.integers(3, size=4), jnp.int32)
    hard = cross_entropy(logits, labels, smoothing)
    soft = cross_entropy(logits, jax.nn.one_hot(labels, 3), smoothing)
    np.testing.assert_allclose(hard, soft, rtol=1e-6, atol=1e-7)


@given(seed=st.integers(0, 2**31 - 1), offset=st.floats(-50, 50))
def test_cross_entropy_ignores_a_constant_added_to_logits(seed: int, offset: float):
    rng = np.random.default_rng(seed)
    logits = jnp.asarray(rng.normal(size=(4, 3)), jnp.float32)
    labels = jnp.asarray([0, 1, 2, 0], jnp.int32)
    shifted = cross_entropy(logits + jnp.float32(offset), labels, 0.1)
    np.testing.assert_allclose(shifted, cross_entropy(logits, labels, 0.1), rtol=1e-4, atol=1e-5)


def test_smoothing_interpolates_between_label_and_uniform_targets():
    logits = jnp.asarray([[2.0, -1.0, 0.5]], jnp.float32)
    labels = jnp.asarray([1], jnp.int32)
    uniform = cross_entropy(logits, jnp.full((1, 3), 1 / 3, jnp.float32))
    mixed = 0.7 * cross_entropy(logits, labels) + 0.3 * uniform
    np.testing.assert_allclose(cross_entropy(logits, labels, 0.3), mixed, rtol=1e-6)


def test_masked_examples_change_nothing_not_even_when_infinite():
    logits = jnp.asarray([[1.0, 2.0], [jnp.inf, 0.0], [0.0, 3.0]], jnp.float32)
    labels = jnp.asarray([0, 1, 1], jnp.int32)
    mask = jnp.asarray([1, 0, 1], jnp.int32)
    loss = cross_entropy(logits, labels, weights=mask)
    kept = cross_entropy(logits[jnp.asarray([0, 2])], jnp.asarray([0, 1], jnp.int32))
    np.testing.assert_allclose(loss, kept, rtol=1e-6)


def test_no_weight_at_all_is_zero_and_has_a_finite_gradient():
    labels = jnp.asarray([0, 1], jnp.int32)
    value, grad = jax.value_and_grad(cross_entropy)(
        jnp.ones((2, 3), jnp.float32), labels, 0.0, jnp.zeros(2, jnp.float32)
    )
    assert value == 0
    np.testing.assert_array_equal(grad, np.zeros((2, 3)))


def test_losses_are_float32_for_bfloat16_logits():
    logits = jnp.asarray([[1.0, 2.0], [0.0, 3.0]], jnp.bfloat16)
    loss = cross_entropy(logits, jnp.asarray([0, 1], jnp.int32))
    assert loss.dtype == jnp.float32
    expected = oracle_cross_entropy(np.asarray(logits, np.float64), [0, 1], 0.0, None)
    np.testing.assert_allclose(loss, expected, rtol=2e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_contrastive_loss_matches_numpy(masked: bool):
    images, texts = random_features(1)
    positives = np.eye(6, dtype=bool)
    if masked:
        positives |= np.random.default_rng(2).random((6, 6)) < 0.3
    scale = jnp.float32(np.log(1 / 0.07))
    argument = jnp.asarray(positives) if masked else None
    loss = contrastive_loss(jnp.asarray(images), jnp.asarray(texts), scale, argument)
    expected = oracle_contrastive(
        images.astype(np.float64), texts.astype(np.float64), float(scale), positives
    )
    np.testing.assert_allclose(loss, expected, rtol=3e-6)


@given(seed=st.integers(0, 2**31 - 1))
def test_contrastive_loss_is_symmetric_in_its_towers(seed: int):
    images, texts = random_features(seed)
    positives = np.random.default_rng(seed).random((6, 6)) < 0.2
    scale = jnp.float32(2.0)
    one = contrastive_loss(jnp.asarray(images), jnp.asarray(texts), scale, jnp.asarray(positives))
    other = contrastive_loss(
        jnp.asarray(texts), jnp.asarray(images), scale, jnp.asarray(positives.T)
    )
    np.testing.assert_allclose(one, other, rtol=1e-5)


@given(seed=st.integers(0, 2**31 - 1))
def test_contrastive_loss_ignores_order_and_length_of_features(seed: int):
    images, texts = random_features(seed)
    order = np.random.default_rng(seed).permutation(6)
    length = np.linspace(0.5, 4, 6, dtype=np.float32)[:, None]
    scale = jnp.float32(2.0)
    plain = contrastive_loss(jnp.asarray(images), jnp.asarray(texts), scale)
    other = contrastive_loss(
        jnp.asarray(images[order] * length), jnp.asarray(texts[order] * length), scale
    )
    np.testing.assert_allclose(plain, other, rtol=1e-5)


def test_identical_features_cost_the_logarithm_of_the_batch():
    same = jnp.ones((8, 3), jnp.float32)
    np.testing.assert_allclose(contrastive_loss(same, same, jnp.float32(3.0)), np.log(8), rtol=1e-6)


def test_positives_stop_true_pairs_from_being_pushed_apart():
    same = jnp.ones((2, 3), jnp.float32)
    everything = jnp.ones((2, 2), bool)
    grad = jax.grad(contrastive_loss)(same, same, jnp.float32(1.0), everything)
    np.testing.assert_allclose(grad, np.zeros((2, 3)), atol=1e-7)
    texts = jnp.asarray([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]], jnp.float32)
    pushed = jax.grad(contrastive_loss)(same, texts, jnp.float32(3.0), jnp.eye(2, dtype=bool))
    assert float(jnp.abs(pushed).max()) > 1e-3


def test_the_diagonal_always_counts():
    images, texts = map(jnp.asarray, random_features(3))
    scale = jnp.float32(1.0)
    nothing = contrastive_loss(images, texts, scale, jnp.zeros((6, 6), bool))
    np.testing.assert_allclose(nothing, contrastive_loss(images, texts, scale), rtol=1e-6)


def test_zero_features_have_finite_gradients():
    images, texts = map(jnp.asarray, random_features(4))
    grad = jax.grad(contrastive_loss)(images.at[0].set(0.0), texts, jnp.float32(1.0))
    assert bool(jnp.all(jnp.isfinite(grad)))


def oracle_distillation(logits, teacher, temperature, weights):
    log_p = log_softmax(teacher.astype(np.float64) / temperature)
    log_q = log_softmax(logits.astype(np.float64) / temperature)
    rows = (np.exp(log_p) * (log_p - log_q)).sum(1)
    return temperature**2 * np.average(rows, weights=weights)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distillation_matches_numpy(temperature: float):
    logits, teacher = 3 * random_features(2, 7, 5)
    weights = np.array([1, 1, 0, 1, 1, 0, 1], bool)
    for counted in (None, weights):
        given_weights = None if counted is None else jnp.asarray(counted)
        found = distillation(jnp.asarray(logits), jnp.asarray(teacher), temperature, given_weights)
        expected = oracle_distillation(logits, teacher, temperature, counted)
        np.testing.assert_allclose(found, expected, rtol=5e-6)
    same = distillation(jnp.asarray(logits), jnp.asarray(logits), temperature)
    assert float(same) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_gradient_of_distillation_is_t_times_the_difference_of_probabilities(
    temperature: float,
):
    logits, teacher = random_features(3, 6, 5)
    slopes = jax.grad(distillation, argnums=(0, 1))(logits, teacher, temperature)
    p, q = (
        np.exp(log_softmax(each.astype(np.float64) / temperature)) for each in (teacher, logits)
    )
    np.testing.assert_allclose(slopes[0], temperature * (q - p) / 6, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(slopes[1], np.zeros_like(teacher))  # the teacher stays
