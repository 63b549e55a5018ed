"""Images in memory written in the published layout: ``ROOT/VARIANT/SPLIT/CLASS/ID.png``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.variants import VARIANTS


def write_release(
    root: Path, images: MaskedImages, split: str = "val", kinds: Sequence[str] = tuple(VARIANTS)
) -> Path:
    """Write variants and masks, mixed ones by the pairing of seed 0, and return ``root``."""
    stems = [each.split("/")[-1] for each in images.ids]
    places = [
        (images.class_names[label], stem) for label, stem in zip(images.labels, stems, strict=True)
    ]
    for kind in kinds:
        for pixels, (folder, stem) in zip(images.variant(kind, 0), places, strict=True):
            path = root / kind / split / folder / f"{stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    for mask, (folder, stem) in zip(images.masks, places, strict=True):
        path = root / "fg_mask" / split / folder / f"{stem}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, mask)
    return root
