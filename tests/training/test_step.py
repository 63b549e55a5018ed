"""One compiled step against a step in NumPy; devices don't matter."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.training.toy import toy_classifier
from wiseft_jax.core.mesh import Layout, make_mesh, put_batch, to_host
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.penalties import keep_start
from wiseft_jax.training.state import abstract_state, init_state
from wiseft_jax.training.step import (
    classification_loss,
    distilled_loss,
    make_hit_counter,
    make_train_step,
)

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
    params: Any,
    batch: Any,
    *,
    devices: int = 1,
    config: MeshConfig = MeshConfig(),
    smoothing: float = 0.0,
    steps: int = 1,
    accumulation: int = 1,
    optimizer: Any = None,
) -> tuple[Any, dict[str, Any]]:
    layout = Layout(make_mesh(devices, config), config)
    optimizer = optimizer or optax.chain(optax.clip_by_global_norm(0.01), optax.sgd(RATE))
    state = init_state(params, optimizer, layout)
    step = make_train_step(
        classification_loss(linear_logits, smoothing),
        optimizer,
        lambda step: RATE / (step + 1),
        layout,
        accumulation_steps=accumulation,
    )
    metrics: dict[str, Any] = {}
    for _ in range(steps):
        state, metrics = step(state, put_batch(batch, layout.mesh))
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


def test_one_device_equals_eight_devices():
    params, batch = linear_problem()
    one, metrics_one = run_step(params, batch, devices=1, steps=3)
    eight, metrics_eight = run_step(params, batch, devices=8, steps=3)
    for name, value in to_host(eight.params).items():
        np.testing.assert_allclose(value, to_host(one.params)[name], rtol=0, atol=1e-7)
    for name, value in metrics_one.items():
        np.testing.assert_allclose(value, metrics_eight[name], rtol=1e-6, err_msg=name)
    assert len(eight.params["kernel"].sharding.device_set) == 8


SPLIT = MeshConfig(data=2, fsdp=4, min_shard_elements=4, overrides=("kernel=0",))


def wide_problem() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A problem whose kernel has 4 rows, so that four devices can split it."""
    params, batch = linear_problem(32)
    return params | {"kernel": params["kernel"][:4]}, batch | {"x": batch["x"][:, :4]}


@pytest.mark.parametrize("accumulation", [1, 2])
def test_split_parameters_on_eight_devices_equal_one_device(accumulation: int):
    params, batch = wide_problem()
    options = {"steps": 3, "optimizer": optax.adamw(RATE)}
    one, metrics_one = run_step(params, batch, **options)
    split, metrics = run_step(
        params, batch, devices=8, config=SPLIT, accumulation=accumulation, **options
    )
    for name, value in to_host(split.params).items():
        np.testing.assert_allclose(value, to_host(one.params)[name], rtol=0, atol=1e-6)
    for name, value in metrics_one.items():
        np.testing.assert_allclose(value, metrics[name], rtol=2e-6, err_msg=name)
    moments = split.opt[0].mu["kernel"]
    for leaf in (split.params["kernel"], moments):
        assert {shard.data.shape for shard in leaf.addressable_shards} == {(1, 3)}
    assert split.params["bias"].sharding.is_fully_replicated


def test_the_shardings_of_the_state_survive_a_step_on_eight_devices():
    params, batch = wide_problem()
    layout = Layout(make_mesh(8, SPLIT), SPLIT)
    expected = abstract_state(params, optax.adamw(RATE), layout)
    state, _ = run_step(params, batch, devices=8, config=SPLIT, optimizer=optax.adamw(RATE))
    for (path, leaf), (_, wanted) in zip(
        jax.tree_util.tree_leaves_with_path(state),
        jax.tree_util.tree_leaves_with_path(expected),
        strict=True,
    ):
        assert leaf.shape == wanted.shape, path
        assert leaf.dtype == wanted.dtype, path
        assert leaf.sharding.is_equivalent_to(wanted.sharding, leaf.ndim), path


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("padding", [0, 5])
def test_accumulation_is_the_whole_batch(parts: int, padding: int):
    params, batch = linear_problem()
    batch["mask"][len(batch["mask"]) - padding :] = False
    whole, metrics = run_step(params, batch, smoothing=0.1, steps=2)
    summed, metrics_summed = run_step(params, batch, smoothing=0.1, steps=2, accumulation=parts)
    for name, value in to_host(summed.params).items():
        np.testing.assert_allclose(value, to_host(whole.params)[name], rtol=0, atol=1e-7)
    for name, value in metrics.items():
        np.testing.assert_allclose(metrics_summed[name], value, rtol=2e-6, err_msg=name)


def test_a_split_step_communicates_and_a_single_device_does_not():
    params, batch = wide_problem()
    optimizer = optax.adamw(RATE)

    def compiled(devices: int, config: MeshConfig) -> str:
        layout = Layout(make_mesh(devices, config), config)
        loss = classification_loss(linear_logits)
        step = make_train_step(loss, optimizer, lambda step: RATE, layout)
        state = abstract_state(params, optimizer, layout)
        return step.lower(state, put_batch(batch, layout.mesh)).compile().as_text()

    split = compiled(8, SPLIT)
    assert "all-gather" in split
    assert "all-reduce" in split or "reduce-scatter" in split
    assert not any(word in compiled(1, MeshConfig()) for word in ("all-gather", "all-reduce"))


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
    layout = Layout(make_mesh(1))
    optimizer = optax.sgd(RATE)
    before = init_state(params, optimizer, layout)
    step = make_train_step(classification_loss(linear_logits), optimizer, lambda step: RATE, layout)
    after, _ = step(before, put_batch(batch, layout.mesh))
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
    layout = Layout(make_mesh(1))
    optimizer = optax.sgd(RATE)
    state = init_state({**params, "zero": np.zeros(1, np.float32)}, optimizer, layout)
    step = make_train_step(classification_loss(logits), optimizer, lambda step: RATE, layout)
    _, metrics = step(state, put_batch(batch, layout.mesh))
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
    state = init_state(theta, optax.sgd(RATE), Layout(make_mesh(1)))
    host = to_host(state.params)
    for name, leaf in flatten_paths(host).items():
        assert leaf.flags.owndata, name
        assert leaf.flags.writeable, name
        np.testing.assert_array_equal(leaf, flatten_paths(theta)[name])


def distilled_steps(
    params: Any, batch: Any, *, devices: int = 1, accumulation: int = 1, steps: int = 2
) -> tuple[Any, Any]:
    layout = Layout(make_mesh(devices))
    optimizer = optax.chain(keep_start(), optax.sgd(RATE))
    step = make_train_step(
        distilled_loss(linear_logits, 0.1, 0.7, 2.0),
        optimizer,
        lambda step: RATE,
        layout,
        accumulation_steps=accumulation,
        with_start=True,
    )
    state, metrics = init_state(params, optimizer, layout), None
    for _ in range(steps):
        state, metrics = step(state, put_batch(batch, layout.mesh))
    return to_host(state.params), jax.device_get(metrics)


def test_distilled_steps_against_numpy():
    """Two steps, so that the teacher is where training started and not where it is."""
    params, batch = linear_problem()
    batch["mask"][-3:] = False
    now = {name: value.astype(np.float64) for name, value in params.items()}
    x = batch["x"][batch["mask"]].astype(np.float64)

    def log_softmax(theta: Any) -> np.ndarray:
        logits = (x @ theta["kernel"] + theta["bias"]) / 2.0
        return logits - np.log(np.exp(logits).sum(1, keepdims=True))

    for _ in range(2):
        loss, gradient = numpy_step(now, batch, 0.1)  # type: ignore[arg-type]
        log_p, log_q = log_softmax(params), log_softmax(now)
        loss += 0.7 * 4.0 * np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=1))
        error = 0.7 * 2.0 * (np.exp(log_q) - np.exp(log_p)) / len(x)
        slopes = {"kernel": x.T @ error, "bias": error.sum(0)}
        now = {name: now[name] - RATE * (gradient[name] + slopes[name]) for name in now}
    found, metrics = distilled_steps(params, batch)
    assert metrics["loss"] == pytest.approx(loss, rel=1e-5)
    for name, value in now.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("devices", "accumulation"), [(8, 1), (1, 2)])
def test_distilled_steps_are_the_same_on_devices_and_in_parts(devices: int, accumulation: int):
    params, batch = linear_problem()
    one, _ = distilled_steps(params, batch)
    other, _ = distilled_steps(params, batch, devices=devices, accumulation=accumulation)
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=0, atol=1e-6)
