"""CutMix: a box of one image pasted into another."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32

from wiseft_jax.mixing.mixer import Mode, Pairing, Prob, clipped_box, drawn_center, mix


def cutmix(
    key: Array,
    images: Float[Array, "B H W C"],
    targets: Float[Array, "B K"],
    *,
    alpha: float = 1.0,
    prob: Prob = 1.0,
    mode: Mode = "elem",
    pairing: Pairing = "roll",
    mask: Bool[Array, " B"] | None = None,
) -> tuple[Float[Array, "B H W C"], Float[Array, "B K"]]:
    """Paste a box of the partner, and mix targets by the area that is left of the image.

    The box takes ``1 - lam`` of the area, with lam ~ Beta(alpha, alpha), around a random pixel; it
    is clipped by the image, and the targets' share is that of the box as it was pasted. Yun et al.,
    "CutMix", ICCV 2019 (arXiv 1905.04899), algorithm A1.

    Args:
      key: The only source of randomness.
      images: In any scale, floating.
      targets: One-hot or soft.
      alpha: Of the Beta distribution; 1 is uniform.
      prob: How likely an image, or the batch, is mixed at all.
      mode: Whether draws are an image's (``elem``) or the batch's (``batch``).
      pairing: Which image is mixed with which; see ``partners``.
      mask: Where it is False a row is padding: it stays as it is, and is nobody's partner.

    Returns:
      Images and targets, in the dtypes that they came in.

    Raises:
      ValueError: As ``Mixer``; alpha that isn't positive.
    """
    if not alpha > 0:
        raise ValueError(f"alpha: expected a number > 0, found {alpha}")

    def draw(key: Array, height: int, width: int) -> Float32[Array, "H W"]:
        place, size = jax.random.split(key)
        share = jnp.sqrt(1.0 - jax.random.beta(size, alpha, alpha, dtype=jnp.float32))
        sides = (share * jnp.asarray([height, width])).astype(jnp.int32)
        return clipped_box(height, width, drawn_center(place, height, width), sides)

    return mix(key, images, targets, draw, prob=prob, mode=mode, pairing=pairing, mask=mask)
