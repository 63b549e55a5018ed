"""The foregrounds and backgrounds that are put together, read a few at a time."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt8

from wiseft_jax.backgrounds.attack_config import AttackConfig
from wiseft_jax.backgrounds.feeding import fed_image, fed_mask
from wiseft_jax.backgrounds.mask_files import read_mask
from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.release import Release
from wiseft_jax.backgrounds.variants import MASKS_FOLDER
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_arrays, hash_json
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.data.decode import decode_image, open_image
from wiseft_jax.data.source import Source

logger = logging.getLogger(__name__)

_THREADS = 8
_SHOWN = 3

Reader = Callable[[int], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Side:
    """The foregrounds, or the backgrounds, in the order of the matrix.

    Attributes:
      ids: One an image.
      labels: int32[N]; a background's is its folder's.
      places: Which images of the whole they are: what the readers take.
      available: How many images the whole has.
    """

    ids: tuple[str, ...]
    labels: Int[np.ndarray, " N"]
    places: Int[np.ndarray, " N"]
    available: int

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def whole(cls, ids: Sequence[str], labels: Integer[np.ndarray, " N"]) -> Side:
        """Return all images in their order."""
        count = len(ids)
        return cls(tuple(ids), np.asarray(labels, np.int32), np.arange(count), count)

    def subset(self, order: Integer[np.ndarray, " M"]) -> Side:
        """Return some of the images, in any order."""
        ids = tuple(self.ids[index] for index in order)
        return dataclasses.replace(
            self, ids=ids, labels=self.labels[order], places=self.places[order]
        )


@dataclasses.dataclass(frozen=True, eq=False)
class AttackImages:
    """What a matrix is of.

    Attributes:
      name: In tables.
      class_names: In the order of labels.
      foregrounds: The rows.
      backgrounds: The columns, Only-BG-T images.
      fingerprint: Changes when an image, a mask or a label of the whole does.
      image: Reads an original, uint8[H, W, 3], by its place.
      mask: Reads its mask, bool[H, W], or raises ``InputError``.
      tiled: Reads an Only-BG-T image.
      rejected: ``"id: reason"`` of foregrounds that were left out.
    """

    name: str
    class_names: tuple[str, ...]
    foregrounds: Side
    backgrounds: Side
    fingerprint: str
    image: Reader
    mask: Reader
    tiled: Reader
    rejected: tuple[str, ...] = ()

    def sampled(self, config: AttackConfig, preprocess: Preprocess) -> AttackImages:
        """Return the images that are tried: drawn, without those whose masks can't be used.

        Backgrounds come class after class in turn, so that few of them are of every class. A mask
        is looked at as it is, and once more as the model gets it: resizing may lose a small object,
        cropping one at the edge.

        Args:
          config: How many of each, and the draw's seed.
          preprocess: The model's.

        Raises:
          InputError: If there are fewer images than are asked for, or no foreground is left.
        """
        front, back = self.foregrounds, self.backgrounds
        rows = stratified_sample(front.labels, config.foregrounds, config.seed, "foregrounds")
        columns = stratified_sample(back.labels, config.backgrounds, config.seed, "backgrounds")
        columns = columns[in_turn(back.labels[columns])]
        chosen = front.subset(np.sort(rows))
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            fault_of = functools.partial(self._fault, preprocess)
            faults = list(pool.map(fault_of, chosen.places.tolist()))
        rejected = tuple(
            f"{each}: {fault}" for each, fault in zip(chosen.ids, faults, strict=True) if fault
        )
        if rejected:
            logger.warning(
                "%s: %d of %d foregrounds are left out: %s",
                *(self.name, len(rejected), len(chosen), "; ".join(rejected[:_SHOWN])),
            )
        kept = np.flatnonzero([not fault for fault in faults])
        if not len(kept):
            raise InputError(f"{self.name}: no foreground has a usable mask; {rejected[0]}")
        return dataclasses.replace(
            self,
            foregrounds=chosen.subset(kept),
            backgrounds=back.subset(columns),
            rejected=rejected,
        )

    def _fault(self, preprocess: Preprocess, place: int) -> str:
        try:
            mask = self.mask(place)
        except InputError as error:
            return str(error)
        size = preprocess.size
        return _mask_fault(mask) or _mask_fault(
            prepare(mask, preprocess),
            f", resized and cropped to the model's {size} x {size} pixels",
        )

    def read_foregrounds(
        self, rows: Sequence[int], preprocess: Preprocess
    ) -> tuple[UInt8[np.ndarray, "R S S 3"], Bool[np.ndarray, "R S S"]]:
        """Read foregrounds and their masks, prepared for a model.

        Args:
          rows: Of the matrix.
          preprocess: The model's; images of its size are as they are, others are resized and
            cropped, masks alike (``fed_mask``).
        """
        places = [int(self.foregrounds.places[row]) for row in rows]
        images = _read_all(lambda place: prepare(self.image(place), preprocess), places)
        masks = _read_all(lambda place: prepare(self.mask(place), preprocess), places)
        return np.stack(images), np.stack(masks)

    def read_backgrounds(
        self, columns: Sequence[int], preprocess: Preprocess
    ) -> UInt8[np.ndarray, "C S S 3"]:
        """Read backgrounds, prepared for a model; see ``read_foregrounds``.

        Args:
          columns: Of the matrix.
          preprocess: The model's.
        """
        places = [int(self.backgrounds.places[column]) for column in columns]
        return np.stack(_read_all(lambda place: prepare(self.tiled(place), preprocess), places))

    def warn_of_size(self, preprocess: Preprocess) -> None:
        """Log where images aren't of the model's size, and so are resized before composing.

        Args:
          preprocess: The model's.
        """
        height, width = self.image(int(self.foregrounds.places[0])).shape[:2]
        if (height, width) != (preprocess.size, preprocess.size):
            logger.warning(
                "%s: its images (the first is %d x %d) aren't of the model's size, %d x %d:"
                " foregrounds, masks and backgrounds are resized, then put together",
                *(self.name, width, height, preprocess.size, preprocess.size),
            )

    def identity(self) -> dict[str, Any]:
        """Return what tells these images from others."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "class_names": list(self.class_names),
            "foreground_ids": hash_json(self.foregrounds.ids),
            "background_ids": hash_json(self.backgrounds.ids),
        }


def images_in_memory(images: MaskedImages) -> AttackImages:
    """Return images that are in memory, every foreground and every background."""
    arrays = {field: getattr(images, field) for field in ("images", "masks", "tiled", "labels")}
    side = Side.whole(images.ids, images.labels)
    return AttackImages(
        name=images.name,
        class_names=images.class_names,
        foregrounds=side,
        backgrounds=side,
        fingerprint=hash_json([hash_arrays(arrays), images.class_names, images.ids]),
        image=images.images.__getitem__,
        mask=images.masks.__getitem__,
        tiled=images.tiled.__getitem__,
    )


def images_of_release(release: Release) -> AttackImages:
    """Return the images of a release; a file is read when its turn comes, none stays in memory.

    A foreground without a mask is left out when its turn comes, and counted among ``rejected``; so
    is one whose mask doesn't fit (the policy is in ``backgrounds.missing``).

    Raises:
      InputError: If originals, Only-BG-T images or masks aren't there.
    """
    original, background_set = release.dataset("original"), release.dataset("only_bg_t")
    originals, tiled = original.source, background_set.source
    masks = release.root / MASKS_FOLDER / release.split
    if not masks.is_dir():
        raise InputError(
            f"{masks}: no such folder; an attack needs masks: build with --masks or --segment"
            " grabcut"
        )
    ids = release.image_ids(original)
    paths = [release.mask_path(each) for each in ids]
    stamps = [(path.stat().st_size, path.stat().st_mtime_ns) for path in paths if path.is_file()]

    def image(place: int) -> np.ndarray:
        return np.asarray(decode_image(originals.read(place), originals.ids[place]))

    def mask(place: int) -> np.ndarray:
        width, height = _size(originals, place)
        return read_mask(paths[place], height, width)

    def background(place: int) -> np.ndarray:
        return np.asarray(decode_image(tiled.read(place), tiled.ids[place]))

    return AttackImages(
        name=release.root.name,
        class_names=release.class_names,
        foregrounds=Side.whole(ids, originals.labels),
        backgrounds=Side.whole(release.image_ids(background_set), tiled.labels),
        fingerprint=hash_json([originals.fingerprint(), tiled.fingerprint(), stamps]),
        image=image,
        mask=mask,
        tiled=background,
    )


def stratified_sample(
    labels: Integer[np.ndarray, " N"], count: int | None, seed: int, name: str
) -> Int[np.ndarray, " M"]:
    """Draw positions, from each class as many as its share; None draws all.

    Shares are Sainte-Lague's: the k-th image of a class of n comes by its (2 k - 1) / n. They are
    off the exact ones by less than an image or so, and grow with ``count``, as those of largest
    remainders needn't: a larger draw of the same seed has all of a smaller one.

    Args:
      labels: Class of each.
      count: How many.
      seed: Of the draw.
      name: Of what, for the random stream and the message.

    Raises:
      InputError: If there aren't so many.
    """
    if count is None:
        return np.arange(len(labels))
    if count > len(labels):
        raise InputError(f"--{name}: expected at most {len(labels)}, found {count}")
    classes, sizes = np.unique(labels, return_counts=True)
    turns = np.concatenate([(2 * np.arange(size) + 1) / size for size in sizes])
    first = np.argsort(turns, kind="stable")[:count]
    quota = np.bincount(np.repeat(np.arange(len(sizes)), sizes)[first], minlength=len(sizes))
    drawn = [
        numpy_stream(seed, f"backgrounds attack/{name}", int(label)).permutation(
            np.flatnonzero(labels == label)
        )[:taken]
        for label, taken in zip(classes, quota, strict=True)
    ]
    return np.concatenate(drawn)


def in_turn(labels: Integer[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Return an order in which every class has its first before any has its second."""
    rank = np.zeros(len(labels), int)
    for label in np.unique(labels):
        of_class = labels == label
        rank[of_class] = np.arange(of_class.sum())
    return np.lexsort((labels, rank))


def prepare(pixels: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """Return an image, or a mask, of the model's size; one that has it is returned as it is.

    Args:
      pixels: uint8[H, W, 3], or bool[H, W], a mask; see ``fed_image`` and ``fed_mask``.
      preprocess: The model's.
    """
    if pixels.dtype == bool:
        return fed_mask(pixels, preprocess)
    return fed_image(pixels, preprocess)


def _mask_fault(mask: Bool[np.ndarray, "H W"], when: str = "") -> str:
    if not mask.any():
        return f"its mask is empty{when}"
    return f"its mask covers the whole image{when}" if mask.all() else ""


def _read_all(read: Reader, places: Sequence[int]) -> list[np.ndarray]:
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(read, places))


def _size(source: Source, place: int) -> tuple[int, int]:
    data = source.read(place)
    assert isinstance(data, bytes)
    return open_image(data, source.ids[place]).size
