"""Mixup: two images averaged, and their targets with the same weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32

from wiseft_jax.mixing.mixer import Mode, Pairing, Prob, mix


def mixup(
    key: Array,
    images: Float[Array, "B H W C"],
    targets: Float[Array, "B K"],
    *,
    alpha: float = 0.2,
    prob: Prob = 1.0,
    mode: Mode = "elem",
    pairing: Pairing = "roll",
    mask: Bool[Array, " B"] | None = None,
) -> tuple[Float[Array, "B H W C"], Float[Array, "B K"]]:
    """Return ``lam x_i + (1 - lam) x_j``, and the targets alike, with lam ~ Beta(alpha, alpha).

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018 (arXiv 1710.09412).

    Args:
      key: The only source of randomness.
      images: In any scale, floating.
      targets: One-hot or soft.
      alpha: Of the Beta distribution; the smaller, the nearer lam is to 0 or 1.
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

    def draw(key: Array, _height: int, _width: int) -> Float32[Array, "H W"]:
        return jax.random.beta(key, alpha, alpha, dtype=jnp.float32)[None, None]

    return mix(key, images, targets, draw, prob=prob, mode=mode, pairing=pairing, mask=mask)
