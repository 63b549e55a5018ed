"""Matrix products of the towers in low precision: bfloat16 operands, float32 accumulation.

In bfloat16 the operands are rounded and the products are summed in float32, forward and backward.
Two things need more than the default:

- the gradient of a kernel is a sum over examples, on several devices a sum over devices too: it is
  made, and so reduced, in float32;
- XLA's CPU backend has a fast bfloat16 kernel only for products whose result is float32
  (``docs/benchmarks.md``), so there every product is asked for in float32 and rounded after.

Micikevicius et al. 2018, "Mixed precision training" (arXiv 1710.03740), sections 3.1 and 3.3.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from wiseft_jax.core.platform import target_platform


def dense(
    x: Float[Array, "*B I"],
    kernel: Float[Array, "I O"],
    bias: Float[Array, " O"] | None,
    dtype: Any,
) -> Float[Array, "*B O"]:
    """Return ``x @ kernel + bias`` computed in ``dtype``.

    Args:
      x: The inputs.
      kernel: float32, rounded to ``dtype`` here.
      bias: float32; None is 0.
      dtype: float32, or a narrower type with float32 accumulation.

    Returns:
      In ``dtype``; the gradients of kernel and bias are float32.
    """
    if jnp.dtype(dtype) == jnp.float32:
        product = jnp.asarray(x, dtype) @ kernel
    else:
        product = _accumulated(jnp.asarray(x, dtype), kernel)
    if bias is None:
        return product
    return product + bias.astype(dtype).reshape((1,) * (product.ndim - 1) + (-1,))


@jax.custom_vjp
def _accumulated(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _contract(x, kernel.astype(x.dtype), x.ndim - 1, 0)


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    rounded = kernel.astype(x.dtype)
    return _contract(x, rounded, x.ndim - 1, 0), (x, rounded)


def _backward(
    residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    cotangent = cotangent.astype(x.dtype)
    rows = tuple(range(x.ndim - 1))
    by_kernel = jax.lax.dot_general(
        x, cotangent, ((rows, rows), ((), ())), preferred_element_type=jnp.float32
    )
    return _contract(cotangent, kernel, x.ndim - 1, 1), by_kernel


_accumulated.defvjp(_forward, _backward)


def _contract(left: jax.Array, right: jax.Array, left_axis: int, right_axis: int) -> jax.Array:
    """Sum over one axis of each, in float32; rounded to the operands' type."""
    wanted = jnp.float32 if target_platform() == "cpu" else left.dtype
    product = jax.lax.dot_general(
        left, right, (((left_axis,), (right_axis,)), ((), ())), preferred_element_type=wanted
    )
    return product.astype(left.dtype)
