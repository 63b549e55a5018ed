"""Products of the towers in low precision: bfloat16 operands, float32 sums, both ways.

Micikevicius et al. 2018, "Mixed precision training" (arXiv 1710.03740), sections 3.1 and 3.3. Two
things need more than the default:

- the gradients of kernel and bias are sums over examples, on several devices sums over devices too:
  they are made, and so reduced, in float32;
- XLA's CPU backend has fast bfloat16 kernels only for products that give float32, of a left side
  that isn't transposed: there every product is asked for in that form, and rounded after.

Where parameters are split over devices (``core.gathering``), a kernel is gathered for its product
and let go.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from wiseft_jax.core.gathering import gathered, keep_rows, scattered, split_mesh
from wiseft_jax.core.platform import target_platform

DENSE = "dense"
"""The name by which rematerialisation policies know the results of ``dense``."""


def dense(
    x: Float[Array, "*B D"],
    kernel: Float[Array, "D E"],
    bias: Float[Array, " E"] | None,
    dtype: Any,
) -> Float[Array, "*B E"]:
    """Return ``x @ kernel + bias`` in the compute dtype.

    Args:
      x: The inputs.
      kernel: float32, rounded to ``dtype`` here.
      bias: float32; None is 0.
      dtype: The precision of the operands and of the result.

    Returns:
      In ``dtype``; the gradients of kernel and bias are float32.
    """
    mesh = split_mesh()
    rows = keep_rows(x.astype(dtype).reshape(-1, x.shape[-1]))
    plain = mesh is None and rows.dtype == jnp.float32
    y: Any = rows @ kernel if plain else _product(mesh, rows, kernel)
    if bias is not None:
        y = y.astype(jnp.float32) + bias[None]
    y = keep_rows(y.astype(dtype)).reshape(*x.shape[:-1], kernel.shape[1])
    return checkpoint_name(y, DENSE)


def embed_patches(
    pixels: Float[Array, "B H W C"], kernel: Float[Array, "P P C D"], dtype: Any
) -> Float[Array, "B R S D"]:
    """Return the embeddings of an image's patches, which don't overlap: a convolution as a product.

    Args:
      pixels: The images; what is left at the right and below, less than a patch, is dropped.
      kernel: float32, for patches of P x P pixels.
      dtype: The precision of the operands and of the result.
    """
    size, channels = kernel.shape[0], kernel.shape[2]
    rows, columns = pixels.shape[1] // size, pixels.shape[2] // size
    pixels = pixels[:, : rows * size, : columns * size]
    patches = pixels.reshape(-1, rows, size, columns, size, channels).transpose(0, 1, 3, 2, 4, 5)
    flat = patches.reshape(len(pixels), rows, columns, size * size * channels)
    return dense(flat, kernel.reshape(-1, kernel.shape[-1]), None, dtype)


def attention(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B T N H"],
    value: Float[Array, "B T N H"],
    *,
    causal: bool = False,
    mask: Bool[Array, "B T"] | None = None,
) -> Float[Array, "B T N H"]:
    """Return ``softmax(query key' / sqrt(H)) value`` for each of N heads, the softmax in float32.

    Args:
      query: What asks.
      key: What is compared with it.
      value: What is averaged.
      causal: Whether a token sees itself and earlier ones only.
      mask: Which tokens are seen; all by default.
    """
    dtype = query.dtype
    if _on_cpu():  # no fast kernels for such small products in less than float32, and no loss
        query, key, value = (array.astype(jnp.float32) for array in (query, key, value))
    seen = None if mask is None else mask[:, None, None, :]
    found = jax.nn.dot_product_attention(query, key, value, mask=seen, is_causal=causal)
    return found.astype(dtype)


def _on_cpu() -> bool:
    return target_platform() == "cpu"


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _product(mesh: Mesh | None, x: Any, kernel: Any) -> Any:
    """Return ``x @ kernel`` of [N, D] and float32[D, E] in ``x``'s precision; float32 on a CPU."""
    return _contract(x, gathered(mesh, kernel.astype(x.dtype)), 0)


def _forward(mesh: Mesh | None, x: Any, kernel: Any) -> tuple[Any, Any]:
    return _product(mesh, x, kernel), (x, kernel)


def _backward(mesh: Mesh | None, residuals: Any, gradient: Any) -> tuple[Any, Any]:
    x, kernel = residuals
    gradient = gradient.astype(x.dtype)
    if mesh is not None:  # or XLA would keep what it gathered in the forward pass
        kernel, gradient = jax.lax.optimization_barrier((kernel, gradient))
    of_x = _contract(gradient, gathered(mesh, kernel.astype(x.dtype)), 1).astype(x.dtype)
    return of_x, scattered(mesh, _of_kernel(x, gradient))


def _of_kernel(x: Any, gradient: Any) -> Any:
    if _on_cpu() and x.dtype != jnp.float32:
        if len(x) % 2:
            x, gradient = (jnp.pad(rows, ((0, 1), (0, 0))) for rows in (x, gradient))
        return _contract(_transposed(x), gradient, 0)
    rows = (((0,), (0,)), ((), ()))
    return jax.lax.dot_general(x, gradient, rows, preferred_element_type=jnp.float32)


_product.defvjp(_forward, _backward)


def _contract(left: Any, right: Any, axis: int) -> Any:
    """Return ``left``'s rows times ``right`` along its ``axis``; float32 on a CPU."""
    wanted = jnp.float32 if _on_cpu() else left.dtype
    contraction = (((1,), (axis,)), ((), ()))
    return jax.lax.dot_general(left, right, contraction, preferred_element_type=wanted)


def _transposed(x: Any) -> Any:
    """Return a matrix with an even number of rows transposed.

    XLA would fold a plain transpose into the product that follows, and has no fast kernel for that
    form; one through three dimensions is carried out. Blocks don't reach across devices.
    """
    rows, columns = x.shape
    devices = jax.device_count()
    own = rows // devices if rows % devices == 0 else rows
    block = next(size for size in (32, 16, 8, 4, 2, 1) if own % size == 0)
    return x.reshape(rows // block, block, columns).transpose(2, 0, 1).reshape(columns, rows)
