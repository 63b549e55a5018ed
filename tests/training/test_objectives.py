from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.training.objectives import OBJECTIVES, softmax_entropy


def numpy_entropy(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return -(p * np.log(p)).sum(1)


def test_entropy_agrees_with_numpy_and_its_bounds():
    logits = np.random.default_rng(0).normal(0, 3, (32, 5)).astype(np.float32)
    found = softmax_entropy(jnp.asarray(logits))
    np.testing.assert_allclose(found, numpy_entropy(logits), rtol=1e-5, atol=1e-6)
    assert float(softmax_entropy(jnp.zeros((1, 4)))[0]) == pytest.approx(np.log(4))


def test_a_class_of_no_probability_adds_nothing():
    logits = jnp.array([[0.0, 0.0, -jnp.inf], [200.0, 0.0, 0.0]])
    np.testing.assert_allclose(softmax_entropy(logits), [np.log(2), 0.0], atol=1e-6)
    slope = jax.grad(lambda x: softmax_entropy(x).sum())(jnp.array([[200.0, 0.0, -200.0]]))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_what_is_masked_does_not_count(name: str):
    spec = OBJECTIVES[name]
    logits = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
    batch = {
        "image": np.zeros((6, 1, 1, 3), np.uint8),
        "label": np.array([0, 1, 2, 0, -1, -1], np.int32),
        "mask": np.arange(6) < 4,
        "index": np.arange(6),
    }
    seen = spec.batch(batch)
    assert ("label" in seen) == spec.needs_labels
    assert "index" not in seen
    logits[4:] = np.inf  # masked, so even this doesn't matter
    short = {key: value[:4] for key, value in seen.items()}
    whole = spec.mean(jnp.asarray(logits), jax.tree_util.tree_map(jnp.asarray, seen))
    part = spec.mean(jnp.asarray(logits[:4]), jax.tree_util.tree_map(jnp.asarray, short))
    assert float(whole) == pytest.approx(float(part), rel=1e-6)
    nothing = {**seen, "mask": np.zeros(6, bool)}
    assert float(spec.mean(jnp.asarray(logits), jax.tree_util.tree_map(jnp.asarray, nothing))) == 0
    assert spec.summary
