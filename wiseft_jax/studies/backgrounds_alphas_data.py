"""The images of the study along alpha: variants aligned by foreground, and their classes."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from wiseft_jax.backgrounds.attack_images import (
    AttackImages,
    Side,
    images_in_memory,
    images_of_release,
)
from wiseft_jax.backgrounds.class_folders import class_key
from wiseft_jax.backgrounds.composed_source import composed_dataset
from wiseft_jax.backgrounds.loading import even_choice
from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.release import Release, open_release
from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_json
from wiseft_jax.data.matching import describe_unmatched
from wiseft_jax.data.source import Dataset
from wiseft_jax.studies.backgrounds_alphas_config import REQUIRED

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class AlphasData:
    """What is asked about: image i of every set is of the same foreground.

    Attributes:
      name: In tables.
      class_names: In the order of labels.
      sets: Name -> images. A mixed variant's are named ``mixed_rand/0``, by the pairing's seed.
      attack: Foregrounds, masks and Only-BG-T images, all that there are.
      attack_of: Which of ``attack``'s foregrounds each image is, int64[N].
    """

    name: str
    class_names: tuple[str, ...]
    sets: dict[str, Dataset]
    attack: AttackImages
    attack_of: Int[np.ndarray, " N"]

    @property
    def seeds(self) -> int:
        """How many pairings there are."""
        return sum(name.startswith("mixed_rand/") for name in self.sets)

    def fingerprint(self) -> str:
        """Return what changes when an image, a mask or a label does."""
        sets = {name: each.fingerprint() for name, each in self.sets.items()}
        return hash_json([sets, self.attack.identity(), self.class_names])

    def fitted(self, class_names: Sequence[str]) -> AlphasData:
        """Return the same with labels that count a classifier's classes.

        Classes are matched by name, with or without the folders' numbers, in any order.

        Args:
          class_names: The classifier's.

        Raises:
          InputError: The classifier has other classes; names those that it lacks.
        """
        keys, wanted = (
            [class_key(each) for each in names] for names in (class_names, self.class_names)
        )
        if sorted(keys) != sorted(wanted) or len(set(keys)) != len(keys):
            missing = [name for name in self.class_names if class_key(name) not in keys]
            lacks = f" It lacks:{describe_unmatched(missing, class_names)}" if missing else ""
            raise InputError(
                f"{self.name}: the run has {len(class_names)} classes, these images"
                f" {len(self.class_names)}; expected the same ones.{lacks}"
            )
        order = np.asarray([keys.index(key) for key in wanted], np.int32)
        names = tuple(class_names)
        sets = {
            name: dataclasses.replace(each, labels=order[each.labels], class_names=names)
            for name, each in self.sets.items()
        }
        sides = {
            field: _relabelled(getattr(self.attack, field), order)
            for field in ("foregrounds", "backgrounds")
        }
        attack = dataclasses.replace(self.attack, class_names=names, **sides)
        return dataclasses.replace(self, class_names=names, sets=sets, attack=attack)


def alphas_data_of_masked(images: MaskedImages, seeds: int, limit: int | None = None) -> AlphasData:
    """Return the study's images of images in memory, composed.

    Args:
      images: The images.
      seeds: How many pairings of each mixed variant.
      limit: At most so many images, evenly of each class; backgrounds are drawn among all.
    """
    chosen = even_choice(images.labels, limit)
    sets = {}
    for kind, variant in VARIANTS.items():
        for seed in range(seeds if variant.partner else 1):
            name = f"{kind}/{seed}" if variant.partner else kind
            dataset = images.dataset(kind, seed).subset(chosen)
            sets[name] = dataclasses.replace(dataset, name=name)
    return AlphasData(images.name, images.class_names, sets, images_in_memory(images), chosen)


def alphas_data_of_release(
    root: Path, split: str, seeds: int | None = None, limit: int | None = None
) -> AlphasData:
    """Return the study's images of a directory in the published layout.

    Args:
      root: Holds ``VARIANT/SPLIT/CLASS/FILE``, and masks.
      split: The folder below each variant.
      seeds: Compose so many pairings of each mixed variant; None takes the one in its files.
      limit: At most so many images, evenly of each class.

    Raises:
      InputError: A variant that is needed isn't there, or no image is in all of them.
    """
    release = open_release(root, split)
    _check_variants(release, composed=seeds is not None)
    attack = images_of_release(release)
    image_ids = list(attack.foregrounds.ids)
    found: dict[str, tuple[Dataset, np.ndarray]] = {}
    for kind in VARIANTS if seeds is None else (*REQUIRED, "mixed_next"):
        if VARIANTS[kind].partner and seeds is not None:
            for seed in range(seeds):
                composed = composed_dataset(release, kind, seed)
                found[f"{kind}/{seed}"] = composed, np.arange(len(image_ids))
        elif kind in release.variants:
            name = f"{kind}/0" if VARIANTS[kind].partner else kind
            found[name] = release.align(kind, image_ids)
    places = np.stack([place for _, place in found.values()])
    kept = np.flatnonzero((places >= 0).all(0))
    if not len(kept):
        raise InputError(f"{root}: no original has an image of each of {', '.join(found)}")
    if len(kept) < len(image_ids):
        lacking = [name for name, (_, place) in found.items() if (place < 0).any()]
        logger.warning(
            "%s: %d of %d originals are left out: they lack images of %s",
            *(root, len(image_ids) - len(kept), len(image_ids), ", ".join(lacking)),
        )
    chosen = kept[even_choice(attack.foregrounds.labels[kept], limit)]
    sets = {
        name: dataclasses.replace(dataset.subset(place[chosen]), name=name)
        for name, (dataset, place) in found.items()
    }
    return AlphasData(f"{root.name} {split}", release.class_names, sets, attack, chosen)


def _check_variants(release: Release, *, composed: bool) -> None:
    needed = ("original", "only_bg_t") if composed else REQUIRED
    missing = [name for name in needed if name not in release.variants]
    if missing:
        made = "" if composed else "; mixed ones can be composed: --pairing new"
        raise InputError(
            f"{release.root}: expected the variants {', '.join(needed)}; it lacks"
            f" {', '.join(missing)}{made}"
        )


def _relabelled(side: Side, order: Int[np.ndarray, " K"]) -> Side:
    return dataclasses.replace(side, labels=order[side.labels])
