"""One image: look whether it is fit, cut it, write what it becomes; runs in worker processes."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from wiseft_jax.backgrounds.box_files import Corners, whole_pixels
from wiseft_jax.backgrounds.build_config import BuildConfig
from wiseft_jax.backgrounds.build_crop import Crop
from wiseft_jax.backgrounds.composition import compose
from wiseft_jax.backgrounds.mask_files import (
    MaskError,
    MaskValues,
    one_plane,
    read_mask,
    read_mask_values,
)
from wiseft_jax.backgrounds.segment import SegmentationError, grab_cut
from wiseft_jax.backgrounds.tiling import Box, blacken_box, box_of_mask, tile_background
from wiseft_jax.backgrounds.variants import MASKS_FOLDER
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.writers import write_bytes
from wiseft_jax.data.decode import BadImageError, decode_image

REASONS: dict[str, str] = {
    "no_label": "the image has no class",
    "image_unreadable": "the image can't be read",
    "mask_missing": "there is no mask for it",
    "mask_unreadable": "the mask can't be read",
    "mask_size": "the mask is of another size than the image",
    "mask_values": "the mask's values don't say what is the object",
    "mask_empty": "the mask is empty",
    "mask_full": "the mask is full",
    "box_missing": "there is no box for it",
    "box_empty": "the box is empty",
    "box_outside": "the box reaches out of the image",
    "box_covers_image": "the box is as wide and high as the image",
    "box_too_large": "the box is too large a share of the image",
    "several_objects": "it has more than one object",
    "cropped_away": "the crop keeps too little of the box",
    "segmentation_failed": "GrabCut found no mask",
    "class_too_small": "its class has too few images left",
}
"""Why an image may be rejected."""

BOX_VARIANTS = ("original", "only_bg_b", "only_bg_t")
MASK_VARIANTS = ("no_fg", "only_fg")
MIXED_VARIANTS = ("mixed_same", "mixed_rand", "mixed_next")


class Rejected(Exception):  # noqa: N818  (it is not an error)
    """An image isn't fit."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclasses.dataclass(frozen=True)
class ImageTask:
    """What a worker needs to make an image's own variants.

    Attributes:
      index: In the source.
      image_id: ``CLASS/ID``.
      where: What a person calls it.
      image: Its file, its encoded bytes, or its pixels.
      mask: Its mask's file, or the mask's values; None where there is none.
      boxes: Its boxes.
      looked_for: Where there is neither: which were looked for, and where.
    """

    index: int
    image_id: str
    where: str
    image: Path | bytes | np.ndarray
    mask: Path | np.ndarray | None = None
    boxes: tuple[Corners, ...] = ()
    looked_for: str = ""


@dataclasses.dataclass(frozen=True)
class ImageMaker:
    """Makes images' own variants and masks; called in worker processes.

    Attributes:
      config: How.
      out: The release's root.
    """

    config: BuildConfig
    out: Path

    def __call__(self, task: ImageTask) -> dict[str, Any]:
        """Write the files of an image and return its row; a rejected one's says why."""
        row = {"index": task.index, "id": task.image_id, "source": task.where}
        try:
            return row | self._make(task)
        except Rejected as rejected:
            return row | {"reason": rejected.reason, "detail": rejected.detail}

    def _make(self, task: ImageTask) -> dict[str, Any]:
        if not task.image_id:
            raise Rejected("no_label")
        try:
            data = task.image.read_bytes() if isinstance(task.image, Path) else task.image
            picture = decode_image(data, task.where)
        except BadImageError as error:
            raise Rejected("image_unreadable", error.reason) from None
        except OSError as error:  # gone, no permission, a link to itself, ...
            raise Rejected("image_unreadable", error.strerror or str(error)) from None
        crop = Crop(picture.width, picture.height, self.config.size)
        if self.config.masks is not None:
            cut, box = self._by_mask(task, crop)
            image = crop.image(picture)
        else:
            box = self._by_box(task, crop)
            image = crop.image(picture)
            cut = self._segmented(image, box) if self.config.has_masks else None
        arrays = {
            "original": image,
            "only_bg_b": blacken_box(image, box),
            "only_bg_t": tile_background(image, box),
        }
        files = {name: (f"{task.image_id}.png", to_png(each)) for name, each in arrays.items()}
        if cut is not None:
            for name in MASK_VARIANTS:
                files[name] = (f"{task.image_id}.png", to_png(compose(image, cut, None, name)))
            files[MASKS_FOLDER] = (f"{task.image_id}.npy", to_npy(cut))
        digests = {}
        for name, (file, data) in files.items():
            write_bytes(self.out / name / self.config.split / file, data)
            digests[name] = hashlib.sha256(data).hexdigest()
        return {"box": list(box), "sha256": digests}

    def _by_mask(self, task: ImageTask, crop: Crop) -> tuple[Bool[np.ndarray, "S S"], Box]:
        """Return the crop of the mask, and the box around it."""
        if task.mask is None:
            raise Rejected("mask_missing", task.looked_for)
        values = MaskValues.of(self.config)
        try:
            found = task.mask
            plane = read_mask_values(found) if isinstance(found, Path) else one_plane(found)
            if plane.shape != (crop.height, crop.width):
                raise MaskError(
                    "mask_size",
                    f"the mask is {plane.shape[1]} x {plane.shape[0]} (wide x high), the upright"
                    f" image {crop.width} x {crop.height}",
                )
            mask = values(plane)
        except MaskError as error:
            raise Rejected(error.reason, str(error)) from None
        _check_mask(mask, "")
        self._check_box(box_of_mask(mask), crop)
        cut = crop.mask(mask)
        _check_mask(cut, "after resizing and cropping")
        box = box_of_mask(cut)
        self._check_share(box, crop.size, crop.size, "of the crop")
        return cut, box

    def _by_box(self, task: ImageTask, crop: Crop) -> Box:
        """Return the crop of the only box."""
        if not task.boxes:
            raise Rejected("box_missing", task.looked_for)
        corners, *others = task.boxes
        if others:
            raise Rejected("several_objects", f"{len(task.boxes)} boxes")
        box = whole_pixels(corners, crop.width, crop.height)
        x0, y0, x1, y1 = box
        if x0 >= x1 or y0 >= y1:
            raise Rejected("box_empty", f"{list(corners)}: expected x0 < x1 and y0 < y1")
        if x0 < 0 or y0 < 0 or x1 > crop.width or y1 > crop.height:
            size = f"{crop.width} x {crop.height}"
            raise Rejected("box_outside", f"{list(corners)}; the upright image is {size}")
        inside = self._check_box(box, crop)
        self._check_share(inside, crop.size, crop.size, "of the crop")
        return inside

    def _check_box(self, box: Box, crop: Crop) -> Box:
        self._check_share(box, crop.width, crop.height, "of the image")
        inside, kept = crop.box(box)
        if kept < self.config.min_kept:
            least = self.config.min_kept
            raise Rejected("cropped_away", f"{kept:.3f} of the box is left, least {least:g}")
        return inside

    def _check_share(self, box: Box, width: int, height: int, of: str) -> None:
        x0, y0, x1, y1 = box
        if (x1 - x0, y1 - y0) == (width, height):
            raise Rejected("box_covers_image", f"{width} x {height} {of}")
        share = (x1 - x0) * (y1 - y0) / (width * height)
        if share > self.config.max_box:
            raise Rejected("box_too_large", f"{share:.3f} {of}, most {self.config.max_box:g}")

    def _segmented(self, image: UInt8[np.ndarray, "S S 3"], box: Box) -> Bool[np.ndarray, "S S"]:
        try:
            return grab_cut(image, box)
        except SegmentationError as error:
            raise Rejected("segmentation_failed", str(error)) from None


@dataclasses.dataclass(frozen=True)
class MixedMaker:
    """Puts an image on the backgrounds that were chosen for it; called in worker processes.

    Attributes:
      out: The release's root; what ``ImageMaker`` writes is there.
      split: The folder below each variant.
    """

    out: Path
    split: str

    def __call__(self, pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Write the mixed variants of one image and return their rows, hashes added.

        Args:
          pairs: Rows with ``fg``, ``bg`` (``CLASS/ID``) and ``kind``.
        """
        image_id = pairs[0]["fg"]
        image = self._read("original", image_id)
        mask = read_mask(self.out / MASKS_FOLDER / self.split / f"{image_id}.npy", *image.shape[:2])
        done = []
        for pair in pairs:
            partner = self._read("only_bg_t", pair["bg"])
            data = to_png(compose(image, mask, partner, pair["kind"]))
            write_bytes(self.out / pair["kind"] / self.split / f"{image_id}.png", data)
            done.append(pair | {"sha256": hashlib.sha256(data).hexdigest()})
        return done

    def _read(self, variant: str, image_id: str) -> UInt8[np.ndarray, "S S 3"]:
        path = self.out / variant / self.split / f"{image_id}.png"
        try:
            return np.asarray(decode_image(path.read_bytes(), str(path)))
        except (BadImageError, OSError) as error:
            raise InputError(
                f"{path}: was written by this build and can't be read any more ({error}); remove it"
                " and call again"
            ) from None


def to_png(image: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Return an image as PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def to_npy(mask: Bool[np.ndarray, "H W"]) -> bytes:
    """Return a mask as ``.npy``."""
    file = io.BytesIO()
    np.save(file, mask, allow_pickle=False)
    return file.getvalue()


def _check_mask(mask: Bool[np.ndarray, "H W"], when: str) -> None:
    if not mask.any():
        raise Rejected("mask_empty", when)
    if mask.all():
        raise Rejected("mask_full", when)
