"""Foregrounds on backgrounds: ``where(mask, foreground, background)``, on the host or a device."""

from __future__ import annotations

from typing import Any

from jaxtyping import Bool, Shaped

from wiseft_jax.backgrounds.variants import VARIANTS, variant_of
from wiseft_jax.core.errors import InputError

COMPOSED = tuple(
    name for name, variant in VARIANTS.items() if variant.located_by in ("mask", "nothing")
)
"""The variants that need a mask at most; the two others are made from boxes, by ``tiling``."""


def compose(
    images: Shaped[Any, "... H W 3"],
    masks: Bool[Any, "... H W"],
    partner_tiled: Shaped[Any, "... H W 3"] | None,
    kind: str,
) -> Any:
    """Return a variant of images from their masks and their partners' Only-BG-T images.

    It is pure, and works on NumPy arrays (and then returns one) and on JAX's, traced or not, of any
    dtype. Leading axes are any that the three share or broadcast to: foregrounds
    ``[F, 1, H, W, 3]`` with backgrounds ``[1, B, H, W, 3]`` give every pair.

    Args:
      images: The originals.
      masks: True where the object is.
      partner_tiled: Only-BG-T of the image that ``pair_backgrounds`` chose for each; only the mixed
        variants read it.
      kind: ``original``, ``no_fg``, ``only_fg``, ``mixed_same``, ``mixed_rand`` or ``mixed_next``;
        the mixed ones differ in their partners alone.

    Returns:
      As ``images``, broadcast.

    Raises:
      InputError: Unknown or a kind that is made from boxes; a mixed one without partners.

    Source: Xiao et al. 2020 (arXiv 2006.09994), section 2.

    Example:
      >>> partner = pair_backgrounds(labels, "mixed_rand", seed=0)
      >>> mixed = compose(images, masks, tiled[partner], "mixed_rand")
    """
    variant = variant_of(kind)
    if kind not in COMPOSED:
        raise InputError(f"compose: {kind} is made from a box; use tile_background or blacken_box")
    inside = masks[..., None]
    nothing = images.dtype.type(0)
    if variant.partner:
        if partner_tiled is None:
            raise InputError(f"compose: {kind} needs partner_tiled, found None")
        return _where(inside, images, partner_tiled)
    if kind == "only_fg":
        return _where(inside, images, nothing)
    return _where(inside, nothing, images) if kind == "no_fg" else images


def _where(condition: Any, yes: Any, no: Any) -> Any:
    import numpy as np

    arrays = (condition, yes, no)
    if all(isinstance(each, np.ndarray | np.generic) for each in arrays):
        return np.where(*arrays)
    import jax.numpy as jnp

    return jnp.where(*arrays)
