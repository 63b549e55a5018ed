"""Seeded splits: by class, and in halves."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Integer

from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.data.source import Dataset

logger = logging.getLogger(__name__)

_LISTED = 10


def stratified_split(
    labels: Integer[np.ndarray, "N"],
    fraction: float,
    seed: int,
    class_names: Sequence[str] = (),
) -> tuple[Int[np.ndarray, "M"], Int[np.ndarray, "L"]]:
    """Split positions into the kept and the held-out, class by class.

    Each class gives ``round(fraction * n)`` images, at least one and at most n - 1. A class with a
    single image gives none, with a warning.

    Args:
      labels: int[N].
      fraction: How much to hold out, in (0, 1).
      seed: Of the draw.
      class_names: For messages.

    Returns:
      ``(kept, held_out)``, sorted positions.

    Raises:
      InputError: If the fraction is out of range, an image has no label, or nothing is left.
    """
    if not 0 < fraction < 1:
        raise InputError(f"the held-out fraction must be between 0 and 1, found {fraction}")
    if len(labels) and labels.min() < 0:
        raise InputError("can't split by class: some images have no label")
    held: list[np.ndarray] = []
    single: list[str] = []
    for label in np.unique(labels):
        positions = np.flatnonzero(labels == label)
        if len(positions) == 1:
            single.append(class_names[int(label)] if label < len(class_names) else str(label))
            continue
        count = min(max(round(fraction * len(positions)), 1), len(positions) - 1)
        held.append(numpy_stream(seed, "split", int(label)).permutation(positions)[:count])
    if not held:
        raise InputError(
            f"can't hold out {fraction:.0%} of {counted(len(labels), 'image')}: no class has two"
        )
    if single:
        more = ", ..." if len(single) > _LISTED else ""
        logger.warning(
            "%s a single image, which stays in training; none is held out of: %s%s",
            counted(len(single), "class has", "classes have"),
            ", ".join(single[:_LISTED]),
            more,
        )
    held_out = np.sort(np.concatenate(held)).astype(np.int64)
    kept = np.setdiff1d(np.arange(len(labels), dtype=np.int64), held_out)
    return kept, held_out


def halves(dataset: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Return two datasets of the same name that share no image: one to fit on, one to report on.

    The draw doesn't look at labels, so that a fit without labels stays one.

    Args:
      dataset: What to split; of an odd number the second half has one more.
      seed: Of the draw.

    Raises:
      InputError: If there are fewer than two images.

    Example:
      >>> to_fit, to_report = halves(shift, seed=0)
    """
    if len(dataset) < 2:
        raise InputError(
            f"{dataset.name}: {counted(len(dataset), 'image')} can't be split in halves"
        )
    order = numpy_stream(seed, "halves").permutation(len(dataset))
    middle = len(dataset) // 2
    return dataset.subset(np.sort(order[:middle])), dataset.subset(np.sort(order[middle:]))
