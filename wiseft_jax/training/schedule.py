"""The learning rate of the paper: linear warm-up, then half a cosine."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float32, Int


def warmup_cosine(
    base: float, warmup_steps: int, total_steps: int
) -> Callable[..., Float32[Array, ""]]:
    """Return the schedule of the reference implementation, exactly.

    With w = ``warmup_steps`` and T = ``total_steps``::

        base * (step + 1) / w                                 while step < w
        base * (1 + cos(pi (step - w) / (T - w))) / 2         then

    The first step already learns and the last one still does, which
    ``optax.warmup_cosine_decay_schedule`` (off by one step) doesn't do. When T <= w the run never
    leaves warm-up (``TrainConfig.plan`` warns).

    Args:
      base: The peak learning rate.
      warmup_steps: w; 0 starts at the peak.
      total_steps: T, at least 1.

    Returns:
      ``step -> learning rate``; ``step`` counts from 0 and may be traced.

    Source: mlfoundations/wise-ft, ``src/models/utils.py`` (``cosine_lr``).
    """
    rise = max(warmup_steps, 1)
    fall = max(total_steps - warmup_steps, 1)

    def schedule(step: int | Int[Array, ""]) -> Float32[Array, ""]:
        step = jnp.asarray(step)
        rising = base * (step + 1) / rise
        # (1 + cos(pi - 2x)) / 2 = sin(x)^2: near the end 1 + cos would cancel in float32.
        falling = base * jnp.sin(jnp.pi / 2 * (total_steps - step) / fall) ** 2
        return jnp.where(step < warmup_steps, rising, falling).astype(jnp.float32)

    return schedule
