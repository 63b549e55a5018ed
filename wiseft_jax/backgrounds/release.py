"""The folder layout of the published test set: ``ROOT/VARIANT/SPLIT/CLASS/FILE``.

Masks lie in ``ROOT/fg_mask/SPLIT/CLASS/ID.npy``. Classes are folders in sorted order, spaces and
all. What belongs together is found by name. Every file is called as its original, but for a mixed
image's, which may be called ``fg_ID_bg_ID``, as published: only the foreground's id is read, for
the background's is wrong in the published ``mixed_rand`` (it is that of ``mixed_next``).

Source: MadryLab/backgrounds_challenge: ``challenge_eval.py`` (a mask and its original are called
alike) and issue 8 (the names of ``mixed_rand``).
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
from jaxtyping import Int

from wiseft_jax.backgrounds.in9 import IN9_CLASSES
from wiseft_jax.backgrounds.variants import MASKS_FOLDER, VARIANTS, variant_of
from wiseft_jax.core.errors import InputError, few, missing_path
from wiseft_jax.data.folder import open_source
from wiseft_jax.data.source import Dataset
from wiseft_jax.data.specs import SourceOptions, Spec

logger = logging.getLogger(__name__)

_SHOWN = 3
_FOREGROUND, _BACKGROUND = "fg_", "_bg_"


@dataclasses.dataclass(frozen=True)
class Release:
    """A directory in the published layout.

    Attributes:
      root: The directory.
      split: ``val`` in the published test set.
      class_names: Folder names, sorted.
      variants: Those that have this split, in the order of ``VARIANTS``.
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
                f" (split {self.split})"
            )
        spec = Spec("folder", str(self.root / kind / self.split), "", kind)
        source = open_source(spec, SourceOptions())
        if source.class_names != self.class_names:
            raise InputError(
                f"{spec.path}: expected the classes of {self.variants[0]}"
                f" ({few(self.class_names, _SHOWN)}), found {few(source.class_names, _SHOWN)}"
            )
        return Dataset(kind, source, source.labels, class_names=self.class_names)

    def mask_path(self, image_id: str) -> Path:
        """Return where the mask of an image lies.

        Args:
          image_id: ``CLASS/ID``, as ``image_ids`` gives it.
        """
        return self.root / MASKS_FOLDER / self.split / f"{image_id}.npy"

    def image_ids(self, dataset: Dataset) -> list[str]:
        """Return ``CLASS/STEM`` of each image's file, in the dataset's order.

        Raises:
          InputError: Two files of a class have the same stem.
        """
        found: dict[str, str] = {}
        for file, label in zip(dataset.source.ids, dataset.source.labels, strict=True):
            image_id = f"{self.class_names[label]}/{Path(file).stem}"
            if image_id in found:
                raise InputError(
                    f"{file}: {found[image_id]} is called {image_id} too, so what belongs to either"
                    " can't be told; expected one file of that name, whatever its suffix"
                )
            found[image_id] = file
        return list(found)

    def align(self, kind: str, image_ids: list[str]) -> tuple[Dataset, Int[np.ndarray, " N"]]:
        """Return a variant, and which of its images is each of ``image_ids``; -1 for none.

        Images that belong to none of them, and further images of one that has its image already
        (the first in the order of files is taken), are counted and named in a warning.

        Args:
          kind: The variant.
          image_ids: ``CLASS/ID`` of originals.

        Raises:
          InputError: As ``dataset`` and ``image_ids``.
        """
        dataset, mixed = self.dataset(kind), variant_of(kind).partner
        place = {image_id: index for index, image_id in enumerate(image_ids)}
        found = np.full(len(image_ids), -1, np.int64)
        strangers, further = [], []
        for index, named in enumerate(self.image_ids(dataset)):
            image_id = _original_of(named, place, mixed=mixed)
            if image_id is None:
                strangers.append(dataset.source.ids[index])
            elif found[place[image_id]] >= 0:
                further.append(dataset.source.ids[index])
            else:
                found[place[image_id]] = index
        self._warn(strangers, f"of {kind} belong to no original")
        self._warn(further, f"of {kind} are of originals that have one already, and aren't taken")
        return dataset, found

    def _warn(self, files: list[str], what: str) -> None:
        if files:
            names = few(tuple(Path(file).name for file in files), _SHOWN)
            logger.warning("%s: %d images %s: %s", self.root, len(files), what, names)


def open_release(root: Path | str, split: str = "val") -> Release:
    """Open a directory in the published layout.

    Args:
      root: Holds a folder for each variant; the release's ``bg_challenge``, or what ``wiseft
        backgrounds build`` wrote.
      split: The folder below each variant.

    Raises:
      InputError: Nothing is there, no variant is, there is one class only, or folders are named
        otherwise; says which.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise missing_path(root, "folder", "Expected the release's folder, with original/val/...")
    there = {entry.name for entry in root.iterdir() if entry.is_dir()}
    known = tuple(name for name in VARIANTS if name in there)
    if not known:
        raise InputError(
            f"{root}: expected folders {', '.join(VARIANTS)}; found"
            f" {few(sorted(there), _SHOWN) or 'no folder'}; wiseft backgrounds build makes them of"
            " images with masks or boxes"
        )
    _check_spelling(root, there)
    variants = tuple(name for name in known if (root / name / split).is_dir())
    if not variants:
        first = root / known[0] / split
        raise missing_path(first, "folder", f"Expected {known[0]}/{split}/CLASS/FILE.")
    first = root / variants[0] / split
    spec = Spec("folder", str(first), "", variants[0])
    class_names = open_source(spec, SourceOptions()).class_names
    if len(class_names) < 2:
        raise InputError(
            f"{first}: expected folders of two classes at least, found"
            f" {few(class_names, _SHOWN)}: of one"
            " class every answer is right"
        )
    _check_in9(root, class_names)
    return Release(root, split, class_names, variants)


def _original_of(image_id: str, known: Collection[str], *, mixed: bool) -> str | None:
    """Return which original an image is of: what it is called as, or what a mixed one names first.

    An id that has ``_bg_`` in it may be told in two ways from the background's; where both are
    there, neither is meant for certain.
    """
    if image_id in known:
        return image_id
    folder, stem = image_id.rsplit("/", 1)
    if not mixed or not stem.startswith(_FOREGROUND):
        return None
    parts = stem.removeprefix(_FOREGROUND).split(_BACKGROUND)
    named = [f"{folder}/{_BACKGROUND.join(parts[:count])}" for count in range(1, len(parts))]
    there = [each for each in named if each in known]
    return there[0] if len(there) == 1 else None


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
