"""Penalties on weights, as terms of the gradient: towards where training starts, towards zero."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from wiseft_jax.core.typing import Params, PyTree


class StartState(NamedTuple):
    """The state of ``pull_to_start``.

    Attributes:
      start: The parameters at the start of training.
    """

    start: PyTree


def pull_to_start(strength: float) -> optax.GradientTransformation:
    """Return what adds the gradient of ``strength / 2 |theta - theta_0|^2``.

    L2-SP of Li et al. 2018, "Explicit inductive bias for transfer learning with convolutional
    networks" (ICML 2018), equation 2, over all that is trained. It is part of the gradient, so Adam
    scales it with the rest, unlike weight decay.
    """

    def init(params: Params) -> StartState:
        return StartState(params)

    def update(
        updates: PyTree, state: Any, params: Params | None = None
    ) -> tuple[PyTree, StartState]:
        pulled = jax.tree_util.tree_map(
            lambda update, theta, start: update + strength * (theta - start),
            updates,
            params,
            state.start,
        )
        return pulled, state

    return optax.GradientTransformation(init, update)


def shrink(strength: float) -> optax.GradientTransformation:
    """Return what adds the gradient of ``strength |theta|_1``; 0 at 0."""

    def add(updates: PyTree, params: Params | None) -> PyTree:
        return jax.tree_util.tree_map(
            lambda update, theta: update + strength * jnp.sign(theta), updates, params
        )

    return optax.stateless(add)
