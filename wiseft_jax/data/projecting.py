"""How a catalogued set is evaluated by a classifier of ImageNet's classes, and how it is scored.

What the catalog says (``entry.Scoring``), made into what evaluation takes: a projection from the
head's rows to the set's classes, labels in the set's order, groups and sets of frames by image.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32

from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.projection import Projection
from wiseft_jax.core.scoring import NO_GROUP, SetScoring, score_names
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.class_lists import (
    CLASS_LISTS,
    class_keys,
    class_names,
    imagenet_map,
    imagenet_members,
)
from wiseft_jax.data.entry import DatasetEntry
from wiseft_jax.data.source import Source

logger = logging.getLogger(__name__)

_HEAD = "imagenet"


@dataclasses.dataclass(frozen=True, eq=False)
class Projected:
    """A set whose classes are mapped from ImageNet's.

    Attributes:
      projection: From the head's rows to the set's classes.
      labels: int32[N], of the set's classes; -1 for an image without a label.
    """

    projection: Projection
    labels: Int32[np.ndarray, " N"]


def is_imagenet(names: Sequence[str]) -> bool:
    """Return whether these are ImageNet's 1000 classes in their order, as names or WordNet ids."""
    if len(names) != CLASS_LISTS[_HEAD].count:
        return False
    return tuple(names) in (class_names(_HEAD), class_keys(_HEAD))


def project(source: Source, head_names: Sequence[str], where: str) -> Projected | None:
    """Return how a source is evaluated by a classifier of other classes than its own.

    None where that isn't by a projection: the source isn't catalogued, or as it is in the catalog
    its classes are ImageNet's, or it has a head of its own. That the classifier's classes aren't
    ImageNet's is logged: the published numbers are of a projection then, and these aren't.

    Args:
      source: The images.
      head_names: The classifier's classes.
      where: What to call the set in messages.

    Raises:
      InputError: A label is of a class that the set hasn't got.
    """
    entry = _entry(source)
    if entry is None or entry.scoring.projection == "none":
        return None
    names = class_names(entry.classes)
    if tuple(head_names) == names:
        return None
    if not is_imagenet(head_names):
        logger.warning(
            "%s: the classifier's %d classes aren't ImageNet's 1000, as in wiseft data info"
            " imagenet; predictions are among all of them, where published numbers are among the"
            " set's own %d (%s)",
            where, len(head_names), len(names), entry.scoring.projection,
        )  # fmt: skip
        return None
    projection = projection_of(entry, head_names)
    logger.info(
        "%s: its %d classes are mapped from ImageNet's (%s)",
        where, len(names), entry.scoring.projection,
    )  # fmt: skip
    return Projected(projection, _labels(source, entry, where))


def check_catalogued(source: Source, head_names: Sequence[str], where: str) -> None:
    """Tell of a source that has a catalogued set's classes, and doesn't say that it is that set.

    By ImageNet's classes such a set is evaluated by a projection, and without its name by matching
    class names: among all thousand classes, which the published numbers aren't.

    Args:
      source: The images.
      head_names: The classifier's classes.
      where: What to call the set in messages.

    Raises:
      InputError: Several of ImageNet's classes count as one of its own, so that the names can't be
        matched.
    """
    if not is_imagenet(head_names) or getattr(source, "catalog_id", ""):
        return
    own = sorted(source.class_names)
    lists = {each.classes for each in DATASETS.values() if each.scoring.projection != "none"}
    lists = {each for each in lists if own in (sorted(class_names(each)), sorted(class_keys(each)))}
    found = [name for name, entry in DATASETS.items() if entry.classes in lists]
    if not found:
        return
    specs = " or ".join(f"published:{name}" for name in found)
    remedy = (
        f"open it as {specs}, or as a copy of that made by wiseft data prepare, and they are mapped"
        " as published"
    )
    if any(DATASETS[name].scoring.projection != "subset" for name in found):
        raise InputError(
            f"{where}: its {len(own)} classes are those of {' and '.join(found)}, which are mapped"
            f" from ImageNet's, several to one, and can't be matched by name; {remedy}. For another"
            " mapping, give names (--class-names)"
        )
    logger.warning(
        "%s: its %d classes are those of %s, but it isn't said to be that: predictions are among"
        " all of ImageNet's 1000 classes, and no published number is of these; %s",
        where, len(own), " and ".join(found), remedy,
    )  # fmt: skip


def projection_of(entry: DatasetEntry, head_names: Sequence[str]) -> Projection:
    """Return the projection from ImageNet's classes that the catalog says.

    Args:
      entry: Of a set whose projection isn't ``none``.
      head_names: ImageNet's classes, in their order.
    """
    names, scoring = class_names(entry.classes), entry.scoring
    return Projection.of(
        imagenet_members(entry.classes),
        names,
        head_names,
        never=[names.index(name) for name in scoring.never],
        all_rows=scoring.projection == "argmax",
    )


def _labels(source: Source, entry: DatasetEntry, where: str) -> np.ndarray:
    """Return labels that count the set's classes; TFDS has some that count ImageNet's."""
    labels = np.asarray(source.labels, np.int32)
    if not is_imagenet(source.class_names):
        if source.class_names != class_names(entry.classes):
            raise InputError(
                f"{where}: expected the catalog's {CLASS_LISTS[entry.classes].count} classes"
                f" ({entry.classes}) or ImageNet's 1000, found {len(source.class_names)}"
            )
        return labels
    mapped = np.append(imagenet_map(entry.classes), -1)[labels].astype(np.int32)
    lost = np.flatnonzero((mapped < 0) & (labels >= 0))
    if len(lost):
        raise InputError(
            f"{where}: {counted(len(lost), 'image is', 'images are')} of classes that it hasn't"
            f" got, {source.ids[lost[0]]}"
            f" first, of ImageNet's class {labels[lost[0]]}"
        )
    return mapped


def scoring_of(source: Source) -> SetScoring | None:
    """Return how a source's images are scored beside top-1; None: not otherwise."""
    entry = _entry(source)
    names = () if entry is None else score_names(entry.scoring.metrics)
    if entry is None or not names:
        return None
    group_names, groups = (), None
    if entry.scoring.groups is not None:
        group_names = entry.scoring.groups.values
        number = {name: place for place, name in enumerate(group_names)}
        own: Sequence[str] = getattr(source, "group_of", ())
        if len(own) == len(source):
            groups = np.array([number.get(name, NO_GROUP) for name in own], np.int32)
    sets: Sequence[Sequence[int]] = getattr(source, "frame_sets", ())
    lost = [name for name in names if name == "worst_region" and groups is None]
    lost += [name for name in names if name in ("pm0", "pm10") and not sets]
    if lost:
        logger.warning(
            "%s: no %s: the source doesn't say which images belong together, as published: does",
            source.name, " and ".join(lost),
        )  # fmt: skip
    frame_sets = tuple(np.array(each, np.int64) for each in sets)
    return SetScoring(names, group_names, groups, frame_sets, getattr(source, "cut_sets", 0))


def accepted_of(source: Source) -> tuple[tuple[int, ...], ...] | None:
    """Return the labels that count as right for each image, where an image has several."""
    accepted: tuple[tuple[int, ...], ...] = getattr(source, "accepted", ())
    return accepted if any(len(own) > 1 for own in accepted) else None


def _entry(source: Source) -> DatasetEntry | None:
    return DATASETS.get(getattr(source, "catalog_id", ""))
