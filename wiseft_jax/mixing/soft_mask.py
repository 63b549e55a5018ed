"""SmoothMix: two images blended by a soft mask, which leaves no edge to latch on to.

Lee, Zaheer, Astrid and Lee, "SmoothMix: a Simple Yet Effective Data Augmentation to Train Robust
Classifiers", CVPR Workshops 2020. (Not the method for certified robustness of the same name.)
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32

from wiseft_jax.mixing.mixer import Mode, Pairing, Prob, drawn_center, mix

Kind: TypeAlias = Literal["circle", "square"]

SIGMAS: dict[Kind, tuple[float, float]] = {"circle": (0.25, 0.5), "square": (0.0, 1.0)}
"""The range that sigma is drawn from, as a fraction of each side."""

_TINY = 1e-6


def smoothmix_mask(
    height: int,
    width: int,
    *,
    center: tuple[Any, Any] | Float[Array | np.ndarray, "2"],
    sigma: tuple[Any, Any] | Float[Array | np.ndarray, "2"],
    kind: Kind = "circle",
    k: float = 0.2,
) -> Float32[Array, "H W"]:
    """Return the mask G that weighs the image itself; ``1 - G`` weighs its partner.

    With y and x the pixels' indices, from 0, and c the center::

        circle:  G = exp(-(y - c_y)^2 / (2 s_y^2)) exp(-(x - c_x)^2 / (2 s_x^2)), peak 1
        square:  G = t(y) t(x), t(x) = clip(1 + (h - |x - c_x|) / (k h), 0, 1), h = s_x / 2

    The ramp of the square lies outside of its sides and is ``k h`` wide; for ``k = 0`` it is the
    closed box ``|x - c_x| <= h``. How the paper measures k isn't quite clear from its text; this is
    our reading.

    Args:
      height: Rows.
      width: Columns.
      center: (row, column) in pixels.
      sigma: (rows, columns) in pixels: the circle's standard deviations, the square's full sides;
        towards zero nothing of the image is left but the center's pixel, if it is on one.
      kind: The shape.
      k: Width of the square's ramp, over half of its side.

    Raises:
      ValueError: An unknown kind, or a negative k.

    Example:
      >>> float(smoothmix_mask(32, 32, center=(16, 16), sigma=(16, 16), kind="square").mean())
      0.30767822
    """
    _check_shape(kind, k)
    rows = _profile(height, center[0], sigma[0], kind, k)
    return rows[:, None] * _profile(width, center[1], sigma[1], kind, k)[None, :]


def smoothmix(
    key: Array,
    images: Float[Array, "B H W C"],
    targets: Float[Array, "B K"],
    *,
    kind: Kind = "circle",
    sigma: tuple[float, float] | None = None,
    k: float = 0.2,
    prob: Prob = 1.0,
    mode: Mode = "elem",
    pairing: Pairing = "roll",
    mask: Bool[Array, " B"] | None = None,
) -> tuple[Float[Array, "B H W C"], Float[Array, "B K"]]:
    """Blend images by a soft mask around a random pixel, and targets by the mask's mean.

    ``x = G x_i + (1 - G) x_j`` and ``y = lam y_i + (1 - lam) y_j``, with ``lam = mean(G)`` of the
    mask that was applied: there is no draw from a Beta distribution. Of the circle's masks lam is
    0.43 on average, so the partner has the larger share.

    Args:
      key: The only source of randomness.
      images: In any scale, floating.
      targets: One-hot or soft.
      kind: ``circle`` (SmoothMix_C) or ``square`` (SmoothMix_S).
      sigma: The range that sigma is drawn from, uniformly, as a fraction of each side (both axes
        take the same draw); by default the paper's, 0.25 to 0.5 and 0 to 1.
      k: Width of the square's ramp, over half of its side.
      prob: How likely an image, or the batch, is mixed at all.
      mode: Whether draws are an image's (``elem``) or the batch's (``batch``).
      pairing: Which image is mixed with which; see ``partners``.
      mask: Where it is False a row is padding: it stays as it is, and is nobody's partner.

    Returns:
      Images and targets, in the dtypes that they came in.

    Raises:
      ValueError: As ``Mixer``; an unknown kind; a range or a k that makes no mask.

    Example:
      >>> images, targets = smoothmix(jax.random.key(0), images, jax.nn.one_hot(labels, 10))
    """
    _check_shape(kind, k)
    low, high = SIGMAS[kind] if sigma is None else sigma
    if not 0 <= low <= high < math.inf:
        raise ValueError(f"sigma: expected finite 0 <= low <= high, found {sigma}")

    def draw(key: Array, height: int, width: int) -> Float32[Array, "H W"]:
        place, size = jax.random.split(key)
        share = jax.random.uniform(size, (), jnp.float32, low, high)
        center = drawn_center(place, height, width)
        sides = (share * height, share * width)
        return smoothmix_mask(
            height, width, center=(center[0], center[1]), sigma=sides, kind=kind, k=k
        )

    return mix(key, images, targets, draw, prob=prob, mode=mode, pairing=pairing, mask=mask)


def _check_shape(kind: Kind, k: float) -> None:
    if kind not in SIGMAS:
        raise ValueError(f"kind: expected 'circle' or 'square', found {kind!r}")
    if not k >= 0:
        raise ValueError(f"k: expected at least 0, found {k}")


def _profile(size: int, center: Any, sigma: Any, kind: Kind, k: float) -> Float32[Array, " S"]:
    """Return the mask along one axis; what would divide by zero divides by next to nothing."""
    distance = jnp.abs(jnp.arange(size, dtype=jnp.float32) - jnp.asarray(center, jnp.float32))
    sigma = jnp.asarray(sigma, jnp.float32)
    if kind == "circle":
        return jnp.exp(-0.5 * (distance / jnp.maximum(sigma, _TINY)) ** 2)
    half = sigma / 2
    return jnp.clip(1.0 + (half - distance) / jnp.maximum(k * half, _TINY), 0.0, 1.0)
