"""What a mixer did to a batch: the masks, partners and shares behind the images it gives."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.mixing.mixer import Mixer


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A mixed batch and how it came about, on the host.

    Attributes:
      images: float32[B, H, W, C], in the scale of the sources.
      masks: float32[B, H, W]: how much of each pixel is the image's own.
      shares: float32[B]: lam, the share of the image's own target.
      partners: int64[B]: whom each image is mixed with, however little; -1 where with nobody.
    """

    images: np.ndarray
    masks: np.ndarray
    shares: np.ndarray
    partners: np.ndarray


def mix_openly(
    config: MixingConfig, key: Array, images: Float[Array | np.ndarray, "B H W C"], fill: Any = 0.0
) -> Mixture:
    """Mix a batch as training would, and tell how.

    Targets are one-hot by image, so that a mixed one says who took part, and with which share.

    Args:
      config: Which mixer.
      key: The only source of randomness.
      images: In any scale, floating; at least two.
      fill: What Cutout fills with.

    Raises:
      ValueError: As ``Mixer``.
    """
    mixer = jax.jit(config.build(fill))
    mixed, targets = mixer(key, jnp.asarray(images), jnp.eye(len(images), dtype=jnp.float32))
    soft = np.array(targets)
    shares = soft.diagonal().copy()
    count, height, width = images.shape[:3]
    masks = applied_masks(config.build(0.0), key, (count, height, width))
    partners = np.asarray(applied_partners(config.build(0.0), key, count), np.int64)
    return Mixture(np.asarray(mixed), np.asarray(masks), shares, partners)


def applied_masks(mixer: Mixer, key: Array, shape: tuple[int, int, int]) -> Float32[Array, "B H W"]:
    """Return how much of each pixel is the image's own, by mixing: 1 is nothing of a partner.

    Row i is what becomes of image i when it is 1 and all others are 0. The draws don't depend on
    the images, so they are those of any batch of this shape and key.

    Args:
      mixer: With its options bound; what fills must be 0.
      key: As the batch had it.
      shape: (B, H, W) of the batch.
    """
    rows, targets = jnp.arange(shape[0]), jnp.eye(shape[0], dtype=jnp.float32)

    def mask_of(row: Array) -> Array:
        own = (rows == row).astype(jnp.float32).reshape(-1, 1, 1, 1)
        return mixer(key, jnp.broadcast_to(own, (*shape, 1)), targets)[0][row, ..., 0]

    return jax.jit(lambda rows: jax.lax.map(mask_of, rows))(rows)


def applied_partners(mixer: Mixer, key: Array, count: int) -> Int32[Array, " B"]:
    """Return whom each image is mixed with, by mixing; -1 where with nobody.

    Only row j's target is NaN: it shows where j takes part, even with a share that rounds to 0.

    Args:
      mixer: With its options bound.
      key: As the batch had it.
      count: B.
    """
    rows = jnp.arange(count, dtype=jnp.int32)
    images = jnp.zeros((count, 4, 4, 1))

    def touched_by(row: Array) -> Array:
        targets = jnp.where(rows == row, jnp.nan, 0.0)[:, None]
        return jnp.isnan(mixer(key, images, targets)[1][:, 0]) & (rows != row)

    touched = jax.jit(lambda rows: jax.lax.map(touched_by, rows))(rows)
    return jnp.where(touched.any(0), touched.argmax(0).astype(jnp.int32), -1)
