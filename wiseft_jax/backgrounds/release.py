"""The folder layout of the published test set: ``ROOT/VARIANT/SPLIT/CLASS/FILE``.

Masks lie in ``ROOT/fg_mask/SPLIT/CLASS/ID.npy``. Classes are folders in sorted order, spaces and
all. What belongs together is found by name: a mixed image's file may carry its background's id as
well (which is wrong in the published ``mixed_rand``, and never read).
"""

from __future__ import annotations

import dataclasses
import logging
import re
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from wiseft_jax.backgrounds.in9 import IN9_CLASSES
from wiseft_jax.backgrounds.variants import MASKS_FOLDER, VARIANTS, variant_of
from wiseft_jax.core.errors import InputError, missing_path
from wiseft_jax.data.folder import open_source
from wiseft_jax.data.source import Dataset
from wiseft_jax.data.specs import SourceOptions, Spec

logger = logging.getLogger(__name__)

_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Release:
    """A directory in the published layout.

    Attributes:
      root: The directory.
      split: ``val`` in the published test set.
      class_names: Folder names, sorted.
      variants: Those that are there, in the order of ``VARIANTS``.
    """

    root: Path
    split: str
    class_names: tuple[str, ...]
    variants: tuple[str, ...]

    def dataset(self, kind: str) -> Dataset:
        """Return the images of a variant that is there, named by the variant.

        Raises:
          InputError: If it isn't there, or its classes are others.
        """
        variant_of(kind)
        if kind not in self.variants:
            raise InputError(
                f"{self.root}: has no variant {kind!r}; it has {', '.join(self.variants)}"
            )
        spec = Spec("folder", str(self.root / kind / self.split), "", kind)
        source = open_source(spec, SourceOptions())
        if source.class_names != self.class_names:
            raise InputError(
                f"{spec.path}: expected the classes of {self.variants[0]}"
                f" ({_few(self.class_names)}), found {_few(source.class_names)}"
            )
        return Dataset(kind, source, source.labels, class_names=self.class_names)

    def mask_path(self, image_id: str) -> Path:
        """Return where the mask of an image lies.

        Args:
          image_id: ``CLASS/ID``, as ``image_ids`` gives it.
        """
        return self.root / MASKS_FOLDER / self.split / f"{image_id}.npy"

    def image_ids(self, dataset: Dataset) -> list[str]:
        """Return ``CLASS/STEM`` of each image's file, in the dataset's order."""
        files = zip(dataset.source.ids, dataset.source.labels, strict=True)
        return [f"{self.class_names[label]}/{Path(file).stem}" for file, label in files]

    def align(self, kind: str, image_ids: list[str]) -> tuple[Dataset, Int[np.ndarray, " N"]]:
        """Return a variant, and which of its images is each of ``image_ids``; -1 for none.

        Args:
          kind: The variant.
          image_ids: ``CLASS/ID`` of originals.
        """
        dataset = self.dataset(kind)
        place = {image_id: index for index, image_id in enumerate(image_ids)}
        found = np.full(len(image_ids), -1, np.int64)
        strangers = []
        for index, named in enumerate(self.image_ids(dataset)):
            image_id = _known_id(named, place)
            if image_id is None:
                strangers.append(dataset.source.ids[index])
            else:
                found[place[image_id]] = index
        if strangers:
            logger.warning(
                "%s: %d images of %s belong to no original: %s",
                self.root,
                len(strangers),
                kind,
                ", ".join(Path(file).name for file in strangers[:_SHOWN]),
            )
        return dataset, found


def open_release(root: Path | str, split: str = "val") -> Release:
    """Open a directory in the published layout.

    Args:
      root: Holds a folder for each variant; the release's ``bg_challenge``, or what ``wiseft
        backgrounds build`` wrote.
      split: The folder below each variant.

    Raises:
      InputError: Nothing is there, no variant is, or folders are named otherwise; says which.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise missing_path(root, "folder", "Expected the release's folder, with original/val/...")
    there = {entry.name for entry in root.iterdir() if entry.is_dir()}
    variants = tuple(name for name in VARIANTS if name in there)
    if not variants:
        raise InputError(
            f"{root}: expected folders {', '.join(VARIANTS)}; found"
            f" {_few(tuple(sorted(there))) or 'no folder'}"
        )
    _check_spelling(root, there)
    first = root / variants[0] / split
    if not first.is_dir():
        raise missing_path(first, "folder", f"Expected {variants[0]}/{split}/CLASS/FILE.")
    spec = Spec("folder", str(first), "", variants[0])
    class_names = open_source(spec, SourceOptions()).class_names
    _check_in9(root, class_names)
    return Release(root, split, class_names, variants)


def read_mask(path: Path, height: int, width: int) -> Bool[np.ndarray, "H W"]:
    """Read a mask ``.npy``: booleans, or numbers of which those above 0 (floats: 0.5) are inside.

    Raises:
      InputError: It isn't there, isn't an array, or is of another size than the image.
    """
    if not path.is_file():
        raise missing_path(path, "mask")
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not an array that can be read ({error})") from None
    if found.ndim == 3 and found.shape[-1] in (1, 3):
        found = found[..., 0]
    if found.shape != (height, width):
        raise InputError(
            f"{path}: expected a mask of {height} x {width} (rows x columns), as its image, found"
            f" {' x '.join(map(str, found.shape))}"
        )
    if found.dtype.kind not in "buif":
        raise InputError(f"{path}: expected booleans or numbers, found {found.dtype}")
    return found > (0.5 if found.dtype.kind == "f" else 0)


def _known_id(image_id: str, known: dict[str, int]) -> str | None:
    """Return the original's id that a file's name begins with."""
    if image_id in known:
        return image_id
    folder, stem = image_id.rsplit("/", 1)
    match = re.match(r"fg_(.+?)_bg_.+$", stem)
    if match and f"{folder}/{match[1]}" in known:
        return f"{folder}/{match[1]}"
    parts = stem.split("_")
    for count in range(len(parts) - 1, 0, -1):
        shorter = f"{folder}/{'_'.join(parts[:count])}"
        if shorter in known:
            return shorter
    return None


def _check_spelling(root: Path, there: set[str]) -> None:
    folded = {name: re.sub(r"[^a-z]", "", name.lower()) for name in (*VARIANTS, MASKS_FOLDER)}
    for found in sorted(there - set(folded)):
        for name, letters in folded.items():
            if name not in there and re.sub(r"[^a-z]", "", found.lower()) == letters:
                raise InputError(f"{root / found}: expected the folder to be called {name!r}")


def _check_in9(root: Path, class_names: tuple[str, ...]) -> None:
    """Refuse ImageNet-9's folders with other spelling: their order would still fit by luck."""
    folded = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in class_names]
    official = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in IN9_CLASSES]
    if folded == official and class_names != IN9_CLASSES:
        wrong = next(
            pair for pair in zip(class_names, IN9_CLASSES, strict=True) if pair[0] != pair[1]
        )
        raise InputError(f"{root}: folder {wrong[0]!r}: expected {wrong[1]!r}, as published")


def _few(names: tuple[str, ...]) -> str:
    more = f", ...; {len(names)} in all" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
