"""Random interpolation: each weight is zero-shot's or the fine-tuned one's, by a biased coin.

Wortsman et al. 2022 (arXiv 2109.01903) compare it with WiSE-FT, appendix "alternatives to
WiSE-FT". In expectation it is ``lerp``; a single draw is not.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.rng import stream
from wiseft_jax.core.trees import check_same_structure, key_path
from wiseft_jax.core.typing import Params


def bernoulli_mix(theta_0: Params, theta_1: Params, alpha: Any, key: jax.Array) -> Params:
    """Return a tree whose every number is ``theta_1``'s with probability ``alpha``.

    With u uniform in [0, 1), drawn for each number on its own::

        theta = theta_1 where u < alpha, else theta_0

    - alpha = 0 and alpha = 1 return the ends bit for bit.
    - With one key, what is ``theta_1``'s at an alpha is so at each larger one: draws are nested.
    - The draw of a leaf depends on the key, its path and its shape, not on the other leaves.
    - Integer and boolean leaves are never mixed: ``theta_1``'s at alpha = 1, else ``theta_0``'s.

    Args:
      theta_0: The tree at alpha = 0, host or device arrays.
      theta_1: The tree at alpha = 1, of the same structure and shapes.
      alpha: A scalar in [0, 1], Python number or array.
      key: Of the draw; of draw r of a seed: ``stream(jax.random.key(seed), "bernoulli", r)``.

    Returns:
      A tree of JAX arrays of ``theta_0``'s dtypes.

    Raises:
      InputError: The trees differ (names key paths and both shapes), or ``alpha`` is no scalar in
        [0, 1].

    Example:
      >>> bernoulli_mix({"w": jnp.zeros(4)}, {"w": jnp.ones(4)}, 0.5, jax.random.key(0))
      {'w': Array([1., 0., 0., 1.], dtype=float32)}
    """
    check_same_structure(theta_1, theta_0)
    _check(alpha)

    def mix(path: tuple[Any, ...], leaf_0: Any, leaf_1: Any) -> jax.Array:
        leaf_0, leaf_1 = jnp.asarray(leaf_0), jnp.asarray(leaf_1)
        leaf_1 = leaf_1.astype(leaf_0.dtype)
        if not jnp.issubdtype(leaf_0.dtype, jnp.inexact):
            return jnp.where(jnp.asarray(alpha) == 1, leaf_1, leaf_0)
        own = stream(key, key_path(path))
        drawn = jax.random.uniform(own, leaf_0.shape, jnp.float32)
        return jnp.where(drawn < alpha, leaf_1, leaf_0)

    return jax.tree_util.tree_map_with_path(mix, theta_0, theta_1)


def _check(alpha: Any) -> None:
    if np.shape(alpha) != ():
        raise InputError(f"alpha: expected one number, found shape {np.shape(alpha)}")
    if not isinstance(alpha, jax.core.Tracer) and not 0 <= float(alpha) <= 1:
        raise InputError(f"alpha: expected a probability in [0, 1], found {alpha}")
