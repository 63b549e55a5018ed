"""The eight variants of an image, by name: which foreground, which background, found how."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

from wiseft_jax.core.errors import unknown_name

VariantName: TypeAlias = Literal[
    "original",
    "only_bg_b",
    "only_bg_t",
    "no_fg",
    "only_fg",
    "mixed_same",
    "mixed_rand",
    "mixed_next",
]
Location: TypeAlias = Literal["nothing", "box", "mask"]


@dataclasses.dataclass(frozen=True)
class Variant:
    """How a variant is made (Xiao et al. 2020, table 1).

    Attributes:
      title: As the paper writes it.
      foreground: Whether the object is in it.
      background: What is behind the object.
      located_by: What says where the object is.
      partner: Whether the background is another image's.
    """

    title: str
    foreground: bool
    background: str
    located_by: Location
    partner: bool = False


VARIANTS: dict[VariantName, Variant] = {
    "original": Variant("Original", True, "original", "nothing"),
    "only_bg_b": Variant("Only-BG-B", False, "original, the box black", "box"),
    "only_bg_t": Variant("Only-BG-T", False, "original, tiled into the box", "box"),
    "no_fg": Variant("No-FG", False, "original, a black silhouette", "mask"),
    "only_fg": Variant("Only-FG", True, "black", "mask"),
    "mixed_same": Variant("Mixed-Same", True, "Only-BG-T of its class", "mask", True),
    "mixed_rand": Variant("Mixed-Rand", True, "Only-BG-T of a random class", "mask", True),
    "mixed_next": Variant("Mixed-Next", True, "Only-BG-T of the next class", "mask", True),
}
"""Folder name -> variant. Every mixed background is an Only-BG-T image, never an original."""

MASKS_FOLDER = "fg_mask"


def variant_of(name: str) -> Variant:
    """Return the variant of a name.

    Raises:
      InputError: If there is none; names the closest.
    """
    if name not in VARIANTS:
        raise unknown_name("variant", name, VARIANTS)
    return VARIANTS[name]
