"""FLOPs of a trace, and what a backward pass keeps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from tests.planning.programs import LOOPS, ROWS, WIDTH, layer
from wiseft_jax.planning.jaxpr import count_jaxpr, saved_for_backward


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_counts_as_much_as_unrolled(name: str):
    make, count, switch = LOOPS[name]
    counted = []
    for looped in (True, False):
        function, arguments, expected = make(count, **{switch: looped})
        counted.append(count_jaxpr(jax.make_jaxpr(function)(*arguments)).flops)
        assert counted[-1] == pytest.approx(expected, rel=0.02)
    assert counted[0] == pytest.approx(counted[1], rel=0.02)


def test_convolutions_and_batched_products():
    images = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    kernel = jax.ShapeDtypeStruct((8, 8, 3, 16), jnp.float32)

    def patches(images: Any, kernel: Any) -> Any:
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            images, kernel, (8, 8), "VALID", dimension_numbers=numbers
        )

    flops = count_jaxpr(jax.make_jaxpr(patches)(images, kernel)).flops
    assert flops == 2 * 2 * 16 * (8 * 8 * 3) * 16
    left, right = (jax.ShapeDtypeStruct(s, jnp.float32) for s in ((5, 7, 11), (5, 11, 3)))
    assert count_jaxpr(jax.make_jaxpr(jnp.matmul)(left, right)).flops == 2 * 5 * 7 * 11 * 3


def test_rematerialisation_is_counted():
    hidden = jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32)
    kernel = jax.ShapeDtypeStruct((WIDTH, WIDTH), jnp.float32)

    def loss(kernel: Any, hidden: Any) -> Any:
        return jnp.sum(jax.checkpoint(layer)(jax.checkpoint(layer)(hidden, kernel), kernel))

    flops = count_jaxpr(jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(kernel, hidden)).flops
    assert flops == 8 * 2 * ROWS * WIDTH**2  # 2 forward, 2 again, 4 backward


def test_a_cond_counts_by_the_taken_share():
    def choose(flag: Any, x: Any) -> Any:
        return jax.lax.cond(flag, lambda: x @ x, lambda: x)

    flag = jax.ShapeDtypeStruct((), jnp.bool_)
    jaxpr = jax.make_jaxpr(choose)(flag, jax.ShapeDtypeStruct((WIDTH, WIDTH), jnp.float32))
    assert count_jaxpr(jaxpr).flops == 2 * WIDTH**3
    assert count_jaxpr(jaxpr, taken=0.25).flops == 0.25 * 2 * WIDTH**3


def test_a_while_loop_is_counted_once_and_said():
    def until(x: Any) -> Any:
        return jax.lax.while_loop(lambda h: jnp.sum(h) < 1e6, lambda h: h @ h, x)

    counted = count_jaxpr(jax.make_jaxpr(until)(jax.ShapeDtypeStruct((WIDTH, WIDTH), jnp.float32)))
    assert (counted.flops, counted.unknown_loops) == (2 * WIDTH**3, 1)


def stack_loss(count: int, remat: bool) -> Any:
    step = jax.checkpoint(layer) if remat else layer

    def loss(kernels: Any, hidden: Any) -> Any:
        return jnp.sum(jax.lax.scan(lambda h, k: (step(h, k), None), hidden, kernels)[0])

    return loss


def test_saved_arrays_grow_with_the_batch_and_fall_with_rematerialisation():
    kernels = jax.ShapeDtypeStruct((6, WIDTH, WIDTH), jnp.float32)
    rows = [jax.ShapeDtypeStruct((size, WIDTH), jnp.float32) for size in (ROWS, 2 * ROWS)]
    kept = [saved_for_backward(stack_loss(6, False), kernels, each).num_bytes for each in rows]
    assert kept[1] == pytest.approx(2 * kept[0], rel=0.05)
    remat = saved_for_backward(stack_loss(6, True), kernels, rows[0])
    assert remat.num_bytes == 6 * ROWS * WIDTH * 4  # the input of each layer, nothing else
    assert remat.num_bytes < kept[0]
    assert remat.largest == (f"float32[6,{ROWS},{WIDTH}]", remat.num_bytes)


def test_arguments_are_not_counted_as_saved():
    kernel = jax.ShapeDtypeStruct((WIDTH, WIDTH), jnp.float32)
    hidden = jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32)
    saved = saved_for_backward(lambda k, h: jnp.sum(h @ k), kernel, hidden)
    assert saved.num_bytes == 0
    assert saved.widest == (WIDTH * WIDTH + 2 * ROWS * WIDTH) * 4
