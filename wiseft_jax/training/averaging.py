"""An exponential average over the steps' weights, without the bias of where it starts."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from wiseft_jax.core.typing import Params, PyTree


class AverageState(NamedTuple):
    """The state of ``average_weights``.

    Attributes:
      count: int32[], steps so far.
      average: The average of the weights after each of them; before the first, the start.
    """

    count: Any
    average: PyTree


def average_weights(decay: float) -> optax.GradientTransformation:
    """Return the transformation that changes no update and averages the weights they lead to.

    With decay b and the weights theta_t after step t, the state after step T holds::

        nu_T = sum_{t=1..T} b^(T-t) (1 - b) theta_t / (1 - b^T)

    The usual average, mu_0 = theta_0 and mu_t = b mu_{t-1} + (1 - b) theta_t, is then::

        mu_T = b^T theta_0 + (1 - b^T) nu_T

    the WiSE-FT model at alpha = 1 - b^T between theta_0 and nu_T, which is why nu_T is what
    training returns: the usual average is on its curve. It is computed as nu_t = nu_{t-1} +
    (1 - b) / (1 - b^t) (theta_t - nu_{t-1}), which doesn't divide a small difference by 1 - b^T.

    Args:
      decay: b, in (0, 1).
    """
    log_decay = math.log(decay)

    def init(params: Params) -> AverageState:
        return AverageState(jnp.zeros((), jnp.int32), params)

    def update(
        updates: PyTree, state: Any, params: Params | None = None
    ) -> tuple[PyTree, AverageState]:
        count = state.count + 1
        share = -math.expm1(log_decay) / -jnp.expm1(log_decay * count.astype(jnp.float32))
        reached = jax.tree_util.tree_map(jnp.add, params, updates)

        def moved(average: Any, theta: Any) -> Any:
            # What stays stays: a frozen -0.0 plus 0.0 would be 0.0.
            same = (count == 1) | (theta == average)
            return jnp.where(same, theta, average + share * (theta - average))

        average = jax.tree_util.tree_map(moved, state.average, reached)
        return updates, AverageState(count, average)

    return optax.GradientTransformation(init, update)


def find_average(opt: PyTree) -> PyTree | None:
    """Return the average in an optimizer's state; None if there is none."""

    def is_average(node: Any) -> bool:
        return isinstance(node, AverageState)

    nodes = jax.tree_util.tree_leaves(opt, is_leaf=is_average)
    return next((node.average for node in nodes if is_average(node)), None)


def usual_average_alpha(decay: float, steps: int) -> float:
    """Return the alpha at which the usual average lies on the curve to what training returns."""
    return -math.expm1(steps * math.log(decay))
