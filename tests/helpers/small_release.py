"""A few noisy images in memory and in the published layout, and a model whose answers are exact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from PIL import Image

from wiseft_jax.backgrounds.in9 import IN9_CLASSES
from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.predictor import Predictor
from wiseft_jax.backgrounds.tiling import box_of_mask, tile_background
from wiseft_jax.backgrounds.variants import VARIANTS, variant_of
from wiseft_jax.core.preprocess import Preprocess

SIDE = 8
CLASSES = ("00_dog", "01_musical box", "02_fish")
BOX = (1, 2, 5, 6)


def small_images(per_class: int = 2, class_names: tuple[str, ...] = IN9_CLASSES) -> MaskedImages:
    """Noise, with square objects off the middle."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(class_names)), per_class).astype(np.int32)
    count = len(labels)
    images = random.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    masks = np.zeros((count, SIDE, SIDE), bool)
    for index in range(count):
        start = 1 + index % 3
        masks[index, start : start + 3, 2:6] = True
    boxes = np.asarray([box_of_mask(mask) for mask in masks])
    tiled = [tile_background(each, box.tolist()) for each, box in zip(images, boxes, strict=True)]
    ids = tuple(f"{class_names[label]}/n{index:02d}" for index, label in enumerate(labels))
    return MaskedImages(images, masks, np.stack(tiled), boxes, labels, class_names, ids, "noise")


def masked_images(per_class: int = 3) -> MaskedImages:
    """Noise of three classes, with squares of one place for objects."""
    random = np.random.default_rng(0)
    count = per_class * len(CLASSES)
    images = random.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    masks = np.zeros((count, SIDE, SIDE), bool)
    masks[:, BOX[1] : BOX[3], BOX[0] : BOX[2]] = True
    tiled = np.stack([tile_background(each, BOX) for each in images])
    labels = np.repeat(np.arange(len(CLASSES)), per_class)
    ids = tuple(f"{CLASSES[label]}/{index:02d}" for index, label in enumerate(labels))
    boxes = np.tile(np.asarray(BOX), (count, 1))
    return MaskedImages(images, masks, tiled, boxes, labels, CLASSES, ids)


def write_release(
    root: Path,
    images: MaskedImages,
    split: str = "val",
    kinds: Sequence[str] = tuple(VARIANTS),
    *,
    published_names: bool = False,
) -> Path:
    """Write variants as PNG, and the masks, in the published layout; return ``root``.

    Args:
      root: The release.
      images: What it holds; mixed ones are of the pairing of seed 0.
      split: The folder below each variant.
      kinds: Which variants.
      published_names: Whether a mixed file carries its background's id as well, and a wrong one.
    """
    stems = [each.split("/")[-1] for each in images.ids]
    folders = [images.class_names[label] for label in images.labels]
    for kind in kinds:
        both = published_names and variant_of(kind).partner
        for index, picture in enumerate(images.variant(kind, 0)):
            name = f"fg_{stems[index]}_bg_n{98 - index:02d}" if both else stems[index]
            path = root / kind / split / folders[index] / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    for mask, folder, stem in zip(images.masks, folders, stems, strict=True):
        path = root / "fg_mask" / split / folder / f"{stem}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, mask)
    return root


def write_small_release(root: Path, images: MaskedImages) -> Path:
    """Write all eight variants and the masks, mixed files named as published."""
    return write_release(root, images, published_names=True)


def linear_predictor(seed: int = 0, classes: int = len(IN9_CLASSES), **changes: Any) -> Predictor:
    """A linear model of whole numbers: float32 adds them up exactly, in any order."""
    weights = np.random.default_rng(seed).integers(-3, 4, (SIDE * SIDE * 3, classes))

    def logits(params: Any, images: Any) -> Any:
        return jnp.matmul(images.reshape(len(images), -1).astype(jnp.float32), params)

    fields: dict[str, Any] = {
        "name": f"linear {seed}",
        "protocol": f"{classes} classes",
        "weights": f"drawn with seed {seed}",
        "class_names": IN9_CLASSES,
        "preprocess": Preprocess(size=SIDE, resize=SIDE),
        "logits": logits,
        "params": weights.astype(np.float32),
    }
    return Predictor(**fields | changes)


def linear_answers(predictor: Predictor, pictures: np.ndarray) -> np.ndarray:
    """Return what ``linear_predictor`` answers, in whole numbers."""
    flat = pictures.reshape(len(pictures), -1).astype(np.int64)
    return (flat @ predictor.params.astype(np.int64)).argmax(axis=1)
