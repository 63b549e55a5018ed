"""Penalties are the gradients of their formulas."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

from wiseft_jax.training.penalties import find_start, keep_start, pull_to_start, shrink


def test_the_pull_is_the_gradient_of_the_squared_distance():
    random = np.random.default_rng(0)
    start = {"w": jnp.asarray(random.normal(size=5), jnp.float32)}
    theta = {"w": start["w"] + 0.3}
    transform = pull_to_start(0.7)
    grads = {"w": jnp.ones(5)}
    updates, state = transform.update(grads, transform.init(start), theta)
    expected = jax.grad(lambda w: jnp.sum(w) + 0.35 * jnp.sum((w - start["w"]) ** 2))(theta["w"])
    np.testing.assert_allclose(updates["w"], expected, rtol=1e-6)
    again, _ = transform.update(grads, state, start)
    np.testing.assert_array_equal(again["w"], grads["w"])


def test_the_start_is_kept_and_found_and_updates_pass():
    start, moved = {"w": jnp.asarray([1.0, -0.0])}, {"w": jnp.asarray([3.0, 4.0])}
    for transform in (keep_start(), pull_to_start(0.0)):
        optimizer = optax.chain(transform, optax.adam(0.1))
        state = optimizer.init(start)
        _, state = optimizer.update({"w": jnp.ones(2)}, state, moved)
        np.testing.assert_array_equal(find_start(state)["w"], start["w"])  # type: ignore[index]
    kept = keep_start()
    updates, _ = kept.update({"w": jnp.ones(2)}, kept.init(start), moved)
    np.testing.assert_array_equal(updates["w"], [1.0, 1.0])
    assert find_start(optax.adam(0.1).init(start)) is None


def test_shrinking_is_the_gradient_of_the_absolute_sum_and_leaves_zero():
    theta = {"w": jnp.asarray([-2.0, 0.0, 3.0])}
    transform = shrink(0.5)
    updates, _ = transform.update({"w": jnp.zeros(3)}, transform.init(theta), theta)
    np.testing.assert_array_equal(updates["w"], [-0.5, 0.0, 0.5])


def test_with_gradient_descent_the_pull_contracts_to_the_start():
    """x_{t+1} = x_t - lr s (x_t - x_0): the distance shrinks by 1 - lr s each step."""
    start = {"w": jnp.zeros(2)}
    optimizer = optax.chain(pull_to_start(2.0), optax.sgd(0.1))
    state = optimizer.init(start)
    theta = {"w": jnp.ones(2)}
    for _ in range(3):
        updates, state = optimizer.update({"w": jnp.zeros(2)}, state, theta)
        theta = optax.apply_updates(theta, updates)
    np.testing.assert_allclose(theta["w"], 0.8**3, rtol=1e-6)
