"""What changes from step to step: parameters, optimizer state, and the number of complete steps."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from wiseft_jax.core.mesh import replicated
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


def init_state(params: Params, optimizer: optax.GradientTransformation, mesh: Mesh) -> TrainState:
    """Return the state before the first step, on the devices.

    Args:
      params: The trained parameters, host arrays; they are copied, so donation can't reach them.
      optimizer: What ``make_optimizer`` returns.
      mesh: Where the state lives.
    """

    def build(params: Params) -> TrainState:
        params = jax.tree_util.tree_map(
            lambda leaf: jnp.array(leaf, jnp.float32, copy=True), params
        )
        return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))

    return jax.jit(build, out_shardings=replicated(mesh))(params)


def to_host(params: Params) -> Params:
    """Return the parameters as float32 host arrays of their own."""
    return jax.tree_util.tree_map(lambda leaf: np.array(leaf, np.float32), jax.device_get(params))
