"""What a model is fed: images of its size as they are, others prepared by its own preprocessing."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from wiseft_jax.backgrounds.composed_source import ComposedSource
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.decode import open_image
from wiseft_jax.data.source import ArraySource, Dataset, Source
from wiseft_jax.data.transforms import eval_transform

_THREADS = 8
FEEDING_RULE = "images of the model's size as they are, others by its preprocessing"
"""What results that are gone on with have to agree on."""


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


def preprocess_of(dataset: Dataset, preprocess: Preprocess) -> Preprocess:
    """Return a preprocessing that gives a set's images to a model as ``fed_image`` does.

    For what reads images by the evaluation's own pipeline: of images of the model's size nothing is
    resized, so that nothing is cropped. The header of every file is read.

    Args:
      dataset: All of the model's size, or none.
      preprocess: The model's.

    Raises:
      InputError: Some images are of the model's size, and some aren't: one preprocessing would feed
        one of both otherwise than ``fed_image``. Names one of each.
    """
    side = preprocess.size
    fits = np.asarray([size == (side, side) for size in _sizes(dataset)], bool)
    if not fits.any():
        return preprocess
    if not fits.all():
        one, other = (dataset.id(int(np.argmax(fits == each))) for each in (True, False))
        raise InputError(
            f"{dataset.name}: {fits.sum()} of {len(fits)} images are of the model's {side} x {side}"
            f" pixels ({one}), the others aren't ({other}); expected one size: build them in one"
        )
    return dataclasses.replace(preprocess, resize=side)


def feeding_facts(preprocess: Preprocess) -> dict[str, object]:
    """Return what identifies how images are fed, as JSON reads it back: the rule, its numbers."""
    facts = {"rule": FEEDING_RULE, **dataclasses.asdict(preprocess)}
    return json.loads(json.dumps(facts))


def how_fed(height: int, width: int, preprocess: Preprocess) -> str:
    """Return in words what ``fed_image`` does to images of a size."""
    size, resize = preprocess.size, preprocess.resize
    if (height, width) == (size, size):
        return f"fed without resizing ({size} x {size})"
    crop = "" if resize == size and height == width else f", {size} x {size} cropped"
    shorter = f"{width} x {height} resized to {resize}"
    return f"{shorter} ({preprocess.interpolation}){crop}"


def fed_mask(mask: Bool[np.ndarray, "H W"], preprocess: Preprocess) -> Bool[np.ndarray, "S S"]:
    """Return a mask at a model's size, resized and cropped as its image is by ``fed_image``.

    The one rule by which the study resizes a mask: each pixel is the nearest of the mask's, however
    the image is interpolated. A mask has nothing between inside and outside, so no threshold has to
    decide on it; enlarged by a whole number, it covers what its object covers. An object thinner
    than a pixel may be lost; who composes has to look (``AttackImages.sampled``, a build).

    Args:
      mask: True where the object is.
      preprocess: The model's.

    Source: the script that the paper's authors submitted with it resizes what it cuts out, and its
    masks, with Pillow's ``NEAREST`` (rabbit-abacus/roleofimagebackgrounds, ``main.py``).
    """
    if mask.shape == (preprocess.size, preprocess.size):
        return mask
    grey = Image.fromarray(mask.astype(np.uint8)).convert("RGB")
    nearest = dataclasses.replace(preprocess, interpolation="nearest")
    return eval_transform(nearest)(grey)[..., 0] > 0


def _sizes(dataset: Dataset) -> list[tuple[int, int]]:
    """Return width and height of each image; composed ones have their originals'."""
    source = dataset.source
    if isinstance(source, ComposedSource):
        source = source.original
    if isinstance(source, ArraySource):
        return [source.images.shape[2:0:-1]] * len(dataset)
    places = [dataset.source_index(position) for position in range(len(dataset))]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda place: _size(source, place), places))


def _size(source: Source, place: int) -> tuple[int, int]:
    data = source.read(place)
    if isinstance(data, np.ndarray):
        return data.shape[1], data.shape[0]
    return open_image(data, source.ids[place]).size  # of a square, upright or not
