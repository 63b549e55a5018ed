"""One of several mixers at random."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from wiseft_jax.mixing.mixer import Mixer, Mode, Prob


def random_choice(mixers: Sequence[Mixer], probs: Sequence[float] | None = None) -> Mixer:
    """Return a mixer that draws one of several for each batch (``batch``) or image (``elem``).

    With two of them ``probs`` is what timm calls the switch probability. With ``batch`` only the
    one that was drawn is run; with ``elem``, the default of every mixer, all of them are, and each
    image takes one's result. The mode is that of the mixers that are drawn, too.

    Args:
      mixers: What is drawn from; parameters are bound by ``functools.partial``.
      probs: How likely each is; equally by default. They are divided by their sum.

    Raises:
      ValueError: No mixers, or other probabilities than one for each, at least 0 and not all 0.

    Example:
      >>> mixer = random_choice([smoothmix, functools.partial(mixup, alpha=0.8)], [0.5, 0.5])
    """
    weights = [1.0] * len(mixers) if probs is None else [float(prob) for prob in probs]
    if not mixers:
        raise ValueError("mixers: expected at least one, found none")
    fits = len(weights) == len(mixers) and min(weights) >= 0 and sum(weights) > 0
    if not fits:
        raise ValueError(
            f"probs: expected {len(mixers)} numbers, none negative and not all 0, found {probs}"
        )
    logs = jnp.log(jnp.asarray(weights, jnp.float32))

    def mixer(
        key: Array,
        images: Float[Array, "B H W C"],
        targets: Float[Array, "B K"],
        *,
        prob: Prob = 1.0,
        mode: Mode = "elem",
        mask: Bool[Array, " B"] | None = None,
    ) -> tuple[Float[Array, "B H W C"], Float[Array, "B K"]]:
        which, own = jax.random.split(key)
        options = {"prob": prob, "mode": mode, "mask": mask}
        if mode == "batch":
            drawn = jax.random.categorical(which, logs)
            runs = [lambda args, each=each: each(*args, **options) for each in mixers]
            return jax.lax.switch(drawn, runs, (own, images, targets))
        drawn = jax.random.categorical(which, logs, shape=(len(images),))
        found = [each(own, images, targets, **options) for each in mixers]
        mixed, soft = images, targets
        for index, (image, target) in enumerate(found):
            chosen = drawn == index
            mixed = jnp.where(chosen[:, None, None, None], image, mixed)
            soft = jnp.where(chosen[:, None], target, soft)
        return mixed, soft

    return mixer
