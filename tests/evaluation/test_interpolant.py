"""The interpolant: exact for features of low degree, and a residual that shows others."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Chebyshev

from wiseft_jax.clip.classifier import head_logits
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.softmax import softmax_entropy
from wiseft_jax.evaluation.interpolant import NodePlan, read_off, residual
from wiseft_jax.weights.interpolate import lerp

LEVELS = (3, 5, 9)
GRID = np.linspace(0, 1, 11)


def layout() -> Layout:
    return Layout.of(None)


def polynomial_features(seed: int, degree: int, at: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coefficients = rng.standard_normal((degree + 1, 8, 4))
    return np.asarray(
        [Chebyshev.basis(order, domain=[0, 1])(at) for order in range(degree + 1)]
    ).T @ coefficients.reshape(degree + 1, -1)


def features(seed: int, degree: int, at: np.ndarray) -> np.ndarray:
    return polynomial_features(seed, degree, at).reshape(len(at), 8, 4).astype(np.float32)


def heads(seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    made = [
        {
            "kernel": rng.standard_normal((4, 3)).astype(np.float32),
            "bias": rng.standard_normal(3).astype(np.float32),
        }
        for _ in range(2)
    ]
    return made[0], made[1]


@settings(max_examples=20)
@given(st.integers(0, 2**16), st.sampled_from([3, 5, 9]))
def test_features_of_lower_degree_give_the_exact_logits(seed: int, count: int) -> None:
    plan, ends = NodePlan(LEVELS, 0.0, 1.0), heads(seed)
    values = jnp.asarray(features(seed, count - 1, plan.nodes[:count]))
    found = read_off(layout(), values, plan.matrix(GRID, count), GRID.astype(np.float32), ends)
    for place, alpha in enumerate(GRID):
        truth = np.asarray(
            head_logits(lerp(*ends, alpha), features(seed, count - 1, GRID[place : place + 1])[0])
        )
        ordered = np.sort(truth, axis=1)
        margin = ordered[:, -1] - ordered[:, -2]
        sure = margin > 1e-4
        np.testing.assert_array_equal(np.asarray(found["top1"][place])[sure], truth.argmax(1)[sure])
        np.testing.assert_allclose(found["margin"][place], margin, atol=2e-4)
        np.testing.assert_allclose(found["entropy"][place], softmax_entropy(truth), atol=1e-3)


@settings(max_examples=10)
@given(st.integers(0, 2**16))
def test_the_residual_vanishes_for_low_degree_and_shows_a_higher_one(seed: int) -> None:
    plan, ends = NodePlan(LEVELS, 0.0, 1.0), heads(seed)
    new = plan.nodes[3:5]

    def error(degree: int) -> np.ndarray:
        values = jnp.asarray(features(seed, degree, plan.nodes[:3]))
        truth = jnp.asarray(features(seed, degree, new))
        return np.asarray(
            residual(layout(), values, plan.matrix(new, 3), new.astype(np.float32), truth, ends)
        )

    assert (error(2) < 1e-3).all()
    assert np.median(error(4)) > 1e-2


def test_logits_are_interpolated_where_there_are_no_features() -> None:
    plan = NodePlan(LEVELS, 0.0, 1.0)
    values = jnp.asarray(features(1, 2, plan.nodes[:3]))
    found = read_off(layout(), values, plan.matrix(GRID, 3), GRID.astype(np.float32), None)
    np.testing.assert_array_equal(found["top1"], features(1, 2, GRID).argmax(-1))


def test_nan_makes_a_residual_nan() -> None:
    plan, ends = NodePlan(LEVELS, 0.0, 1.0), heads()
    values, new = features(0, 2, plan.nodes[:3]), plan.nodes[3:5]
    values[0, 2, 1] = np.nan
    truth = jnp.asarray(features(0, 2, new))
    found = np.asarray(
        residual(
            layout(), jnp.asarray(values), plan.matrix(new, 3), new.astype(np.float32), truth, ends
        )
    )
    assert np.isnan(found).tolist() == [index == 2 for index in range(8)]


@pytest.mark.parametrize("count", LEVELS)
def test_a_level_is_the_first_nodes_of_the_plan(count: int) -> None:
    plan = NodePlan(LEVELS, -1.0, 2.0)
    assert plan.matrix(GRID, count).shape == (11, count)
    assert plan.nodes[:count].min() == -1
    assert plan.nodes[:count].max() == 2


def test_eight_devices_read_off_what_one_does() -> None:
    plan, ends = NodePlan(LEVELS, 0.0, 1.0), heads()
    values = jnp.asarray(features(3, 4, plan.nodes[:5]))
    arguments = plan.matrix(GRID, 5), GRID.astype(np.float32), ends
    devices = np.array(jax.devices()[:1]).reshape(1, 1, 1)
    mesh = jax.sharding.Mesh(devices, ("data", "fsdp", "alpha"))
    one = read_off(Layout.of(mesh), values, *arguments)
    eight = read_off(layout(), values, *arguments)
    np.testing.assert_array_equal(one["top1"], eight["top1"])
    for name in ("margin", "entropy"):
        np.testing.assert_allclose(one[name], eight[name], atol=1e-5)
