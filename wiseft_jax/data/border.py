"""The red border that ObjectNet's authors put around each image, and copies that lack it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer, UInt8

from wiseft_jax.data.decode import BadImageError, decode_image
from wiseft_jax.data.files import FileSource

LOOKED_AT = 8
"""Of how many images the loader looks at the border."""

_LEAST_RED, _MOST_OTHER = 128, 100  # a JPEG of it is still red, less purely
_SHARE = 0.9


def has_red_border(image: UInt8[np.ndarray, "H W 3"]) -> bool:
    """Return whether the outermost pixels of an image are red."""
    ring = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    red = (ring[:, 0] >= _LEAST_RED) & (ring[:, 1:] <= _MOST_OTHER).all(axis=1)
    return bool(red.mean() >= _SHARE)


def without_border(source: FileSource, indices: Integer[np.ndarray, "M"]) -> list[str]:
    """Return which of some images have no red border; one that can't be decoded isn't among them.

    Args:
      source: The images.
      indices: Which ones to look at.
    """
    bare = []
    for index in map(int, indices):
        path = source.ids[index]
        try:
            image = decode_image(source.read(index), path)
        except (BadImageError, OSError):
            continue  # said where all are verified
        if not has_red_border(np.asarray(image)):
            bare.append(path)
    return bare
