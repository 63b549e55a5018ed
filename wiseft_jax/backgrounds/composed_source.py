"""A variant composed while it is read, of originals, masks and Only-BG-T images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt8

from wiseft_jax.backgrounds.composition import COMPOSED, compose
from wiseft_jax.backgrounds.mask_files import read_object_mask
from wiseft_jax.backgrounds.missing import have_masks, heed_missing
from wiseft_jax.backgrounds.pairing import pair_backgrounds
from wiseft_jax.backgrounds.release import Release
from wiseft_jax.backgrounds.variants import variant_of
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_bytes, hash_json
from wiseft_jax.data.decode import decode_image
from wiseft_jax.data.source import Dataset, Source


class ComposedSource:
    """Images of a built directory on other backgrounds: one is in memory at a time.

    Args:
      release: Holds ``original``, the masks, and ``only_bg_t`` for the mixed variants.
      kind: Which variant; not one that is made from boxes.
      seed: Of the pairing of a mixed variant; another seed is another training set.

    Raises:
      InputError: A variant isn't there, or originals lack masks or Only-BG-T images; says how many
        (the policy is in ``backgrounds.missing``).
    """

    def __init__(self, release: Release, kind: str, seed: int = 0) -> None:
        variant = variant_of(kind)
        if kind not in COMPOSED:
            raise InputError(f"{release.root}: {kind} is made from boxes, so it can't be composed")
        original = release.dataset("original")
        self.original: Source = original.source
        self.name = kind
        self.class_names = release.class_names
        self.labels: Int[np.ndarray, " N"] = np.asarray(self.original.labels)
        self.ids: Sequence[str] = self.original.ids
        self._release = release
        self._seed = seed if variant.partner else None
        self._image_ids = release.image_ids(original)
        self._tiled: Source | None = None
        self._partners: Integer[np.ndarray, " N"] | None = None
        if kind != "original":
            there = have_masks(release, self._image_ids)
            heed_missing(release, self._image_ids, there, "mask", "refuse")
        if variant.partner:
            dataset, place = release.align("only_bg_t", self._image_ids)
            heed_missing(release, self._image_ids, place >= 0, "Only-BG-T image", "refuse")
            partners = pair_backgrounds(self.labels, kind, seed, num_classes=len(self.class_names))
            self._tiled, self._partners = dataset.source, place[partners]

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """Return the image, composed.

        Raises:
          InputError: A mask or a background is of another size than its image; a mask is empty or
            full, so that a variant would be another one.
        """
        image = _decoded(self.original, index)
        if self.name == "original":
            return image
        mask = self._mask(index, *image.shape[:2])
        background = None
        if self._tiled is not None and self._partners is not None:
            background = _decoded(self._tiled, int(self._partners[index]))
            if background.shape != image.shape:
                where = self._tiled.ids[int(self._partners[index])]
                raise InputError(
                    f"{where}: expected a background of {image.shape[1]} x {image.shape[0]}, as"
                    f" {self.ids[index]}, found {background.shape[1]} x {background.shape[0]};"
                    " build the images in one size"
                )
        return compose(image, mask, background, self.name)

    def fingerprint(self) -> str:
        """Return a hash of the files that it is made of, and of the pairing."""
        parts = [self.name, self._seed, self.original.fingerprint()]
        if self._tiled is not None:
            parts.append(self._tiled.fingerprint())
        if self.name != "original":
            stats = [self._release.mask_path(each).stat() for each in self._image_ids]
            text = "".join(f"{each.st_size}|{each.st_mtime_ns}\n" for each in stats)
            parts.append(hash_bytes(text.encode()))
        return hash_json(parts)

    def _mask(self, index: int, height: int, width: int) -> Bool[np.ndarray, "H W"]:
        return read_object_mask(self._release.mask_path(self._image_ids[index]), height, width)


def composed_dataset(release: Release, kind: str, seed: int = 0) -> Dataset:
    """Return a variant of a built directory, composed while it is read; see ``ComposedSource``."""
    source = ComposedSource(release, kind, seed)
    return Dataset(kind, source, source.labels, class_names=source.class_names)


def _decoded(source: Source, index: int) -> UInt8[np.ndarray, "H W 3"]:
    found = source.read(index)
    return np.asarray(decode_image(found, source.ids[index]))
