"""The small parts of a transformer: LayerNorm, activations, what a backward pass keeps."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from wiseft_jax.clip.matmul import DENSE
from wiseft_jax.core.errors import unknown_name
from wiseft_jax.core.typing import Remat


def recomputed(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a function whose backward pass keeps its arguments alone, and computes the rest again.

    For what is cheap to compute and makes wide arrays on its way: a float32 intermediate of a
    bfloat16 activation takes twice its memory, in a scan for all layers.

    Args:
      function: Of arrays.
      options: Of ``jax.checkpoint``.
    """
    # prevent_cse guards against what a scan rules out anyway, and costs.
    return jax.checkpoint(function, prevent_cse=False, **options)


@functools.partial(recomputed, static_argnums=(3,))
def layer_norm(
    x: Float[Array, "*B D"],
    scale: Float[Array, " D"],
    bias: Float[Array, " D"],
    epsilon: float,
) -> Float[Array, "*B D"]:
    """Normalise the last axis to mean 0 and variance 1, then scale and shift.

    ``(x - mean) / sqrt(variance + epsilon) * scale + bias``, in float32 whatever the dtype of
    ``x``, which the result has. Ba et al. 2016 (arXiv 1607.06450).
    """
    wide = x.astype(jnp.float32)
    centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    row = (1,) * (x.ndim - 1) + (-1,)
    normalised = centred * jax.lax.rsqrt(variance + epsilon)
    return (normalised * scale.reshape(row) + bias.reshape(row)).astype(x.dtype)


def quick_gelu(x: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """Return ``x * sigmoid(1.702 x)``: OpenAI's approximation of the GELU."""
    return x * jax.nn.sigmoid(1.702 * x)


def gelu(x: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """Return the exact GELU, ``x * Phi(x)``. Hendrycks & Gimpel 2016 (arXiv 1606.08415)."""
    return jax.nn.gelu(x, approximate=False)


def tanh_gelu(x: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """Return the GELU by its tanh approximation."""
    return jax.nn.gelu(x, approximate=True)


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "gelu": gelu,
    "gelu_new": tanh_gelu,
    "gelu_pytorch_tanh": tanh_gelu,
    "quick_gelu": quick_gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
    "tanh": jnp.tanh,
}
"""By the name that ``hidden_act`` has in a ``config.json``."""


def activation(name: str) -> Callable[..., Any]:
    """Return the activation of a ``config.json``.

    Raises:
      InputError: If it isn't known; lists those that are.
    """
    if name not in ACTIVATIONS:
        raise unknown_name("hidden_act", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def checkpoint_policy(remat: Remat) -> Callable[..., bool]:
    """Return what ``jax.checkpoint`` keeps of a layer.

    Args:
      remat: ``"dots"`` keeps the results of products with parameters, and computes attention, norms
        and activations again; ``"full"`` keeps nothing but the layer's input.
    """
    if remat == "dots":
        return jax.checkpoint_policies.save_only_these_names(DENSE)
    return jax.checkpoint_policies.nothing_saveable
