"""What changes from step to step: parameters, optimizer state, and the number of complete steps."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

from wiseft_jax.core.mesh import Layout, replicated
from wiseft_jax.core.typing import Params, PyTree


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """The state of a run; a pytree, donated to every step.

    Attributes:
      step: int32[], how many steps are complete.
      params: The trained parameters, float32.
      opt: The optimizer's state.
    """

    step: PyTree
    params: PyTree
    opt: PyTree


def state_shardings(state: TrainState, layout: Layout) -> TrainState:
    """Return how a state is laid out: parameters by the rules, optimizer state as they are.

    Args:
      state: Arrays, tracers or shapes.
      layout: The mesh and the rules.
    """
    return TrainState(
        replicated(layout.mesh),
        layout.shardings(state.params),
        layout.shardings_like(state.opt, state.params),
    )


def abstract_state(
    params: Params, optimizer: optax.GradientTransformation, layout: Layout
) -> TrainState:
    """Return the shapes and shardings of a state; nothing is computed or allocated.

    Args:
      params: The trained parameters: arrays or shapes.
      optimizer: What ``make_optimizer`` returns.
      layout: The mesh and the rules; its devices need not exist.

    Returns:
      A state of ``jax.ShapeDtypeStruct`` with shardings.
    """

    def build(params: Params) -> TrainState:
        return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))

    shapes = jax.tree_util.tree_map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.float32), params
    )
    state = jax.eval_shape(build, shapes)
    return jax.tree_util.tree_map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        state,
        state_shardings(state, layout),
    )


def init_state(
    params: Params, optimizer: optax.GradientTransformation, layout: Layout
) -> TrainState:
    """Return the state before the first step, on the devices.

    Each device gets its own part of each leaf from host memory and no more; the optimizer's state
    is made where it lives.

    Args:
      params: The trained parameters, host arrays; they are copied, so donation can't reach them.
      optimizer: What ``make_optimizer`` returns.
      layout: Where the state lives.
    """
    shapes = abstract_state(params, optimizer, layout)
    placed = layout.place(jax.tree_util.tree_map(lambda leaf: np.asarray(leaf, np.float32), params))
    shardings = jax.tree_util.tree_map(lambda leaf: leaf.sharding, shapes.opt)
    opt = jax.jit(optimizer.init, out_shardings=shardings)(placed)
    return TrainState(layout.place(np.zeros((), np.int32)), placed, opt)
