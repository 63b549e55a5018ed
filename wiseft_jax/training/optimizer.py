"""The optimizer: clipping by global norm, then AdamW on everything that is trained; options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import optax

from wiseft_jax.core.typing import PyTree
from wiseft_jax.training.averaging import average_weights
from wiseft_jax.training.config import Plan, TrainConfig
from wiseft_jax.training.penalties import keep_start, pull_to_start, shrink
from wiseft_jax.training.rates import drop_frozen, scale_updates
from wiseft_jax.training.schedule import warmup_cosine

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def make_schedule(config: TrainConfig, plan: Plan) -> Callable[[Any], Any]:
    """Return ``step -> learning rate`` of a run."""
    return warmup_cosine(config.learning_rate, plan.warmup_steps, plan.total_steps)


def make_optimizer(
    config: TrainConfig, plan: Plan, factors: PyTree | None = None
) -> optax.GradientTransformation:
    """Return penalties, clipping, AdamW (Loshchilov & Hutter 2019), factors and an average.

    Of these, clipping and AdamW alone by default, as in the paper. With g the gradient,
    clipped to a global norm of ``clip_norm``::

        m = b1 m + (1 - b1) g,    v = b2 v + (1 - b2) g^2
        theta -= lr(step) * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + weight_decay * theta)

    Weight decay falls on every parameter of the tree, biases and norms included, so the tree must
    hold nothing that isn't trained, but for leaves whose factor is 0: these are left out.

    Args:
      config: How to fine-tune.
      plan: Its steps.
      factors: What ``learning_rate_factors`` returned, for the same parameters.
    """
    options = config.options
    adamw = optax.adamw(
        make_schedule(config, plan),
        b1=BETA_1,
        b2=BETA_2,
        eps=EPSILON,
        weight_decay=config.weight_decay,
    )
    parts: list[optax.GradientTransformation] = []
    if options.l2_to_theta_0:
        parts.append(pull_to_start(options.l2_to_theta_0))
    elif options.distill_to_theta_0:
        parts.append(keep_start())
    if options.l1:
        parts.append(shrink(options.l1))
    if parts and factors is not None:
        parts.append(optax.stateless(lambda updates, _: drop_frozen(updates, factors)))
    if config.clip_norm is not None:
        parts.append(optax.clip_by_global_norm(config.clip_norm))
    if factors is None:
        parts.append(adamw)
    else:
        trained = jax.tree_util.tree_map(lambda factor: bool(factor.any()), factors)
        parts += [optax.masked(adamw, trained), scale_updates(factors)]
    if options.ema_decay is not None:
        parts.append(average_weights(options.ema_decay))
    return optax.chain(*parts) if len(parts) > 1 else parts[0]
