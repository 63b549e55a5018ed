"""Masks in files: ``DIR/CLASS/ID.npy``, or pictures; which pixels of them are the object.

Every mask of the study is read here, a release's as a user's: the file says values
(``read_mask_values``), and one rule says which of them are the object (``MaskValues``).
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped
from PIL import Image

from wiseft_jax.backgrounds.build_items import Item, few, find_by_key
from wiseft_jax.backgrounds.mask_config import MaskOptions
from wiseft_jax.core.errors import InputError, missing_path
from wiseft_jax.data.files import IMAGE_SUFFIXES, is_hidden

logger = logging.getLogger(__name__)

SUFFIXES = frozenset({".npy", *IMAGE_SUFFIXES})
_VOID = 255
_SHOWN_VALUES = 6
_GREY_MODES = ("1", "L", "P", "I", "I;16")


class MaskError(ValueError):
    """A mask isn't fit; ``reason`` is one of ``build_image.REASONS``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class MaskValues:
    """Which values of a mask are the object, in arrays and in pictures alike.

    Unless it is said, a mask has two values at most: False or 0, which is the background, and any
    other; or it has fractions in [0, 1] (of a float type), of which those above 0.5 are the object.
    Of more values, those of a trimap or of a picture with smooth edges, none is taken by a guess.

    Attributes:
      foreground: Ranges of values that are the object, both ends included; empty: the rule above.
      instances: Each value is an object, but for 0 (background) and 255 (nothing).
    """

    foreground: tuple[tuple[int, int], ...] = ()
    instances: bool = False

    @classmethod
    def of(cls, options: MaskOptions) -> MaskValues:
        """Return what options say."""
        return cls(options.foreground_values(), options.mask_instances)

    def __call__(self, values: Shaped[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
        """Return where the object is.

        A mask is one object, of however many pieces, unless ``instances`` tells them apart.

        Raises:
          MaskError: Values that don't say what is the object; several objects.
        """
        if values.dtype.kind not in "buif":
            raise MaskError("mask_unreadable", f"expected numbers, found {values.dtype}")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise MaskError("mask_values", "has values that are no numbers (NaN or infinite)")
        if self.foreground:
            pairs = [(values >= low) & (values <= high) for low, high in self.foreground]
            return np.logical_or.reduce(pairs)
        if values.dtype == bool:
            return values
        there = np.unique(values)
        if self.instances:
            objects = [value for value in there if value not in (0, _VOID)]
            if len(objects) > 1:
                raise MaskError("several_objects", f"the mask tells {len(objects)} objects apart")
            return values == objects[0] if objects else np.zeros(values.shape, bool)
        if values.dtype.kind == "f" and there[0] >= 0 and there[-1] <= 1:
            return values > 0.5
        if len(there) > 2 or there[0] < 0 or (len(there) == 2 and there[0] != 0):
            shown = ", ".join(f"{value:g}" for value in there[:_SHOWN_VALUES])
            more = ", ..." if len(there) > _SHOWN_VALUES else ""
            raise MaskError(
                "mask_values",
                f"values {shown}{more}; expected two, of which the lower is 0: say which are the"
                " object (--mask-foreground of wiseft backgrounds build and show)",
            )
        return values > 0


def find_masks(root: Path, items: Sequence[Item], class_names: Sequence[str]) -> dict[int, Path]:
    """Return the mask of each image that has one.

    A mask is called as its image: ``ROOT/CLASS/ID``, the image's path below its own root, or
    ``ROOT/ID``, with ``.npy`` or the suffix of a picture. Masks that are nobody's are told.

    Args:
      root: The directory.
      items: The images.
      class_names: Their classes.

    Returns:
      Index of an image -> path.

    Raises:
      InputError: No such directory, no mask in it, none of any image, a folder that is spelt
        otherwise than its class, two masks for one image, or one for two.
    """
    if not root.is_dir():
        raise missing_path(root, "directory of masks")
    files: dict[str, Path] = {}
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(names):
            path = Path(folder, name)
            if is_hidden(name) or path.suffix.lower() not in SUFFIXES:
                continue
            key = path.relative_to(root).with_suffix("").as_posix()
            if key in files:
                raise InputError(f"{path}: {files[key].name} is there too; which is the mask?")
            files[key] = path
    if not files:
        raise InputError(f"{root}: no masks there; expected CLASS/ID.npy, or .png, or ID.npy")
    _check_folders(root, class_names)
    keys = find_by_key(files, items, f"{root}: mask")
    if not keys:
        raise InputError(
            f"{root}: none of its {len(files)} masks ({few(list(files))}) is called as one of the"
            f" {len(items)} images ({few([' or '.join(item.keys) for item in items])}); is --masks"
            " one folder too deep, or not deep enough?"
        )
    idle = sorted(files.keys() - set(keys.values()))
    if idle:
        logger.warning("%s: %d masks belong to no image: %s", root, len(idle), few(idle))
    return {index: files[key] for index, key in keys.items()}


def read_mask(
    path: Path, height: int, width: int, values: MaskValues = MaskValues()
) -> Bool[np.ndarray, "H W"]:
    """Return where the object of an image is: of a release's mask, or of any array or picture.

    Args:
      path: ``.npy``, or a picture.
      height: Of the image.
      width: Of the image.
      values: Which of its values are the object.

    Raises:
      InputError: It isn't there, can't be read, is of another size than the image, or its values
        don't say what is the object.
    """
    if not path.is_file():
        raise missing_path(path, "mask")
    try:
        plane = read_mask_values(path)
        if plane.shape != (height, width):
            raise InputError(
                f"{path}: expected a mask of {height} x {width} (rows x columns), as its image,"
                f" found {plane.shape[0]} x {plane.shape[1]}"
            )
        return values(plane)
    except MaskError as error:
        raise InputError(f"{path}: {error}") from None


def read_object_mask(
    path: Path, height: int, width: int, values: MaskValues = MaskValues()
) -> Bool[np.ndarray, "H W"]:
    """Return where the object of an image is, to be composed: neither nothing nor everything.

    Args:
      path: As ``read_mask``.
      height: Of the image.
      width: Of the image.
      values: Which of its values are the object.

    Raises:
      InputError: As ``read_mask``; or the mask is empty or full.
    """
    mask = read_mask(path, height, width, values)
    if mask.all() or not mask.any():
        kind = "full" if mask.all() else "empty"
        raise InputError(f"{path}: the mask is {kind}; expected an object and a background")
    return mask


def read_mask_values(path: Path) -> Shaped[np.ndarray, "H W"]:
    """Return the values of a mask as they are in the file; a palette's are its indices.

    Raises:
      MaskError: It can't be read, or isn't one plane of numbers.
    """
    try:
        if path.suffix.lower() == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            with Image.open(path) as image:
                found = _plane(image)
    except (OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, MaskError):
            raise
        raise MaskError("mask_unreadable", f"can't be read ({error})") from None
    return one_plane(found)


def one_plane(found: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "H W"]:
    """Return a mask without an axis of channels that say the same.

    Raises:
      MaskError: They don't, or it has no rows and columns.
    """
    if found.ndim == 3 and (found == found[..., :1]).all():
        found = found[..., 0]
    if found.ndim != 2 or not found.size:
        shape = " x ".join(map(str, found.shape)) or "a number"
        raise MaskError("mask_unreadable", f"expected one plane, rows x columns, found {shape}")
    return found


def _plane(image: Image.Image) -> np.ndarray:
    if image.mode in _GREY_MODES:
        return np.asarray(image)
    if image.mode == "LA":
        return np.asarray(image.getchannel("L"))
    return np.asarray(image.convert("RGB"))


def _check_folders(root: Path, class_names: Sequence[str]) -> None:
    folders = {entry.name for entry in root.iterdir() if entry.is_dir()}
    for found in sorted(folders - set(class_names)):
        for name in class_names:
            if name not in folders and _letters(name) == _letters(found):
                raise InputError(
                    f"{root / found}: expected the folder to be called {name!r}, as the class is"
                )


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())
