"""The average over steps against its recursion in float64, and the identity with WiSE-FT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.training.toy import toy_classifier, toy_config, toy_dataset
from wiseft_jax.core.checkpoint import restore_params
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.averaging import average_weights, find_average, usual_average_alpha
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.options import TrainOptions
from wiseft_jax.weights.interpolate import lerp

STEPS = 7


def trajectory(decay: float) -> tuple[Any, list[Any], Any]:
    """Return the start, the weights after each step, and the optimizer's last state."""
    random = np.random.default_rng(0)
    theta: Any = {"w": jnp.asarray(random.normal(size=(3, 2)), jnp.float32)}
    start, after = theta, []
    optimizer = optax.chain(optax.adam(0.1), average_weights(decay))
    state = optimizer.init(theta)
    for _ in range(STEPS):
        grads = {"w": jnp.asarray(random.normal(size=(3, 2)), jnp.float32)}
        updates, state = optimizer.update(grads, state, theta)
        theta = optax.apply_updates(theta, updates)
        after.append(theta)
    return start, after, state


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.9999])
def test_it_is_the_debiased_average(decay: float):
    start, after, state = trajectory(decay)
    mu = np.asarray(start["w"], np.float64)
    for theta in after:
        mu = decay * mu + (1 - decay) * np.asarray(theta["w"], np.float64)
    rest = decay**STEPS
    debiased = (mu - rest * np.asarray(start["w"], np.float64)) / (1 - rest)
    found = find_average(state)
    assert found is not None
    np.testing.assert_allclose(found["w"], debiased, rtol=0, atol=1e-6)


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.9999])
def test_the_usual_average_is_the_wise_ft_model_at_one_minus_b_to_the_t(decay: float):
    start, after, state = trajectory(decay)
    mu = start
    for theta in after:
        mu = jax.tree_util.tree_map(lambda m, t: decay * m + (1 - decay) * t, mu, theta)
    alpha = usual_average_alpha(decay, STEPS)
    assert alpha == pytest.approx(1 - decay**STEPS, rel=1e-12)
    merged = lerp(start, find_average(state), alpha)
    np.testing.assert_allclose(merged["w"], mu["w"], rtol=0, atol=1e-6)


def test_after_one_step_it_is_the_model():
    classifier, theta_0 = toy_classifier()
    options = TrainOptions(ema_decay=0.99)
    one = toy_config(epochs=1 / 3, options=options)
    averaged = fine_tune(classifier, theta_0, toy_dataset(48), None, one)
    plain = fine_tune(classifier, theta_0, toy_dataset(48), None, toy_config(epochs=1 / 3))
    for name, leaf in flatten_paths(plain).items():
        np.testing.assert_array_equal(flatten_paths(averaged)[name], leaf)


def test_it_is_what_training_returns_validates_last_and_saves(tmp_path: Path):
    classifier, theta_0 = toy_classifier()
    seen: list[Any] = []

    def evaluate(theta: Any) -> float:
        seen.append(theta)
        return 0.5

    config = toy_config(options=TrainOptions(ema_decay=0.7), eval_every_epochs=1.0)
    theta_1 = fine_tune(
        classifier, theta_0, toy_dataset(48), None, config, run_dir=tmp_path, evaluate=evaluate
    )
    saved, step = restore_params(tmp_path)
    assert step == 6
    plain = fine_tune(classifier, theta_0, toy_dataset(48), None, toy_config())
    for name, leaf in flatten_paths(theta_1).items():
        np.testing.assert_array_equal(flatten_paths(saved)[name], leaf)
        np.testing.assert_array_equal(flatten_paths(seen[-1])[name], leaf)
        assert not np.array_equal(flatten_paths(plain)[name], leaf)
    again = fine_tune(
        classifier, theta_0, toy_dataset(48), None, config, run_dir=tmp_path, resume=True
    )
    for name, leaf in flatten_paths(theta_1).items():
        np.testing.assert_array_equal(flatten_paths(again)[name], leaf)


def test_without_one_there_is_none():
    assert find_average(optax.adam(0.1).init({"w": jnp.zeros(2)})) is None
