"""A few images of noise with squares for objects, in memory and in the published layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.tiling import tile_background

CLASSES = ("00_dog", "01_musical box", "02_fish")
BOX = (1, 2, 5, 6)


def masked_images(per_class: int = 3, size: int = 8) -> MaskedImages:
    """Return images of noise in folder order, each with a square for an object."""
    rng = np.random.default_rng(0)
    count = per_class * len(CLASSES)
    images = rng.integers(0, 256, (count, size, size, 3), np.uint8)
    masks = np.zeros((count, size, size), bool)
    masks[:, BOX[1] : BOX[3], BOX[0] : BOX[2]] = True
    tiled = np.stack([tile_background(each, BOX) for each in images])
    labels = np.repeat(np.arange(len(CLASSES)), per_class)
    ids = tuple(f"{CLASSES[label]}/{index:02d}" for index, label in enumerate(labels))
    boxes = np.tile(np.asarray(BOX), (count, 1))
    return MaskedImages(images, masks, tiled, boxes, labels, CLASSES, ids)


def write_release(root: Path, images: MaskedImages, kinds: tuple[str, ...], split: str) -> Path:
    """Write variants as PNG, and the masks, in the published layout."""
    for kind in kinds:
        for image_id, image in zip(images.ids, images.variant(kind), strict=True):
            file = root / kind / split / f"{image_id}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    for image_id, mask in zip(images.ids, images.masks, strict=True):
        file = root / "fg_mask" / split / f"{image_id}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, mask)
    return root
