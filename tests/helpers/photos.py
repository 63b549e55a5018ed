"""Small labelled image folders that a test writes: noisy squares of one colour a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220)}


def write_photos(
    root: Path, *, per_class: int = 8, size: int = 20, seed: int = 0, invert: bool = False
) -> Path:
    """Write ``root/<class>/<k>.png`` and return ``root``; ``invert`` makes a shifted set."""
    rng = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        folder = root / name
        folder.mkdir(parents=True)
        for index in range(per_class):
            noise = rng.normal(0, 25, (size, size, 3))
            pixels = (np.asarray(colour) + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(255 - pixels if invert else pixels).save(folder / f"{index}.png")
    return root
