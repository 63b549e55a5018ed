"""One compiled step against a step in NumPy; devices don't matter."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.training.toy import toy_classifier
from wiseft_jax.core.mesh import make_mesh, put_batch
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.state import init_state, to_host
from wiseft_jax.training.step import make_hit_counter, make_train_step

RATE = 0.1


def linear_logits(params: Any, batch: dict[str, Any]) -> Any:
    return batch["x"] @ params["kernel"] + params["bias"][None]


def linear_problem(count: int = 16) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    params = {
        "kernel": random.normal(size=(5, 3)).astype(np.float32),
        "bias": random.normal(size=3).astype(np.float32),
    }
    batch = {
        "x": random.normal(size=(count, 5)).astype(np.float32),
        "label": random.integers(0, 3, count).astype(np.int32),
        "mask": np.ones(count, bool),
    }
    return params, batch


def numpy_step(
    params: dict[str, np.ndarray], batch: dict[str, np.ndarray], smoothing: float
) -> tuple[float, dict[str, np.ndarray]]:
    """Softmax regression's loss and gradient, float64, over the rows that count."""
    x = batch["x"][batch["mask"]].astype(np.float64)
    labels = batch["label"][batch["mask"]]
    logits = x @ params["kernel"].astype(np.float64) + params["bias"]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    nll = -log_p[np.arange(len(x)), labels]
    loss = np.mean((1 - smoothing) * nll + smoothing * np.mean(-log_p, axis=1))
    targets = (1 - smoothing) * np.eye(3)[labels] + smoothing / 3
    error = (np.exp(log_p) - targets) / len(x)
    return loss, {"kernel": x.T @ error, "bias": error.sum(0)}


def run_step(
    params: Any, batch: Any, *, devices: int = 1, smoothing: float = 0.0, steps: int = 1
) -> tuple[Any, dict[str, Any]]:
    mesh = make_mesh(devices)
    optimizer = optax.chain(optax.clip_by_global_norm(0.01), optax.sgd(RATE))
    state = init_state(params, optimizer, mesh)
    step = make_train_step(
        linear_logits, optimizer, lambda step: RATE / (step + 1), mesh, label_smoothing=smoothing
    )
    metrics: dict[str, Any] = {}
    for _ in range(steps):
        state, metrics = step(state, put_batch(batch, mesh))
    return state, jax.device_get(metrics)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("padding", [0, 6])
def test_against_numpy(smoothing: float, padding: int):
    params, batch = linear_problem()
    batch["mask"][len(batch["mask"]) - padding :] = False
    batch["label"][~batch["mask"]] = -1
    state, metrics = run_step(params, batch, smoothing=smoothing)
    loss, gradient = numpy_step(params, batch, smoothing)
    norm = np.sqrt(sum(np.sum(value**2) for value in gradient.values()))
    assert metrics["loss"] == pytest.approx(loss, rel=1e-6)
    assert norm > 0.01
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-5), "taken before clipping"
    logits = batch["x"] @ params["kernel"] + params["bias"]
    hits = int(np.sum((logits.argmax(1) == batch["label"]) & batch["mask"]))
    assert (metrics["hits"], metrics["count"]) == (hits, 16 - padding)
    assert metrics["hits"].dtype == np.int32
    assert bool(metrics["finite"])
    for name, value in to_host(state.params).items():
        expected = params[name] - RATE * 0.01 / norm * gradient[name]
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-6)


def test_the_step_and_its_learning_rate_are_counted():
    params, batch = linear_problem()
    state, metrics = run_step(params, batch, steps=3)
    assert int(state.step) == 3
    assert metrics["learning_rate"] == pytest.approx(RATE / 3)


def test_one_device_equals_eight():
    params, batch = linear_problem()
    one, metrics_one = run_step(params, batch, devices=1, steps=3)
    eight, metrics_eight = run_step(params, batch, devices=8, steps=3)
    for name, value in to_host(eight.params).items():
        np.testing.assert_allclose(value, to_host(one.params)[name], rtol=0, atol=1e-7)
    for name, value in metrics_one.items():
        np.testing.assert_allclose(value, metrics_eight[name], rtol=1e-6, err_msg=name)
    assert len(eight.params["kernel"].sharding.device_set) == 8


def test_the_batch_is_split_and_the_state_is_not():
    mesh = make_mesh(8)
    _, batch = linear_problem()
    placed = put_batch(batch, mesh)
    assert {shard.data.shape for shard in placed["x"].addressable_shards} == {(2, 5)}
    with pytest.raises(ValueError, match="evenly divide"):
        put_batch({"x": np.zeros((12, 5), np.float32)}, mesh)


def test_the_state_is_donated_and_the_input_is_not():
    params, batch = linear_problem()
    kept = {name: value.copy() for name, value in params.items()}
    mesh = make_mesh(1)
    optimizer = optax.sgd(RATE)
    before = init_state(params, optimizer, mesh)
    step = make_train_step(linear_logits, optimizer, lambda step: RATE, mesh)
    after, _ = step(before, put_batch(batch, mesh))
    assert before.params["kernel"].is_deleted()
    assert not np.array_equal(after.params["kernel"], kept["kernel"])
    for name, value in kept.items():
        np.testing.assert_array_equal(params[name], value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_flagged(bad: float):
    params, batch = linear_problem()
    batch["x"][3, 2] = bad
    assert not bool(run_step(params, batch)[1]["finite"])


def test_a_gradient_that_is_not_finite_is_flagged_before_the_loss_is():
    def logits(params: Any, batch: dict[str, Any]) -> Any:
        # sqrt has an infinite slope at 0, where its value is fine.
        return linear_logits(params, batch) + jnp.sqrt(jnp.sum(params["zero"]) * 0.0)

    params, batch = linear_problem()
    mesh = make_mesh(1)
    optimizer = optax.sgd(RATE)
    state = init_state({**params, "zero": np.zeros(1, np.float32)}, optimizer, mesh)
    step = make_train_step(logits, optimizer, lambda step: RATE, mesh)
    _, metrics = step(state, put_batch(batch, mesh))
    assert np.isfinite(metrics["loss"])
    assert not bool(metrics["finite"])


def test_hits_are_counted_exactly():
    params, batch = linear_problem()
    batch["mask"][:3] = False
    mesh = make_mesh(8)
    hits, count = make_hit_counter(linear_logits, mesh)(params, put_batch(batch, mesh))
    right = (batch["x"] @ params["kernel"] + params["bias"]).argmax(1) == batch["label"]
    assert (int(hits), int(count)) == (int(right[3:].sum()), 13)


def test_host_copies_own_their_memory():
    _, theta = toy_classifier()
    mesh = make_mesh(1)
    state = init_state(theta, optax.sgd(RATE), mesh)
    host = to_host(state.params)
    for name, leaf in flatten_paths(host).items():
        assert leaf.flags.owndata, name
        assert leaf.flags.writeable, name
        np.testing.assert_array_equal(leaf, flatten_paths(theta)[name])
