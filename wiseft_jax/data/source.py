"""What the rest of the program takes as data: a source of images, and a dataset over it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Integer

from wiseft_jax.core.errors import InputError, counted, few
from wiseft_jax.core.hashing import hash_arrays, hash_json
from wiseft_jax.core.projection import Projection
from wiseft_jax.core.scoring import SetScoring
from wiseft_jax.core.typing import Role, Split

OnBadImage = Literal["stop", "skip"]

_SHOWN = 3


class BadLabelError(InputError):
    """A label is no class's.

    Args:
      message: What the command line prints.
      label: The label, as it was found.
    """

    def __init__(self, message: str, label: str) -> None:
        super().__init__(message)
        self.label = label


@runtime_checkable
class Source(Protocol):
    """Images with labels, by index; cheap to open, thread-safe to read, picklable.

    Attributes:
      name: A short name for tables and messages.
      class_names: The source's own classes, in the order that ``labels`` count.
      labels: int32[N], index into ``class_names``; -1 for an image without a label.
      ids: What a person calls an image: its path, or its record.
    """

    name: str
    class_names: tuple[str, ...]

    @property
    def labels(self) -> Int[np.ndarray, "N"]:
        """The label of each image."""
        ...

    @property
    def ids(self) -> Sequence[str]:
        """The id of each image."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes | np.ndarray:
        """Return an image as encoded bytes, or decoded as uint8[H, W, 3]."""
        ...

    def fingerprint(self) -> str:
        """Return a hash that changes when an image, a label or their order does."""
        ...


class ArraySource:
    """Images in memory.

    Args:
      images: uint8[N, H, W, 3].
      labels: int[N], index into ``class_names``.
      class_names: The classes.
      name: A short name.
      ids: One a image; ``name[i]`` by default.

    Attributes:
      catalog_id: Of a published data set, its id in the catalog; else empty.

    Raises:
      InputError: If shapes, dtypes or labels don't fit.
    """

    catalog_id = ""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        class_names: Sequence[str],
        name: str = "memory",
        ids: Sequence[str] | None = None,
    ) -> None:
        images, labels = np.asarray(images), np.asarray(labels)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise InputError(
                f"{name}: expected images uint8[N, H, W, 3], found {images.dtype}"
                f"{list(images.shape)}; for grey images repeat the channel, for floats scale to 255"
            )
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
            raise InputError(
                f"{name}: expected {len(images)} integer labels, found {labels.dtype}"
                f"{list(labels.shape)}"
            )
        check_labels(labels, len(class_names), name)
        if ids is not None and len(ids) != len(images):
            raise InputError(f"{name}: expected {len(images)} ids, found {len(ids)}")
        self.name = name
        self.class_names = tuple(class_names)
        self.images = images
        self.labels = labels.astype(np.int32)
        self.ids: Sequence[str] = (
            tuple(ids) if ids is not None else tuple(f"{name}[{i}]" for i in range(len(images)))
        )

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> np.ndarray:
        """Return the image, uint8[H, W, 3]."""
        return self.images[index]

    def fingerprint(self) -> str:
        """Return the hash of pixels, labels and class names."""
        arrays = hash_arrays({"images": self.images, "labels": self.labels})
        return hash_json([arrays, self.class_names])


def check_labels(labels: np.ndarray, classes: int, name: str) -> None:
    """Raise unless every label is -1 (no label) or below ``classes``.

    Raises:
      BadLabelError: Names the first label that is out of range.
    """
    wrong = np.flatnonzero((labels < -1) | (labels >= classes))
    if len(wrong):
        raise BadLabelError(
            f"{name}: label {labels[wrong[0]]} of image {wrong[0]} is outside 0..{classes - 1} "
            f"({classes} class names were given)",
            str(labels[wrong[0]]),
        )


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images of a source with labels in the CLASSIFIER's class order; what training and sweep take.

    Attributes:
      name: The name in tables and result rows.
      source: Where the images come from.
      labels: int32[N], index into the classifier's classes; -1 for an image without a label.
      split: What the dataset may be used for.
      role: ``"reference"``, ``"shift"`` or ``"matched_reference"``.
      indices: int64[N], which images of the source; None is all of them.
      on_bad_image: What to do with an image that turns out to be bad.
      skipped: ``"id: reason"`` of the bad images that were left out beforehand.
      class_names: What labels count: the classifier's classes, or the set's own with a projection;
        empty when there are no labels.
      projection: From the logits of a classifier of other classes to the set's; None where they
        are the same.
      scoring: How predictions are scored beside top-1.
      accepted: Of each image the labels that count as right, where some have several.
      matched_reference: Of a shift, the name of the matched reference that it is set against; empty
        for the whole reference.
    """

    name: str
    source: Source
    labels: Integer[np.ndarray, "N"]
    split: Split = "test"
    role: Role = "reference"
    indices: Integer[np.ndarray, "M"] | None = None
    on_bad_image: OnBadImage = "stop"
    skipped: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    projection: Projection | None = None
    scoring: SetScoring | None = None
    accepted: tuple[tuple[int, ...], ...] | None = None
    matched_reference: str = ""

    def __post_init__(self) -> None:
        expected = len(self.source) if self.indices is None else len(self.indices)
        if len(self.labels) != expected:
            raise InputError(f"{self.name}: {len(self.labels)} labels for {expected} images")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def head_names(self) -> tuple[str, ...]:
        """The classes of the classifier that the set is for."""
        return self.class_names if self.projection is None else self.projection.head_names

    def source_index(self, position: int) -> int:
        """Return the index in the source of the image at ``position`` of the dataset."""
        return int(position if self.indices is None else self.indices[position])

    def id(self, position: int) -> str:
        """Return the id (path or record) of the image at ``position``."""
        return self.source.ids[self.source_index(position)]

    def fingerprint(self) -> str:
        """Return a hash of the images, the labels and which images are in; not of the name."""
        own = {"labels": self.labels.astype(np.int64)}
        if self.indices is not None:
            own["indices"] = self.indices.astype(np.int64)
        return hash_json([self.source.fingerprint(), hash_arrays(own), self.class_names])

    def subset(self, positions: Integer[np.ndarray, "M"], **changes: object) -> Dataset:
        """Return the dataset of the given positions, with any other field replaced.

        ``skipped`` starts empty, so that an image is not reported once for each subset.

        Example:
          >>> dataset.subset(np.arange(100), split="validation")
        """
        base = np.arange(len(self)) if self.indices is None else self.indices
        fields: dict[str, object] = {"labels": self.labels[positions], "indices": base[positions]}
        fields["skipped"] = ()
        if self.scoring is not None:
            fields["scoring"] = self.scoring.subset(positions)
        if self.accepted is not None:
            fields["accepted"] = tuple(self.accepted[int(at)] for at in positions)
        return dataclasses.replace(self, **(fields | changes))

    def as_labelled(
        self, classes: Int[np.ndarray, "*A M"], positions: Integer[np.ndarray, "M"]
    ) -> Int[np.ndarray, "*A M"]:
        """Return predictions, with the label in place of another class that counts as right too.

        Args:
          classes: Predicted for each of M images.
          positions: The images.
        """
        if self.accepted is None:
            return classes
        found = np.array(classes)
        for place, position in enumerate(positions.tolist()):
            own = self.accepted[position] if position >= 0 else ()
            if len(own) > 1:
                right = np.isin(found[..., place], own)
                found[..., place] = np.where(right, self.labels[position], found[..., place])
        return found


def evenly(count: int, limit: int | None) -> Int[np.ndarray, "M"]:
    """Return at most ``limit`` of ``count`` positions, evenly spread, rising, both ends among them.

    Args:
      count: How many there are.
      limit: How many to keep; None: all.
    """
    if limit is None or limit >= count:
        return np.arange(count)
    return np.linspace(0, count - 1, limit).round().astype(np.int64)


def check_matches(
    dataset: Dataset,
    class_names: Sequence[str],
    *,
    all_labelled: bool = False,
    projected: bool = False,
) -> None:
    """Raise unless the labels of ``dataset`` count the classifier's classes, ``class_names``.

    Args:
      dataset: What to train or evaluate on.
      class_names: The classifier's classes.
      all_labelled: Whether each image needs a label; if not, -1 is none.
      projected: Whether a set may have other classes, and a projection to them.

    Raises:
      InputError: Names both lists of classes, or the first image whose label is out of range.
    """
    if dataset.projection is not None:
        if not projected:
            raise InputError(
                f"{dataset.name}: its labels count {len(dataset.class_names)} classes of its own,"
                f" to which the classifier's {len(class_names)} are mapped; such a set is evaluated"
                " on, and nothing is trained by its labels, nor validated while training"
            )
        if dataset.projection.head_names != tuple(class_names):
            head = few(dataset.projection.head_names, _SHOWN)
            raise InputError(
                f"{dataset.name}: its classes are mapped from those of another classifier ({head})"
                f" than this one ({few(class_names, _SHOWN)})"
            )
        class_names = dataset.projection.class_names
    if dataset.class_names and tuple(dataset.class_names) != tuple(class_names):
        own, others = (few(names, _SHOWN) for names in (dataset.class_names, class_names))
        raise InputError(
            f"{dataset.name}: its labels count other classes ({own}) than"
            f" the classifier ({others}); match the names first, as in"
            " load_dataset(..., classifier_class_names=classifier.class_names)"
        )
    lowest = 0 if all_labelled else -1
    wrong = np.flatnonzero((dataset.labels < lowest) | (dataset.labels >= len(class_names)))
    if len(wrong):
        raise InputError(
            f"{dataset.name}: {dataset.id(int(wrong[0]))} has the label"
            f" {dataset.labels[wrong[0]]}, expected {lowest} to {len(class_names) - 1}"
            f" ({counted(len(wrong), 'image is', 'images are')} labelled so)"
        )


def array_dataset(
    images: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    name: str = "memory",
    split: Split = "test",
    role: Role = "reference",
    ids: Sequence[str] | None = None,
) -> Dataset:
    """Return the dataset of images in memory, labelled in the classifier's class order.

    Args:
      images: uint8[N, H, W, 3].
      labels: int[N], index into ``class_names``.
      class_names: The classifier's classes.
      name: The name in tables.
      split: ``"train"``, ``"validation"`` or ``"test"``.
      role: ``"reference"``, ``"shift"`` or ``"matched_reference"``.
      ids: One a image; ``name[i]`` by default.
    """
    source = ArraySource(images, labels, class_names, name, ids)
    return Dataset(name, source, source.labels, split, role, class_names=source.class_names)
