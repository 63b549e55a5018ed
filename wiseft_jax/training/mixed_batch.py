"""Mixing inside the compiled step: a batch's images and its soft targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from wiseft_jax.core.mesh import Layout, batch_sharding
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.rng import stream
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.mixing.schedule import mix_until
from wiseft_jax.training.config import Plan

MixBatch: TypeAlias = Callable[[Any, dict[str, Any]], dict[str, Any]]
"""``(step, batch) -> batch`` with ``image`` float32 in 0..255 and ``target`` float32[B, K]."""


def make_mix(
    config: MixingConfig,
    preprocess: Preprocess,
    num_classes: int,
    plan: Plan,
    layout: Layout,
    seed: int | jax.Array,
) -> MixBatch | None:
    """Return what mixes a batch inside the step; None if nothing is mixed.

    The draws are a function of the seed and the step, so a resumed run mixes as an uninterrupted
    one. Rows whose mask is off stay as they are. Images are mixed in the scale of pixels, which
    normalisation, being linear, carries over; Cutout fills with the mean of ``preprocess``.

    Args:
      config: Which mixer, and how.
      preprocess: Of the model.
      num_classes: K.
      plan: The steps of the run; of its last epochs ``config.off_last_epochs`` are not mixed.
      layout: How the batch lies on the devices.
      seed: The root seed; may be traced, so that one program serves several.
    """
    mixer = config.build(fill=255.0 * np.asarray(preprocess.mean, np.float32))
    if mixer is None:
        return None
    off = round(config.off_last_epochs * plan.num_examples / plan.batch_size)
    last_step = max(0, plan.total_steps - off) if off else None
    split = batch_sharding(layout.mesh)

    def mix(step: Any, batch: dict[str, Any]) -> dict[str, Any]:
        key = stream(jax.random.key(seed), "mixing", step)
        images = batch["image"].astype(jnp.float32)
        labels = jnp.maximum(batch["label"], 0)  # -1 where the mask is 0
        targets = jax.nn.one_hot(labels, num_classes, dtype=jnp.float32)
        images, targets = mix_until(mixer, last_step, step, key, images, targets, batch["mask"])
        made = jax.lax.with_sharding_constraint({"image": images, "target": targets}, split)
        return batch | made

    return mix
