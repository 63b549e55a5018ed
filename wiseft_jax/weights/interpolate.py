"""The only lerp: WiSE-FT's weight-space ensemble of two parameter trees.

Wortsman et al. 2022 (arXiv 2109.01903), section 3: ``(1 - alpha) theta_0 + alpha theta_1``, where
``theta_0`` is zero-shot and ``theta_1`` fine-tuned.
"""

from __future__ import annotations

import logging
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import check_same_structure, key_path
from wiseft_jax.core.typing import Params

logger = logging.getLogger(__name__)


def lerp(theta_0: Params, theta_1: Params, alpha: Any) -> Params:
    """Return ``(1 - alpha) * theta_0 + alpha * theta_1``, leaf by leaf.

    - Floating leaves are mixed in float32 whatever their dtype, then cast to ``theta_0``'s dtype.
    - alpha = 0 and alpha = 1 return the endpoints bit for bit (-0.0, NaN and infinities included),
      also where ``alpha`` is traced by ``jit`` or ``vmap``.
    - Integer and boolean leaves are never mixed: ``theta_1``'s at alpha = 1, else ``theta_0``'s; a
      warning names those that differ.
    - The derivative by ``alpha`` is ``theta_1 - theta_0`` everywhere, the ends included.
    - Leaves are mixed one at a time, so that the extra memory is one leaf; their sharding is kept.

    Args:
      theta_0: The tree at alpha = 0, host or device arrays.
      theta_1: The tree at alpha = 1, of the same structure and shapes.
      alpha: A scalar, Python number or array. Outside [0, 1] it extrapolates. For several
        alphas use ``jax.vmap(lerp, in_axes=(None, None, 0))``.

    Returns:
      A tree of JAX arrays.

    Raises:
      InputError: The trees differ (names key paths and both shapes); ``alpha`` is no scalar, or is
        not finite; a leaf is complex.

    Example:
      >>> lerp({"w": jnp.array([0.0, 2.0])}, {"w": jnp.array([1.0, 4.0])}, 0.5)
      {'w': Array([0.5, 3. ], dtype=float32)}
    """
    check_same_structure(theta_1, theta_0)
    coefficient = _checked(alpha)

    def mix(path: tuple[Any, ...], leaf_0: Any, leaf_1: Any) -> jax.Array:
        leaf_0, leaf_1 = jnp.asarray(leaf_0), jnp.asarray(leaf_1)
        if jnp.issubdtype(leaf_0.dtype, jnp.complexfloating):
            raise InputError(f"{key_path(path)}: expected real numbers, found {leaf_0.dtype}")
        if jnp.issubdtype(leaf_0.dtype, jnp.floating):
            return _mix(leaf_0, leaf_1, coefficient)
        _warn_if_different(path, leaf_0, leaf_1)
        return jnp.where(coefficient == 1, leaf_1.astype(leaf_0.dtype), leaf_0)

    return jax.tree_util.tree_map_with_path(mix, theta_0, theta_1)


def _checked(alpha: Any) -> jax.Array:
    if np.shape(alpha) != ():
        raise InputError(
            f"alpha: expected one number, found shape {np.shape(alpha)}; for several alphas map"
            " lerp over them with jax.vmap or jax.lax.map"
        )
    if not isinstance(alpha, jax.core.Tracer) and not np.isfinite(float(alpha)):
        raise InputError(f"alpha: expected a finite number, found {alpha}")
    return jnp.asarray(alpha, jnp.float32)


# custom_jvp outside, jit inside: compiled, an eager call makes one pass over the leaf and rounds as
# a call within a larger jit does (XLA may fuse multiply and add).
@jax.custom_jvp
@jax.jit
def _mix(leaf_0: jax.Array, leaf_1: jax.Array, alpha: jax.Array) -> jax.Array:
    mixed = (1 - alpha) * leaf_0.astype(jnp.float32) + alpha * leaf_1.astype(jnp.float32)
    # Select, not arithmetic: 0 * NaN and 0 * inf are NaN, and 0 * x + -0.0 is +0.0. The ends are
    # taken as stored: a float64 end doesn't pass through float32.
    inner = jnp.where(alpha == 1, leaf_1.astype(leaf_0.dtype), mixed.astype(leaf_0.dtype))
    return jnp.where(alpha == 0, leaf_0, inner)


@_mix.defjvp
def _mix_jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[jax.Array, jax.Array]:
    leaf_0, leaf_1, alpha = primals
    # The selects above would make d/d alpha vanish at the ends, where a search may well start.
    values = [jnp.asarray(x).astype(jnp.float32) for x in (leaf_0, leaf_1)]
    slopes = [jnp.asarray(t).astype(jnp.float32) for t in tangents]
    slope = (1 - alpha) * slopes[0] + alpha * slopes[1] + (values[1] - values[0]) * slopes[2]
    return _mix(leaf_0, leaf_1, alpha), slope.astype(leaf_0.dtype)


def _warn_if_different(path: tuple[Any, ...], leaf_0: jax.Array, leaf_1: jax.Array) -> None:
    if isinstance(leaf_0, jax.core.Tracer) or isinstance(leaf_1, jax.core.Tracer):
        return
    if not bool(jnp.array_equal(leaf_0, leaf_1)):
        logger.warning(
            "%s: %s values differ between the ends; theta_0's are kept unless alpha is 1",
            key_path(path),
            leaf_0.dtype,
        )
