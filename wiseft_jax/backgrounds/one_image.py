"""The eight variants of one image, and what a model answers to each: the paper's first figure."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from wiseft_jax.backgrounds.composition import compose
from wiseft_jax.backgrounds.feeding import fed_image
from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9, NOT_IN_IN9
from wiseft_jax.backgrounds.predictor import Predictor
from wiseft_jax.backgrounds.release import Release
from wiseft_jax.backgrounds.tiling import blacken_box, box_of_mask, check_box, tile_background
from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError, missing_path
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.softmax import softmax
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.pipeline import load_image

logger = logging.getLogger(__name__)

OUTSIDE = "not in ImageNet-9"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model says to a picture.

    Attributes:
      predicted: The class, or ``OUTSIDE``.
      score: Probability of what the model chose, among its own classes.
      right: Whether it is the image's class.
    """

    predicted: str
    score: float
    right: bool


def image_variants(
    image: UInt8[np.ndarray, "H W 3"],
    mask: Bool[np.ndarray, "H W"],
    partners: Mapping[str, UInt8[np.ndarray, "H W 3"]],
    box_xyxy: Sequence[int] | None = None,
) -> dict[str, UInt8[np.ndarray, "H W 3"]]:
    """Return the variants of one image; a mixed one for each partner that is given.

    Args:
      image: The image.
      mask: True where the object is.
      partners: ``mixed_same``, ``mixed_rand``, ``mixed_next`` -> an Only-BG-T image.
      box_xyxy: The box around the object; the mask's own by default.

    Raises:
      InputError: The mask is of another size, empty or full; the box leaves the image, or covers it
        all; the object sticks out of it.
    """
    height, width = image.shape[:2]
    if mask.shape != (height, width):
        raise InputError(
            f"the mask is {mask.shape[1]} x {mask.shape[0]} pixels, the image {width} x {height};"
            " expected the same"
        )
    if mask.all() or not mask.any():
        raise InputError(
            f"the mask is {'full' if mask.all() else 'empty'}; expected an object and a background"
        )
    own = box_of_mask(mask)
    box = own if box_xyxy is None else check_box(box_xyxy, height, width)
    if box[0] > own[0] or box[1] > own[1] or box[2] < own[2] or box[3] < own[3]:
        raise InputError(f"box {list(box)}: the object, in {list(own)}, sticks out of it")
    made = {"only_bg_b": blacken_box(image, box), "only_bg_t": tile_background(image, box)}
    for kind, variant in VARIANTS.items():
        if kind in made or (variant.partner and kind not in partners):
            continue
        made[kind] = compose(image, mask, partners.get(kind), kind)
    return {kind: made[kind] for kind in VARIANTS if kind in made}


def answers_to(
    predictor: Predictor, pictures: Sequence[UInt8[np.ndarray, "H W 3"]], label: int
) -> list[Answer]:
    """Return what a model says to pictures of one class.

    Args:
      predictor: The model.
      pictures: Of any size; prepared here.
      label: Their class.
    """
    fed = np.stack([fed_image(each, predictor.preprocess) for each in pictures])
    logits = np.asarray(jax.jit(predictor.logits)(predictor.placed, fed), np.float64)
    shares = softmax(logits)
    best = logits.argmax(axis=1)
    found = IMAGENET_TO_IN9[best] if predictor.thousand else best
    names = predictor.class_names
    return [
        Answer(
            OUTSIDE if answer == NOT_IN_IN9 else names[answer],
            float(share[place]),
            bool(answer == label),
        )
        for answer, place, share in zip(found.tolist(), best, shares, strict=True)
    ]


def read_picture(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """Read an image file.

    Raises:
      InputError: It isn't there, or can't be read.
    """
    if not path.is_file():
        raise missing_path(path, "image")
    return np.asarray(decode_image(path.read_bytes(), str(path)))


def sized_partners(
    partners: Mapping[str, tuple[str, UInt8[np.ndarray, "_ _ 3"]]], height: int, width: int
) -> dict[str, UInt8[np.ndarray, "H W 3"]]:
    """Return backgrounds of an image's size; one line says which had another.

    Args:
      partners: Mixed variant -> name and image.
      height: Of the image.
      width: Of the image.

    Returns:
      Mixed variant -> image.
    """
    found, resized, stretched = {}, {}, False
    for kind, (name, image) in partners.items():
        rows, columns = image.shape[:2]
        if (rows, columns) != (height, width):
            resized[name] = f"{name} ({columns} x {rows})"
            stretched |= rows * width != columns * height
            picture = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
            found[kind] = np.asarray(picture)
        else:
            found[kind] = image
    if resized:
        how = ", which changes their proportions" if stretched else ""
        logger.info(
            "backgrounds are resized to the image's %d x %d%s: %s",
            *(width, height, how, ", ".join(resized.values())),
        )
    return found


def release_partners(
    release: Release, label: int, image_id: str, seed: int
) -> dict[str, tuple[str, UInt8[np.ndarray, "H W 3"]]]:
    """Draw the Only-BG-T images that an image is put on: mixed variant -> name and image.

    Args:
      release: Has ``only_bg_t``.
      label: The image's class.
      image_id: The image's ``CLASS/STEM``, which is never its own Mixed-Same partner.
      seed: Of the draws.

    Raises:
      InputError: The release has no Only-BG-T images, or none of a class that is needed.
    """
    dataset = release.dataset("only_bg_t")
    ids = np.asarray(release.image_ids(dataset))
    rng = numpy_stream(seed, "backgrounds show")
    count = len(release.class_names)
    classes = {
        "mixed_same": label,
        "mixed_rand": int(rng.integers(count)),
        "mixed_next": (label + 1) % count,
    }
    found = {}
    for kind, wanted in classes.items():
        members = np.flatnonzero((dataset.labels == wanted) & (ids != image_id))
        if not len(members):
            raise InputError(
                f"{release.root}: {kind} needs an Only-BG-T image of"
                f" {release.class_names[wanted]!r} other than {image_id}, found none"
            )
        at = int(rng.choice(members))
        found[kind] = (str(ids[at]), np.asarray(load_image(dataset, at)))
    return found
