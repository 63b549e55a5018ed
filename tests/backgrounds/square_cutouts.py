"""Small cut-outs and a model whose answers are exact: what the attack's tests are made of."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.predictor import Predictor
from wiseft_jax.backgrounds.tiling import box_of_mask, tile_background
from wiseft_jax.core.preprocess import Preprocess

SIDE = 8
CLASS_NAMES = ("00_ant", "01_big bee", "02_cat")


def make_cutouts(count: int = 13, seed: int = 0, side: int = SIDE) -> MaskedImages:
    """Return images of noise; objects are squares off the middle."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, side, side, 3), np.uint8)
    masks = np.zeros((count, side, side), bool)
    for index in range(count):
        start = 1 + index % 3
        masks[index, start : start + side // 2, 2 : 2 + side // 2] = True
    boxes = np.asarray([box_of_mask(mask) for mask in masks])
    tiled = [tile_background(each, box.tolist()) for each, box in zip(images, boxes, strict=True)]
    labels = (np.arange(count) * 2 % len(CLASS_NAMES)).astype(np.int32)
    ids = tuple(f"{CLASS_NAMES[label]}/n{index:02d}" for index, label in enumerate(labels))
    return MaskedImages(images, masks, np.stack(tiled), boxes, labels, CLASS_NAMES, ids, "noise")


def make_predictor(seed: int = 0, side: int = SIDE, **changes: Any) -> Predictor:
    """Return a linear model of whole numbers: float32 adds them up exactly, in any order."""
    weights = np.random.default_rng(seed).integers(-3, 4, (side * side * 3, len(CLASS_NAMES)))

    def logits(params: Any, images: Any) -> Any:
        return images.reshape(len(images), -1).astype(jnp.float32) @ params["weights"]

    made = Predictor(
        name="linear",
        protocol="arg max of 3 logits",
        weights=f"drawn with seed {seed}",
        class_names=CLASS_NAMES,
        preprocess=Preprocess(size=side, resize=side),
        logits=logits,
        params={"weights": weights.astype(np.float32)},
    )
    return dataclasses.replace(made, **changes)


def answers_one_by_one(images: MaskedImages, weights: np.ndarray) -> np.ndarray:
    """Return int[F, B] of ``make_predictor``'s model, by a loop over pairs in whole numbers."""
    found = np.zeros((len(images), len(images)), int)
    for front in range(len(images)):
        for back in range(len(images)):
            pixels = images.tiled[back].astype(int).copy()
            inside = images.masks[front]
            pixels[inside] = images.images[front][inside]
            found[front, back] = int((pixels.ravel() @ weights.astype(int)).argmax())
    return found
