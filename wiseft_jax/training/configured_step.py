"""The compiled step of a configuration: what a run takes, and what a plan counts."""

from __future__ import annotations

from typing import Any

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.typing import PyTree
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.training.config import Plan, TrainConfig
from wiseft_jax.training.mixed_batch import make_mix
from wiseft_jax.training.optimizer import make_optimizer, make_schedule
from wiseft_jax.training.step import (
    LogitsFn,
    LossFn,
    classification_loss,
    distilled_loss,
    make_train_step,
)


def configured_loss(logits_fn: LogitsFn, config: TrainConfig) -> LossFn:
    """Return what a configuration minimises: cross-entropy, and distillation if it asks for it.

    Args:
      logits_fn: The recipe's.
      config: How to fine-tune.
    """
    options = config.options
    if not options.distill_to_theta_0:
        return classification_loss(logits_fn, config.label_smoothing)
    strength, temperature = options.distill_to_theta_0, options.distill_temperature
    return distilled_loss(logits_fn, config.label_smoothing, strength, temperature)


def configured_step(
    loss_fn: LossFn,
    classifier: Classifier,
    config: TrainConfig,
    mixing: MixingConfig,
    plan: Plan,
    layout: Layout,
    num_classes: int,
    factors: PyTree | None = None,
) -> Any:
    """Return ``make_train_step`` with all that a configuration says.

    Args:
      loss_fn: What the recipe minimises.
      classifier: The whole model; its ``preprocess`` is read.
      config: How to fine-tune.
      mixing: How images are mixed.
      plan: The steps of the run.
      layout: The devices, which need not exist.
      num_classes: K.
      factors: What ``learning_rate_factors`` returned.
    """
    mix = make_mix(mixing, classifier.preprocess, num_classes, plan, layout, config.seed)
    return make_train_step(
        loss_fn,
        make_optimizer(config, plan, factors),
        make_schedule(config, plan),
        layout,
        accumulation_steps=config.accumulation_steps,
        mix=mix,
        factors=factors,
        with_start=bool(config.options.distill_to_theta_0),
    )
