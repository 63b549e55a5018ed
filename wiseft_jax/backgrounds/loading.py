"""A release's images, masks and backgrounds, read a few at a time, to compose mixed ones of."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt8

from wiseft_jax.backgrounds.composition import compose
from wiseft_jax.backgrounds.mask_files import read_object_mask
from wiseft_jax.backgrounds.missing import have_masks, heed_missing
from wiseft_jax.backgrounds.pairing import pair_backgrounds
from wiseft_jax.backgrounds.release import Release
from wiseft_jax.backgrounds.variants import MASKS_FOLDER
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.source import Dataset, evenly

_THREADS = 8
NEEDED = ("original", "only_bg_t")


def even_choice(labels: Integer[np.ndarray, " N"], limit: int | None) -> Int[np.ndarray, " M"]:
    """Return which images a limit leaves: as many of each class as can be, evenly spaced.

    Nothing is drawn: the same images for the same limit. Small classes give all that they have, and
    the others more.

    Args:
      labels: Of all images.
      limit: How many at most; None for all.

    Returns:
      int64[M], rising.

    Raises:
      InputError: If the limit is below 1.
    """
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    if limit < 1:
        raise InputError(f"--limit: expected at least 1, found {limit}")
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    shares = np.zeros(len(members), np.int64)
    while (left := limit - int(shares.sum())) > 0:
        open_ = [at for at, each in enumerate(members) if shares[at] < len(each)]
        for at in open_[:left]:
            shares[at] += 1
    kept = [
        each[evenly(len(each), int(share))] for each, share in zip(members, shares, strict=True)
    ]
    return np.sort(np.concatenate(kept))


def what_lacks(release: Release) -> str | None:
    """Return why mixed variants can't be composed of a release, or None where they can."""
    missing = [name for name in NEEDED if name not in release.variants]
    if not (release.root / MASKS_FOLDER / release.split).is_dir():
        missing.append(f"{MASKS_FOLDER}/{release.split}")
    return f"there is no {', no '.join(missing)}" if missing else None


def read_images(
    dataset: Dataset, positions: Integer[np.ndarray, " N"]
) -> UInt8[np.ndarray, "N H W 3"]:
    """Return images of a dataset, decoded in threads.

    Raises:
      InputError: One can't be read, or is of another size than the first.
    """
    from wiseft_jax.data.pipeline import load_image  # loads JAX

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(lambda at: np.asarray(load_image(dataset, int(at))), positions))
    for at, image in zip(positions, found, strict=True):
        if image.shape != found[0].shape:
            raise InputError(
                f"{dataset.id(int(at))}: {image.shape[1]} x {image.shape[0]} pixels; expected"
                f" {found[0].shape[1]} x {found[0].shape[0]}, as {dataset.id(int(positions[0]))}"
            )
    return np.stack(found) if found else np.zeros((0, 1, 1, 3), np.uint8)


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedRelease:
    """The originals of a release, of which mixed variants are composed a batch at a time.

    Attributes:
      release: Where.
      originals: All of them.
      image_ids: ``CLASS/ID`` of each.
      backgrounds: The Only-BG-T images.
      place: Which of ``backgrounds`` is each original's, int64[N]; -1 for none.
      whole: Which originals have a mask and an Only-BG-T image, bool[N]; the others aren't
        composed, and lend no backgrounds.
    """

    release: Release
    originals: Dataset
    image_ids: list[str]
    backgrounds: Dataset
    place: Int[np.ndarray, " N"]
    whole: Bool[np.ndarray, " N"]

    def partners(self, kind: str, seed: int) -> Int[np.ndarray, " N"]:
        """Return whose background each original gets, drawn over the whole set; -1 for none.

        Args:
          kind: A mixed variant.
          seed: Of the pairing; see ``pair_backgrounds``.
        """
        there = np.flatnonzero(self.whole)
        classes = len(self.release.class_names)
        drawn = pair_backgrounds(self.originals.labels[there], kind, seed, num_classes=classes)
        found = np.full(len(self.whole), -1, np.int64)
        found[there] = there[drawn]
        return found

    def read_masks(
        self, positions: Integer[np.ndarray, " B"], height: int, width: int
    ) -> Bool[np.ndarray, "B H W"]:
        """Read the masks of some originals.

        Args:
          positions: Among the originals, of those that are ``whole``.
          height: Of their images.
          width: Of their images.

        Raises:
          InputError: A mask doesn't fit its image, is empty or full.
        """
        return np.stack(
            [
                read_object_mask(self.release.mask_path(self.image_ids[at]), height, width)
                for at in positions
            ]
        )

    def compose(
        self,
        images: UInt8[np.ndarray, "B H W 3"],
        masks: Bool[np.ndarray, "B H W"],
        partners: Integer[np.ndarray, " B"],
        kind: str,
    ) -> UInt8[np.ndarray, "B H W 3"]:
        """Return foregrounds on the backgrounds of their partners, which are read here.

        Args:
          images: Originals.
          masks: Theirs.
          partners: Whose background each gets: positions among the originals.
          kind: A mixed variant.

        Raises:
          InputError: Backgrounds are of another size.
        """
        tiled = read_images(self.backgrounds, self.place[partners])
        if tiled.shape != images.shape:
            raise InputError(
                f"{self.release.root}: only_bg_t's images are {tiled.shape[2]} x {tiled.shape[1]},"
                f" the originals {images.shape[2]} x {images.shape[1]}"
            )
        return compose(images, masks, tiled, kind)


def open_masked(release: Release) -> MaskedRelease:
    """Find the masks and Only-BG-T images of a release's originals by name; reads no image.

    Originals that lack one are counted in a warning, and left out (``backgrounds.missing``).

    Args:
      release: Where.

    Raises:
      InputError: A folder is missing, or no original has both.
    """
    lacks = what_lacks(release)
    if lacks:
        raise InputError(f"{release.root}: {lacks}; originals, Only-BG-T and masks are needed")
    originals = release.dataset("original")
    image_ids = release.image_ids(originals)
    backgrounds, place = release.align("only_bg_t", image_ids)
    masked = have_masks(release, image_ids)
    heed_missing(release, image_ids, masked, "mask", "leave_out")
    heed_missing(release, image_ids, place >= 0, "Only-BG-T image", "leave_out")
    whole = masked & (place >= 0)
    if not whole.any():
        raise InputError(f"{release.root}: no original has both a mask and an Only-BG-T image")
    return MaskedRelease(release, originals, image_ids, backgrounds, place, whole)
