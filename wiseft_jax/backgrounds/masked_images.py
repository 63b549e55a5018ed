"""Images whose objects are cut out: everything that the eight variants are made of, in memory."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt8

from wiseft_jax.backgrounds.composition import compose
from wiseft_jax.backgrounds.pairing import pair_backgrounds
from wiseft_jax.backgrounds.tiling import blacken_box
from wiseft_jax.backgrounds.variants import variant_of
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.source import Dataset, array_dataset


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedImages:
    """N images of one size, where their objects are, and what is behind them.

    Attributes:
      images: uint8[N, H, W, 3].
      masks: bool[N, H, W], true where the object is.
      tiled: uint8[N, H, W, 3], the Only-BG-T images.
      boxes: int[N, 4], ``(x0, y0, x1, y1)``, half-open.
      labels: int32[N].
      class_names: In the order of labels.
      ids: One an image.
      name: In tables.
    """

    images: UInt8[np.ndarray, "N H W 3"]
    masks: Bool[np.ndarray, "N H W"]
    tiled: UInt8[np.ndarray, "N H W 3"]
    boxes: Integer[np.ndarray, "N 4"]
    labels: Integer[np.ndarray, " N"]
    class_names: tuple[str, ...]
    ids: tuple[str, ...]
    name: str = "memory"

    def __post_init__(self) -> None:
        count = len(self.images)
        shapes = {
            "masks": (self.masks.shape, self.images.shape[:3]),
            "tiled": (self.tiled.shape, self.images.shape),
            "boxes": (self.boxes.shape, (count, 4)),
            "labels": (self.labels.shape, (count,)),
            "ids": ((len(self.ids),), (count,)),
        }
        for field, (found, expected) in shapes.items():
            if found != expected:
                raise InputError(f"{self.name}: {field}: expected {expected}, found {found}")

    def __len__(self) -> int:
        return len(self.images)

    def partners(self, kind: str, seed: int) -> Int[np.ndarray, " N"]:
        """Return whose background each image gets; see ``pair_backgrounds``."""
        return pair_backgrounds(self.labels, kind, seed, num_classes=len(self.class_names))

    def variant(self, kind: str, seed: int = 0) -> UInt8[np.ndarray, "N H W 3"]:
        """Return all images as one of the eight variants.

        Args:
          kind: A key of ``VARIANTS``.
          seed: Of the pairing of a mixed variant; nothing else is drawn.

        Raises:
          InputError: Unknown variant, or classes too small for its pairing.
        """
        variant = variant_of(kind)
        if kind == "only_bg_t":
            return self.tiled
        if kind == "only_bg_b":
            pairs = zip(self.images, self.boxes, strict=True)
            return np.stack([blacken_box(image, box.tolist()) for image, box in pairs])
        partner_tiled = self.tiled[self.partners(kind, seed)] if variant.partner else None
        return compose(self.images, self.masks, partner_tiled, kind)

    def dataset(self, kind: str, seed: int = 0) -> Dataset:
        """Return a variant as a dataset of test images, named by the variant."""
        return array_dataset(
            self.variant(kind, seed), self.labels, self.class_names, name=kind, ids=self.ids
        )

    def subset(self, indices: Integer[np.ndarray, " M"]) -> MaskedImages:
        """Return some of the images."""
        arrays = {
            field: getattr(self, field)[indices]
            for field in ("images", "masks", "tiled", "boxes", "labels")
        }
        return dataclasses.replace(self, **arrays, ids=tuple(self.ids[i] for i in indices))
