"""What all mixers have in common: the signature, partners, and how masks mix a batch.

A mixer draws a mask G in [0, 1] for each image, or one for the batch, and blends image i with its
partner j: ``G x_i + (1 - G) x_j``; the targets alike, with the mean of the mask that was applied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

Mode: TypeAlias = Literal["elem", "batch"]
"""``elem``: each image has draws of its own; ``batch``: one draw for the batch."""

Pairing: TypeAlias = Literal["roll", "flip", "permutation"]
"""Image i is mixed with i - 1, with B - 1 - i, or with a random one (a permutation's)."""

Prob: TypeAlias = float | Float[Array, ""]
"""A probability; may be traced, so that one program serves several."""

DrawMask: TypeAlias = Callable[[Array, int, int], Float32[Array, "H W"]]
"""``(key, height, width)`` -> a random mask of that size, or one number for all pixels; pure."""


@runtime_checkable
class Mixer(Protocol):
    """Pure, with static shapes; the same key gives the same result. May be jitted and sharded."""

    def __call__(
        self,
        key: Array,
        images: Float[Array, "B H W C"],
        targets: Float[Array, "B K"],
        *,
        prob: Prob = 1.0,
        mode: Mode = "elem",
        mask: Bool[Array, " B"] | None = None,
    ) -> tuple[Float[Array, "B H W C"], Float[Array, "B K"]]:
        """Return mixed images and targets.

        Args:
          key: The only source of randomness.
          images: In any scale; they come back in their dtype, the arithmetic is float32.
          targets: One-hot or soft.
          prob: How likely an image (``elem``) or the batch (``batch``) is mixed; may be traced.
          mode: Whether draws are an image's or the batch's.
          mask: Where it is False a row is padding: it stays as it is, and is nobody's partner.

        Raises:
          ValueError: Images that aren't floating, integer labels, a batch of one, other ranks.
        """
        ...


def mix(
    key: Array,
    images: Float[Array, "B H W C"],
    targets: Float[Array, "B K"],
    draw: DrawMask,
    *,
    prob: Prob,
    mode: Mode,
    pairing: Pairing,
    mask: Bool[Array, " B"] | None,
) -> tuple[Float[Array, "B H W C"], Float[Array, "B K"]]:
    """Blend each image with its partner by a drawn mask; see ``Mixer``.

    Args:
      key: As in ``Mixer``.
      images: As in ``Mixer``.
      targets: As in ``Mixer``.
      draw: What draws a mask.
      prob: As in ``Mixer``.
      mode: As in ``Mixer``.
      pairing: Which image is mixed with which.
      mask: As in ``Mixer``.
    """
    check_batch(images, targets)
    masks, pairs, chosen = jax.random.split(key, 3)
    weight = drawn_masks(masks, images, draw, mode)
    partner = partners(pairs, len(images), pairing)
    mixed = drawn_choice(chosen, len(images), prob, mode)
    if mask is not None:
        mixed &= mask & mask[partner]
    blended = _blend(weight[..., None], images, images[partner])
    share = jnp.mean(weight, axis=(1, 2))[:, None]
    soft = _blend(share, targets, targets[partner])
    # `where`: what isn't mixed stays bit for bit, whatever its partner holds.
    return (
        jnp.where(mixed[:, None, None, None], blended, images),
        jnp.where(mixed[:, None], soft, targets),
    )


def drawn_masks(
    key: Array, images: Float[Array, "B _ _ C"], draw: DrawMask, mode: Mode
) -> Float32[Array, "B H W"] | Float32[Array, "1 H W"]:
    """Return a mask for each image, or one for all of them."""
    if mode not in ("elem", "batch"):
        raise ValueError(f"mode: expected 'elem' or 'batch', found {mode!r}")
    count, height, width, _ = images.shape
    keys = jax.random.split(key, count if mode == "elem" else 1)
    return jax.vmap(lambda key: draw(key, height, width))(keys)


def drawn_choice(key: Array, count: int, prob: Prob, mode: Mode) -> Bool[Array, " B"]:
    """Return which images are mixed."""
    drawn = jax.random.bernoulli(key, prob, (count if mode == "elem" else 1,))
    return jnp.broadcast_to(drawn, (count,))


def partners(key: Array, count: int, pairing: Pairing) -> Int32[Array, " B"]:
    """Return whom each image is mixed with.

    ``roll`` and ``flip`` need no draw: batches are shuffled already. Over devices ``roll`` moves
    one image to the next device, where a permutation moves nearly all of them.
    """
    rows = jnp.arange(count, dtype=jnp.int32)
    if pairing == "roll":
        return jnp.roll(rows, 1)
    if pairing == "flip":
        return rows[::-1]
    if pairing == "permutation":
        return jax.random.permutation(key, rows)
    raise ValueError(f"pairing: expected 'roll', 'flip' or 'permutation', found {pairing!r}")


def check_batch(images: Any, targets: Any) -> None:
    """Refuse what can't be mixed.

    Raises:
      ValueError: Names what was found, and what to do.
    """
    if images.ndim != 4:
        raise ValueError(f"images: expected [B, H, W, C], found shape {images.shape}")
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(
            f"images: expected a floating dtype, found {images.dtype}, which can't hold a mixture;"
            " convert them: images.astype(jnp.float32)"
        )
    if targets.ndim != 2 or not jnp.issubdtype(targets.dtype, jnp.floating):
        raise ValueError(
            "targets: expected one-hot or soft targets, floating [B, K], found"
            f" {targets.dtype}{list(targets.shape)}; convert labels: jax.nn.one_hot(labels, K)"
        )
    if len(images) != len(targets):
        raise ValueError(f"{len(images)} images and {len(targets)} targets: expected as many")
    if len(images) < 2:
        raise ValueError(f"a batch of {len(images)}: mixing needs at least two images")


def clipped_box(
    height: int, width: int, center: Int[Array, "2"], sides: Int[Array, "2"]
) -> Float32[Array, "H W"]:
    """Return a mask that is 0 inside a box, clipped by the image, and 1 outside.

    From ``center - sides // 2``, as in CutMix's code: ``sides`` is even or loses a pixel.
    """
    half = sides // 2
    low, high = center - half, center + half
    rows, columns = jnp.arange(height), jnp.arange(width)
    inside_rows = (rows >= low[0]) & (rows < high[0])
    inside_columns = (columns >= low[1]) & (columns < high[1])
    return 1.0 - (inside_rows[:, None] & inside_columns[None, :]).astype(jnp.float32)


def drawn_center(key: Array, height: int, width: int) -> Int32[Array, "2"]:
    """Return (row, column) of a pixel, uniform over the image."""
    return jax.random.randint(key, (2,), 0, jnp.asarray([height, width]))


def _blend(weight: Any, own: Any, other: Any) -> Any:
    wide, partner = own.astype(jnp.float32), other.astype(jnp.float32)
    return (weight * wide + (1.0 - weight) * partner).astype(own.dtype)
