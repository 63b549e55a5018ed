"""Which images of the training set a run trains on, and how often: few shots, balanced classes."""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Int64, Integer

from wiseft_jax.core.errors import counted
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.data.source import Dataset
from wiseft_jax.training.config import TrainConfig

logger = logging.getLogger(__name__)

_LISTED = 10


def training_images(train: Dataset, config: TrainConfig) -> Dataset:
    """Return the part of a training set that a configuration trains on.

    Args:
      train: The training set.
      config: The recipe ``few_shot`` takes ``options.shots`` of each class;
        ``options.class_balance`` repeats those of smaller classes.
    """
    if config.recipe == "few_shot":
        shots = config.options.shots
        few = few_shots(train.labels, shots, config.seed)
        short = np.flatnonzero(np.bincount(train.labels[few], minlength=1) < shots)
        present = [label for label in short if label in set(train.labels.tolist())]
        if present:
            names = [train.class_names[label] for label in present[:_LISTED]]
            more = ", ..." if len(present) > _LISTED else ""
            logger.warning(
                "%s: %s fewer images than training.options.shots %d, all of which are taken: %s%s",
                train.name, counted(len(present), "class has", "classes have"), shots,
                ", ".join(names), more,
            )  # fmt: skip
        logger.info("few shots: %d of %d images (%d a class)", len(few), len(train), shots)
        train = train.subset(few, skipped=train.skipped)
    if config.options.class_balance:
        positions = balanced(train.labels, config.seed)
        logger.info(
            "class balance: %d images, %d of them repeated",
            len(positions),
            len(positions) - len(train),
        )
        train = train.subset(positions, skipped=train.skipped)
    return train


def few_shots(labels: Integer[np.ndarray, " N"], shots: int, seed: int) -> Int64[np.ndarray, " M"]:
    """Return positions of ``shots`` images of each class, sorted; all of a class that has fewer.

    More shots keep those of fewer: the images of k shots are among those of k + 1.

    Args:
      labels: int[N].
      shots: How many of each class.
      seed: Of the draw.
    """
    chosen = [
        numpy_stream(seed, "few_shot", int(label)).permutation(np.flatnonzero(labels == label))
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate([positions[:shots] for positions in chosen])).astype(np.int64)


def balanced(labels: Integer[np.ndarray, " N"], seed: int) -> Int64[np.ndarray, " M"]:
    """Return positions in which each class occurs as often as the largest, sorted.

    Each image of a class occurs as often as any other of it, or once more: the class is repeated
    whole, and a random part of it fills the rest.

    Args:
      labels: int[N].
      seed: Of the draw.
    """
    largest = int(np.bincount(labels).max())
    positions = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        times, rest = divmod(largest, len(own))
        extra = numpy_stream(seed, "class_balance", int(label)).permutation(own)[:rest]
        positions += [np.tile(own, times), extra]
    return np.sort(np.concatenate(positions)).astype(np.int64)
