"""Penalties on weights, as terms of the gradient: towards where training starts, towards zero.

The start, which distillation needs too, is part of the optimizer's state: it lies on the devices as
the parameters do, and a resumed run has it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from wiseft_jax.core.typing import Params, PyTree


class StartState(NamedTuple):
    """The state of ``pull_to_start`` and of ``keep_start``.

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


def keep_start() -> optax.GradientTransformation:
    """Return what changes no update and keeps the parameters at the start of training."""

    def update(updates: PyTree, state: Any, params: Params | None = None) -> tuple[PyTree, Any]:
        return updates, state

    def init(params: Params) -> StartState:
        return StartState(params)

    return optax.GradientTransformation(init, update)


def find_start(opt: PyTree) -> PyTree | None:
    """Return the start in an optimizer's state; None if there is none."""

    def is_start(node: Any) -> bool:
        return isinstance(node, StartState)

    nodes = jax.tree_util.tree_leaves(opt, is_leaf=is_start)
    return next((node.start for node in nodes if is_start(node)), None)


def shrink(strength: float) -> optax.GradientTransformation:
    """Return what adds the gradient of ``strength |theta|_1``; 0 at 0."""

    def add(updates: PyTree, params: Params | None) -> PyTree:
        return jax.tree_util.tree_map(
            lambda update, theta: update + strength * jnp.sign(theta), updates, params
        )

    return optax.stateless(add)
