"""SGD with momentum and drops of the learning rate: what ResNets were published with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float32, Int

from wiseft_jax.training.config import Plan, TrainConfig
from wiseft_jax.training.sgd_config import SgdConfig


def make_sgd_schedule(config: TrainConfig, sgd: SgdConfig, plan: Plan) -> Callable[[Any], Any]:
    """Return ``step -> learning rate``: ``learning_rate * drop_factor ** drops until then``.

    Args:
      config: Its learning rate is the first.
      sgd: When it drops, and by what.
      plan: The steps; there is no warm-up.
    """
    drops = sgd.drop_steps(plan.num_examples, plan.batch_size, plan.total_steps)

    def schedule(step: int | Int[Array, ""]) -> Float32[Array, ""]:
        done = (jnp.asarray(step) >= jnp.asarray(drops, jnp.int32)).sum()
        return jnp.asarray(config.learning_rate * sgd.drop_factor**done, jnp.float32)

    return schedule


def make_sgd(config: TrainConfig, sgd: SgdConfig, plan: Plan) -> optax.GradientTransformation:
    """Return clipping (if ``clip_norm`` is given), and SGD as PyTorch has it.

    With g the gradient::

        m = momentum m + g + weight_decay theta
        theta -= lr(step) * m

    Weight decay is part of the gradient, on every parameter, and so of the momentum, unlike
    AdamW's.

    Args:
      config: Learning rate, weight decay, clipping.
      sgd: Momentum, and drops of the rate.
      plan: The steps.
    """
    parts: list[optax.GradientTransformation] = []
    if config.clip_norm is not None:
        parts.append(optax.clip_by_global_norm(config.clip_norm))
    if config.weight_decay:
        parts.append(optax.add_decayed_weights(config.weight_decay))
    parts.append(optax.sgd(make_sgd_schedule(config, sgd, plan), momentum=sgd.momentum))
    return optax.chain(*parts)
