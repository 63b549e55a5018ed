"""When images are mixed: until a step, and not after it."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array, Bool, Float

from wiseft_jax.mixing.mixer import Mixer


def mix_until(
    mixer: Mixer,
    last_step: int | None,
    step: Any,
    key: Array,
    images: Float[Array, "B H W C"],
    targets: Float[Array, "B K"],
    mask: Bool[Array, " B"] | None = None,
) -> tuple[Float[Array, "B H W C"], Float[Array, "B K"]]:
    """Mix while ``step`` is below ``last_step``; afterwards return what was given.

    One program holds both, and only what is asked for runs.

    Args:
      mixer: With its options bound.
      last_step: Steps, counted from 0, that mix; None: all do, and no branch is compiled.
      step: The step; may be traced.
      key: As in ``Mixer``.
      images: As in ``Mixer``.
      targets: As in ``Mixer``.
      mask: As in ``Mixer``.
    """

    def mixed(images: Any, targets: Any) -> tuple[Any, Any]:
        return mixer(key, images, targets, mask=mask)

    def plain(images: Any, targets: Any) -> tuple[Any, Any]:
        return images, targets

    if last_step is None:
        return mixed(images, targets)
    return jax.lax.cond(step < last_step, mixed, plain, images, targets)
