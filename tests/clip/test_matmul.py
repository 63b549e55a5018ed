from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.clip.matmul import attention, dense
from wiseft_jax.core.platform import compiling_for

EPSILON = 2.0**-8  # bfloat16's unit roundoff


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def exact(array: Any) -> np.ndarray:
    """What bfloat16 makes of an array, in float64."""
    return np.asarray(jnp.asarray(array, jnp.bfloat16), np.float64)


@pytest.mark.parametrize("rows", [1, 2, 3, 14, 32, 50, 64])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_values_and_gradients_equal_the_oracle(rows: int, dtype: str):
    x, kernel, bias, weight = normal(0, rows, 24), normal(1, 24, 40), normal(2, 40), normal(3, 40)

    def loss(x: Any, kernel: Any, bias: Any) -> Any:
        return (dense(x, kernel, bias, dtype).astype(jnp.float32) * weight[None]).sum()

    y = dense(jnp.asarray(x), jnp.asarray(kernel), jnp.asarray(bias), dtype)
    gradients = jax.jit(jax.grad(loss, (0, 1, 2)))(x, kernel, bias)
    assert y.dtype == dtype
    assert all(gradient.dtype == jnp.float32 for gradient in gradients)
    low = exact if dtype == "bfloat16" else np.float64
    left, right, over = low(x), low(kernel), np.tile(low(weight), (rows, 1))
    # One rounding of each result to bfloat16; the sums themselves are float32's.
    tolerance = EPSILON if dtype == "bfloat16" else 2e-6
    for found, expected, scale in (
        (y, left @ right + bias, np.abs(left) @ np.abs(right) + np.abs(bias)),
        (gradients[0], over @ right.T, np.abs(over) @ np.abs(right).T),
        (gradients[1], left.T @ over, np.abs(left).T @ np.abs(over)),
        (gradients[2], over.sum(0), np.abs(over).sum(0)),
    ):
        error = np.abs(np.asarray(found, np.float64) - expected)
        assert (error <= tolerance * np.abs(expected) + 2e-6 * scale).all()


def test_gradients_of_weights_are_not_rounded_to_bfloat16():
    x, kernel = normal(0, 64, 16), normal(1, 16, 8)

    def loss(kernel: Any, x: Any) -> Any:
        return dense(x, kernel, None, "bfloat16").astype(jnp.float32).sum()

    found = jax.jit(jax.grad(loss))(kernel, x)
    np.testing.assert_allclose(found, exact(x).T @ np.ones((64, 8)), rtol=1e-5, atol=1e-5)
    assert (np.asarray(found) != exact(found)).any()


@pytest.mark.parametrize("mapped", [(0, 0, 0), (0, None, None), (None, 0, 0)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_mapping_over_models_equals_a_loop(mapped: tuple[Any, ...], dtype: str):
    arrays = (normal(0, 3, 7, 12), normal(1, 3, 12, 8), normal(2, 3, 8))
    inputs = [a if axis == 0 else a[0] for a, axis in zip(arrays, mapped, strict=True)]
    weight = normal(3, 7, 8)

    def loss(x: Any, kernel: Any, bias: Any) -> Any:  # linear, so that no rounding is magnified
        return (dense(x, kernel, bias, dtype).astype(jnp.float32) * weight).sum()

    tolerance = EPSILON if dtype == "bfloat16" else 1e-6
    found = jax.jit(jax.vmap(jax.grad(loss, (0, 1, 2)), mapped))(*inputs)
    for index in range(3):
        one = [a[index] if axis == 0 else a for a, axis in zip(inputs, mapped, strict=True)]
        for several, single in zip(found, jax.jit(jax.grad(loss, (0, 1, 2)))(*one), strict=True):
            np.testing.assert_allclose(several[index], single, rtol=2 * tolerance, atol=1e-5)


def test_on_a_cpu_products_in_bfloat16_give_float32_forward_and_backward():
    x, kernel = normal(0, 8, 4), normal(1, 4, 6)

    def loss(x: Any, kernel: Any) -> Any:
        return dense(x, kernel, None, "bfloat16").astype(jnp.float32).sum()

    text = str(jax.make_jaxpr(jax.grad(loss, (0, 1)))(x, kernel))
    products = [line for line in text.splitlines() if "dot_general[" in line]
    assert len(products) == 3
    assert text.count("preferred_element_type=float32") == 3


@pytest.mark.parametrize("platform", ["cpu", "gpu", "tpu"])
def test_no_sum_over_examples_is_made_in_bfloat16(platform: str):
    x, kernel, bias = normal(0, 8, 4), normal(1, 4, 6), normal(2, 6)

    def loss(kernel: Any, bias: Any, x: Any) -> Any:
        return dense(x, kernel, bias, "bfloat16").astype(jnp.float32).sum()

    with compiling_for(platform):
        text = str(jax.make_jaxpr(jax.grad(loss, (0, 1)))(kernel, bias, x))
    assert ":f32[6] = reduce_sum" in text
    assert ":bf16[6] = reduce_sum" not in text
    assert ":f32[4,6] = dot_general" in text


@pytest.mark.parametrize("causal", [False, True])
def test_attention_equals_the_oracle(causal: bool):
    query, key, value = (normal(seed, 2, 5, 3, 8) for seed in range(3))
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
    scores = np.einsum("bqnh,bknh->bnqk", query, key).astype(np.float64) / np.sqrt(8)
    seen = mask[:, None, None] & (np.tri(5, dtype=bool) if causal else np.ones((5, 5), bool))
    weights = np.where(seen, np.exp(scores), 0)
    weights /= weights.sum(-1, keepdims=True)
    expected = np.einsum("bnqk,bknh->bqnh", weights, value)
    found = attention(*map(jnp.asarray, (query, key, value)), causal=causal, mask=jnp.asarray(mask))
    np.testing.assert_allclose(found, expected, atol=2e-6)
    low = [jnp.asarray(array, jnp.bfloat16) for array in (query, key, value)]
    rounded = attention(*low, causal=causal, mask=jnp.asarray(mask))
    assert rounded.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(rounded, np.float32), expected, atol=8 * EPSILON)
