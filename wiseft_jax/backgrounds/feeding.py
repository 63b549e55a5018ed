"""What a model is fed: images of its size as they are, others prepared by its own preprocessing."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.tiling import box_of_mask
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.transforms import eval_transform

_INSIDE = 128


def fed_image(
    image: UInt8[np.ndarray, "H W 3"], preprocess: Preprocess
) -> UInt8[np.ndarray, "S S 3"]:
    """Return an image as a model takes it.

    One of the model's size is fed as it is, whatever its preprocessing does before its crop: the
    published test set is 224 x 224, and is fed without resizing.

    Args:
      image: The image.
      preprocess: The model's.
    """
    if image.shape[:2] == (preprocess.size, preprocess.size):
        return image
    return eval_transform(preprocess)(Image.fromarray(image))


def fed_images(
    images: UInt8[np.ndarray, "N H W 3"], preprocess: Preprocess
) -> UInt8[np.ndarray, "N S S 3"]:
    """Return images of one size as a model takes them; see ``fed_image``."""
    size = preprocess.size
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([fed_image(image, preprocess) for image in images])


def how_fed(height: int, width: int, preprocess: Preprocess) -> str:
    """Return in words what ``fed_image`` does to images of a size."""
    size, resize = preprocess.size, preprocess.resize
    if (height, width) == (size, size):
        return f"fed without resizing ({size} x {size})"
    crop = "" if resize == size and height == width else f", {size} x {size} cropped"
    shorter = f"{width} x {height} resized to {resize}"
    return f"{shorter} ({preprocess.interpolation}){crop}"


def fit_masked(images: MaskedImages, preprocess: Preprocess) -> MaskedImages:
    """Return images, masks and backgrounds as a model takes them, to be composed at its size.

    Images of the model's size are returned as they are. Boxes of others are those of their masks.

    Args:
      images: Of any one size.
      preprocess: The model's.

    Raises:
      InputError: An object is too small to be seen at the model's size, or lies outside its crop.
    """
    size = preprocess.size
    if images.images.shape[1:3] == (size, size):
        return images
    masks = np.stack([fed_mask(mask, preprocess) for mask in images.masks])
    gone = [name for name, mask in zip(images.ids, masks, strict=True) if not mask.any()]
    if gone:
        raise InputError(
            f"{images.name}: of {len(gone)} images nothing of the object is left at {size} x"
            f" {size} pixels, for example {gone[0]}; leave them out, or take a larger model"
        )
    return dataclasses.replace(
        images,
        images=fed_images(images.images, preprocess),
        masks=masks,
        tiled=fed_images(images.tiled, preprocess),
        boxes=np.asarray([box_of_mask(mask) for mask in masks]),
    )


def fed_mask(
    mask: Bool[np.ndarray, "H W"],
    preprocess: Preprocess,
    interpolation: Literal["bilinear", "nearest"] = "bilinear",
) -> Bool[np.ndarray, "S S"]:
    """Return a mask at a model's size, resized and cropped as its image is by ``fed_image``.

    Args:
      mask: True where the object is.
      preprocess: The model's.
      interpolation: Between pixels; half and more is inside.
    """
    if mask.shape == (preprocess.size, preprocess.size):
        return mask
    grey = np.repeat(np.where(mask, 255, 0).astype(np.uint8)[..., None], 3, axis=-1)
    resized = dataclasses.replace(preprocess, interpolation=interpolation)
    return fed_image(grey, resized)[..., 0] >= _INSIDE
