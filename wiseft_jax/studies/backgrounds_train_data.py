"""The images of the train-on x test-on study: of the miniature, or of a built directory."""

from __future__ import annotations

import dataclasses
import functools
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiseft_jax.backgrounds.class_folders import spoken_names
from wiseft_jax.backgrounds.loading import even_choice
from wiseft_jax.backgrounds.release import Release, open_release
from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.overlap import warn_of_overlap
from wiseft_jax.data.source import Dataset
from wiseft_jax.studies.backgrounds_train_config import Pairing

logger = logging.getLogger(__name__)

TEST_SEED = 0
"""Of the pairing of composed test images."""


@dataclasses.dataclass(frozen=True)
class MatrixData:
    """What is trained and tested on.

    Attributes:
      class_names: Folder names, in the order of labels.
      train: ``(variant, seed) -> images``.
      tests: Variant -> images, in the order of the originals where those are there.
      extras: Name -> further training sets.
      paired: Whether image i of each test set is of the same foreground.
    """

    class_names: tuple[str, ...]
    train: Callable[[str, int], Dataset]
    tests: Mapping[str, Dataset]
    extras: Mapping[str, Dataset]
    paired: bool

    @property
    def words(self) -> tuple[str, ...]:
        """What prompts call the classes; see ``spoken_names``."""
        return spoken_names(self.class_names)

    def training_set(self, name: str, seed: int) -> Dataset:
        """Return the images of a variant, or of a further set."""
        return self.extras[name] if name in self.extras else self.train(name, seed)


def data_of_masked(
    train: Any, test: Any, test_on: Sequence[str], limit: int | None = None
) -> MatrixData:
    """Return the study's images, composed in memory.

    Args:
      train: ``MaskedImages`` to train on.
      test: Those to test on.
      test_on: Variants.
      limit: At most so many images of each set, evenly of each class; all by default.
    """
    _check_classes(train.class_names)

    def training(kind: str, seed: int) -> Dataset:
        return limited(train.dataset(kind, seed), limit)

    tests = {kind: limited(test.dataset(kind, TEST_SEED), limit) for kind in test_on}
    return MatrixData(train.class_names, training, tests, {}, paired=True)


def data_of_release(
    root: Path,
    splits: tuple[str, str],
    test_on: Sequence[str],
    pairing: Pairing = "new",
    limit: int | None = None,
) -> MatrixData:
    """Return the study's images of a directory that ``wiseft backgrounds build`` made.

    Args:
      root: Holds ``VARIANT/SPLIT/CLASS/FILE``.
      splits: The folders to train and to test on.
      test_on: Variants; each must lie in files.
      pairing: Where mixed training images come from.
      limit: At most so many images of each set, evenly of each class; all by default.

    Raises:
      InputError: A split isn't there, is the other one too, or its classes differ; a variant to
        test on isn't there.
    """
    if splits[0] == splits[1]:
        raise InputError(
            f"{root}: {splits[0]} would be trained on and tested on: models would be asked about"
            " images that they have seen; expected two splits (wiseft backgrounds build --split)"
        )
    train, test = (open_release(root, split) for split in splits)
    _check_classes(train.class_names)
    if train.class_names != test.class_names:
        raise InputError(
            f"{root}: {splits[0]} has the classes {', '.join(train.class_names)}; {splits[1]} has"
            f" {', '.join(test.class_names)}"
        )
    _warn_of_shared(train, test)
    found = _aligned_tests(test, test_on)
    paired = "original" in test.variants
    tests = {kind: limited(dataset, limit) for kind, dataset in found.items()}
    make = functools.partial(_of_release, train, pairing)
    return MatrixData(
        train.class_names, lambda kind, seed: limited(make(kind, seed), limit), tests, {}, paired
    )


def load_extras(
    specs: Mapping[str, str], class_names: Sequence[str], test: Dataset | None = None
) -> dict[str, Dataset]:
    """Return further training sets, their classes matched by name.

    Args:
      specs: Name -> ``SCHEME:TARGET``.
      class_names: The study's classes.
      test: The originals that are tested on; a warning names images that are in both.

    Raises:
      InputError: A name is a variant's, or a set has other classes.
    """
    from wiseft_jax.data.load import load_dataset

    found = {}
    for name, spec in specs.items():
        if name in VARIANTS or not re.fullmatch(r"[\w.-]+", name):
            raise InputError(
                f"--also {name}={spec}: expected a name of letters and digits that no variant has"
            )
        found[name] = load_dataset(
            spec, classifier_class_names=class_names, split="train", name=name
        )
        if test is not None:
            warn_of_overlap(found[name], test)
    return found


def _warn_of_shared(train: Release, test: Release) -> None:
    """Warn of originals of the same bytes in both: two builds may have read the same photographs.

    What ``build`` writes of an image depends on it alone, and on the size.
    """
    if all("original" in each.variants for each in (train, test)):
        first, second = (
            dataclasses.replace(each.dataset("original"), name=f"original/{each.split}")
            for each in (train, test)
        )
        warn_of_overlap(dataclasses.replace(first, split="train"), second)


def limited(dataset: Dataset, limit: int | None) -> Dataset:
    """Return at most ``limit`` images, as many of each class as can be (``even_choice``).

    Args:
      dataset: The images.
      limit: How many; None: all.
    """
    if limit is None or limit >= len(dataset):
        return dataset
    return dataset.subset(even_choice(dataset.labels, limit))


def _check_classes(class_names: Sequence[str]) -> None:
    if len(class_names) < 2:
        raise InputError(
            f"expected two classes or more, found {', '.join(class_names)}: with one class every"
            " answer is right, and no background can mislead"
        )


def _of_release(release: Release, pairing: Pairing, kind: str, seed: int) -> Dataset:
    """Return a variant to train on: of its files, or composed."""
    from wiseft_jax.backgrounds.composed_source import composed_dataset

    if kind in VARIANTS and VARIANTS[kind].partner and pairing == "new":
        return composed_dataset(release, kind, seed)
    if kind not in release.variants and kind in ("no_fg", "only_fg"):
        logger.info("%s: %s is composed of originals and masks", release.root, kind)
        return composed_dataset(release, kind, seed)
    return release.dataset(kind)


def _aligned_tests(release: Release, test_on: Sequence[str]) -> dict[str, Dataset]:
    """Return test sets of the same originals, in their order; those that one lacks are said.

    Raises:
      InputError: No original has an image of each.
    """
    if "original" not in release.variants:
        return {kind: release.dataset(kind) for kind in test_on}
    image_ids = release.image_ids(release.dataset("original"))
    found = {kind: release.align(kind, image_ids) for kind in test_on}
    places = np.stack([place for _, place in found.values()])
    kept = np.flatnonzero((places >= 0).all(0))
    if not len(kept):
        raise InputError(f"{release.root}: no original has an image of each of {', '.join(found)}")
    if len(kept) < len(image_ids):
        lacking = [kind for kind, (_, place) in found.items() if (place < 0).any()]
        logger.warning(
            "%s: %d of %d originals are left out of the tests: they lack images of %s",
            *(release.root, len(image_ids) - len(kept), len(image_ids), ", ".join(lacking)),
        )
    return {kind: dataset.subset(place[kept]) for kind, (dataset, place) in found.items()}
