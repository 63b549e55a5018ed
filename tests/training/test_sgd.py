"""SGD against its formula in NumPy, and against PyTorch's where it is installed."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import optax
import pytest

from wiseft_jax.training.config import Plan, TrainConfig
from wiseft_jax.training.sgd import make_sgd, make_sgd_schedule
from wiseft_jax.training.sgd_config import SgdConfig

PLAN = Plan(num_examples=20, batch_size=10, total_steps=12, warmup_steps=0, eval_steps=())
SGD = SgdConfig(momentum=0.9, drop_every_epochs=2, drop_factor=0.1)
CONFIG = TrainConfig(learning_rate=0.1, weight_decay=0.03, clip_norm=None)


def problem() -> tuple[dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    rng = np.random.default_rng(0)
    shapes = {"kernel": (3, 2), "scale": (4,)}
    draw = lambda: {n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}  # noqa: E731
    return draw(), [draw() for _ in range(PLAN.total_steps)]


def ours(config: TrainConfig) -> dict[str, np.ndarray]:
    params, grads = problem()
    optimizer = make_sgd(config, SGD, PLAN)
    state, update = optimizer.init(params), jax.jit(optimizer.update)
    for grad in grads:
        updates, state = update(grad, state, params)
        params = optax.apply_updates(params, updates)
    return jax.device_get(params)


def test_the_rate_is_divided_every_few_epochs():
    schedule = jax.jit(jax.vmap(make_sgd_schedule(CONFIG, SGD, PLAN)))
    expected = np.repeat([0.1, 0.01, 0.001], 4)
    np.testing.assert_allclose(schedule(np.arange(12)), expected, rtol=1e-6)
    stays = make_sgd_schedule(CONFIG, SgdConfig(drop_every_epochs=None), PLAN)
    assert float(stays(11)) == pytest.approx(0.1)


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_against_the_formula(clip_norm: float | None):
    params, grads = problem()
    theta = {name: value.astype(np.float64) for name, value in params.items()}
    m = {name: np.zeros_like(value) for name, value in theta.items()}
    for step, grad in enumerate(grads):
        rate = 0.1 * 0.1 ** (step // 4)
        norm = np.sqrt(sum((value.astype(np.float64) ** 2).sum() for value in grad.values()))
        clip = 1.0 if clip_norm is None else min(1.0, clip_norm / norm)
        for name in theta:
            m[name] = 0.9 * m[name] + clip * grad[name] + 0.03 * theta[name]
            theta[name] = theta[name] - rate * m[name]
    found = ours(dataclasses.replace(CONFIG, clip_norm=clip_norm))
    for name, value in theta.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.torch
def test_against_pytorch():
    torch = pytest.importorskip("torch")
    params, grads = problem()
    theta = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    optimizer = torch.optim.SGD(theta.values(), lr=0.1, momentum=0.9, weight_decay=0.03)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.1)
    for grad in grads:
        for name, value in theta.items():
            value.grad = torch.tensor(grad[name])
        optimizer.step()
        scheduler.step()
    for name, value in ours(CONFIG).items():
        np.testing.assert_allclose(value, theta[name].detach().numpy(), rtol=1e-5, atol=1e-6)
