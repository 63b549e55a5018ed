"""AdamW and clipping against NumPy and against PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wiseft_jax.training.config import Plan, TrainConfig
from wiseft_jax.training.optimizer import make_optimizer

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "adamw.npz"
NAMES = ("kernel", "bias")


def trajectory(
    config: TrainConfig, plan: Plan, params: Any, grads: list[Any]
) -> Iterator[dict[str, np.ndarray]]:
    optimizer = make_optimizer(config, plan)
    state = optimizer.init(params)
    update = jax.jit(optimizer.update)
    for grad in grads:
        updates, state = update(grad, state, params)
        params = optax.apply_updates(params, updates)
        yield jax.device_get(params)


def numpy_adamw(
    config: TrainConfig, plan: Plan, params: dict[str, np.ndarray], grads: list[Any]
) -> Iterator[dict[str, np.ndarray]]:
    """The formulas of the paper, float64."""
    params = {name: value.astype(np.float64) for name, value in params.items()}
    m = {name: np.zeros_like(value) for name, value in params.items()}
    v = {name: np.zeros_like(value) for name, value in params.items()}
    w, total = plan.warmup_steps, plan.total_steps
    for step, grad in enumerate(grads):
        rate = (step + 1) / w if step < w else (1 + np.cos(np.pi * (step - w) / (total - w))) / 2
        rate *= config.learning_rate
        norm = np.sqrt(sum(np.sum(np.square(value, dtype=np.float64)) for value in grad.values()))
        clip = 1.0 if config.clip_norm is None else min(1.0, config.clip_norm / norm)
        for name in params:
            g = grad[name].astype(np.float64) * clip
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            first = m[name] / (1 - 0.9 ** (step + 1))
            second = v[name] / (1 - 0.999 ** (step + 1))
            adam = first / (np.sqrt(second) + 1e-8)
            params[name] = params[name] - rate * (adam + config.weight_decay * params[name])
        yield dict(params)


@pytest.mark.parametrize("clip_norm", [None, 0.5, 1e9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_against_numpy(clip_norm: float | None, weight_decay: float):
    random = np.random.default_rng(0)

    def draw() -> dict[str, np.ndarray]:
        shapes = {"kernel": (4, 6), "bias": (6,)}
        return {name: random.normal(size=s).astype(np.float32) for name, s in shapes.items()}

    params, grads = draw(), [draw() for _ in range(10)]
    config = TrainConfig(learning_rate=0.02, weight_decay=weight_decay, clip_norm=clip_norm)
    plan = Plan(100, 10, 10, 3, ())
    expected = numpy_adamw(config, plan, params, grads)
    device = jax.tree_util.tree_map(jnp.asarray, params)
    for step, found in enumerate(trajectory(config, plan, device, grads)):
        wanted = next(expected)
        for name in NAMES:
            np.testing.assert_allclose(
                found[name], wanted[name], rtol=0, atol=1e-6, err_msg=f"{step} {name}"
            )


def test_against_pytorch():
    golden = np.load(GOLDEN, allow_pickle=False)
    steps, warmup, base, decay, clip = golden["settings"]
    assert golden["norms"].min() < clip < golden["norms"].max()
    config = TrainConfig(
        learning_rate=float(base), weight_decay=float(decay), clip_norm=float(clip)
    )
    plan = Plan(100, 10, int(steps), int(warmup), ())
    params = {name: jnp.asarray(golden[f"start_{name}"]) for name in NAMES}
    grads = [{name: golden[f"grads_{name}"][s] for name in NAMES} for s in range(int(steps))]
    norms = [float(optax.tree.norm(grad)) for grad in grads]
    np.testing.assert_allclose(norms, golden["norms"], rtol=1e-6)
    for step, found in enumerate(trajectory(config, plan, params, grads)):
        for name in NAMES:
            np.testing.assert_allclose(
                found[name], golden[f"params_{name}"][step], rtol=0, atol=2e-6, err_msg=f"{step}"
            )


def test_decay_falls_on_every_parameter():
    config = TrainConfig(learning_rate=0.1, weight_decay=0.5, warmup_steps=0)
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2), "scale": jnp.ones(())}
    zeros = jax.tree_util.tree_map(jnp.zeros_like, params)
    (found,) = trajectory(config, Plan(10, 1, 10, 0, ()), params, [zeros])
    for leaf in found.values():
        np.testing.assert_allclose(leaf, 1 - 0.1 * 0.5, rtol=1e-6)
    (found,) = trajectory(
        dataclasses.replace(config, weight_decay=0.0), Plan(10, 1, 10, 0, ()), params, [zeros]
    )
    np.testing.assert_array_equal(found["bias"], 1.0)
