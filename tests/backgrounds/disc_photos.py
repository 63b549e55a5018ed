"""Photographs with discs in them, whose masks and boxes are known, as files to build from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("00_dog", "01_wheeled vehicle", "02_fish")
WIDTH, HEIGHT = 60, 40
SIZE = 32


def disc(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return the mask of an object near the middle."""
    y, x = np.mgrid[:height, :width]
    centre = (width / 2 + index % 5 - 2, height / 2 + index % 3 - 1)
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (height * (0.2 + 0.02 * (index % 4))) ** 2


def photo(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return a noisy image with a bright object; no pixel of it is black."""
    rng = np.random.default_rng(index)
    image = rng.integers(20, 120, (height, width, 3), np.uint8)
    image[disc(index, width, height)] += 100
    return image


def write_photos(root: Path, per_class: int = 3, classes: tuple[str, ...] = CLASSES) -> Path:
    """Write ``ROOT/photos/CLASS/NNN.png`` and ``ROOT/masks/CLASS/NNN.npy``; return ``ROOT``."""
    for label, name in enumerate(classes):
        for number in range(per_class):
            index = label * per_class + number
            save_photo(root / "photos" / name / f"{number:03d}.png", photo(index))
            save_mask(root / "masks" / name / f"{number:03d}.npy", disc(index))
    return root


def save_photo(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def save_mask(path: Path, mask: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, mask)
    else:
        Image.fromarray(mask.astype(np.uint8)).save(path)
    return path


def contents(root: Path) -> dict[str, bytes]:
    """Return every file below a directory."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)
