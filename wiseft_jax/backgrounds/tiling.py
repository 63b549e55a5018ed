"""Only-BG-T and Only-BG-B: what is left of an image without the box around its object.

A box is ``(x0, y0, x1, y1)`` in pixels, half-open: columns ``x0 <= x < x1``, rows ``y0 <= y < y1``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, UInt8

from wiseft_jax.core.errors import InputError

Box: TypeAlias = tuple[int, int, int, int]


def check_box(box_xyxy: Sequence[float], height: int, width: int) -> Box:
    """Return the box as integers, if it lies in the image and leaves something of it.

    Args:
      box_xyxy: ``(x0, y0, x1, y1)``, half-open, in whole pixels.
      height: Rows of the image.
      width: Columns of the image.

    Raises:
      InputError: Four whole numbers weren't given, the box is empty, reaches out of the image, or
        covers all of it.
    """
    given = list(box_xyxy)
    if len(given) != 4 or any(int(value) != value for value in given):
        raise InputError(f"a box: expected four whole numbers x0, y0, x1, y1, found {given}")
    x0, y0, x1, y1 = (int(value) for value in given)
    if x0 >= x1 or y0 >= y1:
        raise InputError(
            f"box {given}: is empty; expected x0 < x1 and y0 < y1 (x to the right, y down)"
        )
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        raise InputError(f"box {given}: reaches out of the image, which is {width} x {height}")
    if (x1 - x0, y1 - y0) == (width, height):
        raise InputError(
            f"box {given}: covers the whole image ({width} x {height}), so there is no background"
        )
    return x0, y0, x1, y1


def box_of_mask(mask: Bool[np.ndarray, "H W"]) -> Box:
    """Return the smallest box around the true pixels.

    Raises:
      InputError: If the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise InputError("a mask: expected an object, found no true pixel")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def largest_strip(height: int, width: int, box_xyxy: Sequence[int]) -> Box:
    """Return the largest of the four strips beside a box: top, bottom, left, right.

    Each goes from border to border. Of equal ones the first in this order is taken.

    Args:
      height: Rows of the image.
      width: Columns of the image.
      box_xyxy: The box.

    Returns:
      The strip, as a box.

    Raises:
      InputError: As ``check_box``.
    """
    x0, y0, x1, y1 = check_box(box_xyxy, height, width)
    strips = (
        (0, 0, width, y0),
        (0, y1, width, height),
        (0, 0, x0, height),
        (x1, 0, width, height),
    )
    return max(strips, key=lambda strip: (strip[2] - strip[0]) * (strip[3] - strip[1]))


def tile_background(
    image: UInt8[np.ndarray, "H W 3"], box_xyxy: Sequence[int]
) -> UInt8[np.ndarray, "H W 3"]:
    """Return Only-BG-T: the box filled with the largest strip of background beside it.

    The strip is tiled over the whole image from the image's origin, and what falls into the box is
    taken. No pixel of the box is read; outside of it the image is as it was.

    Args:
      image: The image.
      box_xyxy: The box around the object, ``(x0, y0, x1, y1)``, half-open.

    Raises:
      InputError: As ``check_box``; a box as large as the image leaves nothing to tile.

    Source: Xiao et al. 2020 (arXiv 2006.09994), appendix A.

    Example:
      >>> only_bg_t = tile_background(image, (60, 40, 180, 200))
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = check_box(box_xyxy, height, width)
    left, top, right, bottom = largest_strip(height, width, box_xyxy)
    rows = top + np.arange(y0, y1) % (bottom - top)
    columns = left + np.arange(x0, x1) % (right - left)
    tiled = image.copy()
    tiled[y0:y1, x0:x1] = image[rows[:, None], columns[None]]
    return tiled


def blacken_box(
    image: UInt8[np.ndarray, "H W 3"], box_xyxy: Sequence[int]
) -> UInt8[np.ndarray, "H W 3"]:
    """Return Only-BG-B: the box black.

    Args:
      image: The image.
      box_xyxy: The box around the object, ``(x0, y0, x1, y1)``, half-open.

    Raises:
      InputError: As ``check_box``.
    """
    x0, y0, x1, y1 = check_box(box_xyxy, *image.shape[:2])
    blackened = image.copy()
    blackened[y0:y1, x0:x1] = 0
    return blackened
