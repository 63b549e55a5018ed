"""Small functions whose cost is known, looped and unrolled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

ROWS, WIDTH = 64, 128


def layer(hidden: Any, kernel: Any) -> Any:
    return jnp.tanh(hidden @ kernel)


def layers(count: int, *, scan: bool) -> tuple[Callable[..., Any], tuple[Any, ...], float]:
    """Return ``(loss and gradient of a stack, its arguments, its FLOPs)``."""

    def forward(kernels: Any, hidden: Any) -> Any:
        if scan:
            hidden = jax.lax.scan(lambda h, k: (layer(h, k), None), hidden, kernels)[0]
        else:
            for index in range(count):
                hidden = layer(hidden, kernels[index])
        return jnp.sum(hidden)

    arguments = (
        jax.ShapeDtypeStruct((count, WIDTH, WIDTH), jnp.float32),
        jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32),
    )
    # Forward, and the gradients of inputs and kernels.
    return jax.grad(forward, argnums=(0, 1)), arguments, 3.0 * count * 2 * ROWS * WIDTH**2


def alphas(count: int, *, loop: bool) -> tuple[Callable[..., Any], tuple[Any, ...], float]:
    """Return ``(outputs at every alpha, its arguments, its FLOPs)``."""

    def at_alpha(ends: Any, alpha: Any, hidden: Any) -> Any:
        return layer(hidden, (1 - alpha) * ends[0] + alpha * ends[1])

    def sweep(ends: Any, points: Any, hidden: Any) -> Any:
        if loop:
            return jax.lax.map(lambda alpha: at_alpha(ends, alpha, hidden), points)
        return jnp.stack([at_alpha(ends, points[index], hidden) for index in range(count)])

    arguments = (
        jax.ShapeDtypeStruct((2, WIDTH, WIDTH), jnp.float32),
        jax.ShapeDtypeStruct((count,), jnp.float32),
        jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32),
    )
    return sweep, arguments, count * 2.0 * ROWS * WIDTH**2


def parts(count: int, *, scan: bool) -> tuple[Callable[..., Any], tuple[Any, ...], float]:
    """Return ``(gradient accumulated over parts of a batch, its arguments, its FLOPs)``."""
    gradient = jax.grad(lambda kernel, rows: jnp.sum(layer(layer(rows, kernel), kernel)))

    def accumulate(kernel: Any, batch: Any) -> Any:
        if scan:
            start = jnp.zeros_like(kernel)
            return jax.lax.scan(lambda s, b: (s + gradient(kernel, b), None), start, batch)[0]
        total = jnp.zeros_like(kernel)
        for index in range(count):
            total = total + gradient(kernel, batch[index])
        return total

    arguments = (
        jax.ShapeDtypeStruct((WIDTH, WIDTH), jnp.float32),
        jax.ShapeDtypeStruct((count, ROWS, WIDTH), jnp.float32),
    )
    # Two products forward, two for the kernel, one for the inner activation.
    return accumulate, arguments, count * 5.0 * 2 * ROWS * WIDTH**2


LOOPS = {
    "12 layers": (layers, 12, "scan"),
    "11 alphas": (alphas, 11, "loop"),
    "accumulation 4": (parts, 4, "scan"),
}
"""Name -> (what makes it, how often it loops, the argument that unrolls it)."""
