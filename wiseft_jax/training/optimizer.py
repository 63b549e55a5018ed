"""The optimizer: clipping by global norm, then AdamW on everything that is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optax

from wiseft_jax.training.config import Plan, TrainConfig
from wiseft_jax.training.schedule import warmup_cosine

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def make_schedule(config: TrainConfig, plan: Plan) -> Callable[[Any], Any]:
    """Return ``step -> learning rate`` of a run."""
    return warmup_cosine(config.learning_rate, plan.warmup_steps, plan.total_steps)


def make_optimizer(config: TrainConfig, plan: Plan) -> optax.GradientTransformation:
    """Return clipping and AdamW (Loshchilov & Hutter 2019), as in the paper.

    With g the gradient, clipped to a global norm of ``clip_norm``::

        m = b1 m + (1 - b1) g,    v = b2 v + (1 - b2) g^2
        theta -= lr(step) * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + weight_decay * theta)

    Weight decay falls on every parameter of the tree, biases and norms included, so the tree must
    hold nothing that isn't trained.
    """
    adamw = optax.adamw(
        make_schedule(config, plan),
        b1=BETA_1,
        b2=BETA_2,
        eps=EPSILON,
        weight_decay=config.weight_decay,
    )
    if config.clip_norm is None:
        return adamw
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), adamw)
