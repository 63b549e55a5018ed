"""The linear classifier: the encoder is frozen, the head is trained on cached features."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from wiseft_jax.clip.classifier import head_logits
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import process_share
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.training.features import encode_dataset
from wiseft_jax.training.problem import Problem, Task

logger = logging.getLogger(__name__)

_SMALL_RATE = 1e-4


def linear_classifier(task: Task) -> Problem:
    """Return the problem of training the zero-shot head alone (Wortsman et al. 2022, section 3).

    The features are those of the evaluation transform, so they are computed once. ``theta_1`` has
    ``theta_0``'s encoder itself, and the logits along the path between them are linear in alpha.
    """
    if task.config.learning_rate < _SMALL_RATE:
        logger.warning(
            "training.learning_rate %.3g suits end-to-end fine-tuning; a linear classifier on CLIP"
            " features moves very little below %.0e, and usually wants 1e-3 to 1e-1",
            task.config.learning_rate,
            _SMALL_RATE,
        )
    theta_0, batch_size = task.theta_0, task.plan.batch_size
    share = process_share(task.layout.mesh)
    encoded: dict[int, dict[str, np.ndarray]] = {}

    def encode(dataset: Dataset) -> dict[str, np.ndarray]:
        if id(dataset) in encoded:
            return encoded[id(dataset)]
        arrays = encode_dataset(
            task.classifier,
            theta_0,
            dataset,
            task.layout,
            batch_size=batch_size,
            num_threads=task.num_threads,
            num_workers=task.config.num_workers,
        )
        if len(arrays["index"]) == 0:
            raise InputError(f"{dataset.name}: no image could be read")
        encoded[id(dataset)] = arrays
        return arrays

    def logits(params: Params, batch: dict[str, Any]) -> Any:
        return head_logits(params, batch["features"])

    return Problem(
        params=theta_0["head"],
        logits=logits,
        batches=lambda start_step: shuffled_batches(
            encode(task.train), batch_size, task.config.seed, start_step, **share
        ),
        eval_batches=lambda dataset: padded_batches(encode(dataset), batch_size, **share),
        theta=lambda params: {"encoder": theta_0["encoder"], "head": params},
    )


def shuffled_batches(
    arrays: dict[str, np.ndarray],
    batch_size: int,
    seed: int,
    start_step: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """Yield endless batches of features; batch k is a pure function of (seed, k).

    Each epoch is a permutation of its own, and batches run on across epochs. Process p of n gets
    rows p, p + n, ... of each.
    """
    count = len(arrays["index"])
    epoch, order = -1, np.empty(0, np.int64)
    row = start_step * batch_size
    while True:
        rows = []
        for position in range(row, row + batch_size):
            if position // count != epoch:
                epoch = position // count
                order = numpy_stream(seed, "linear_classifier", epoch).permutation(count)
            rows.append(order[position % count])
        row += batch_size
        share = np.asarray(rows)[process_index::process_count]
        yield _take(arrays, share, np.ones(len(share), bool))


def padded_batches(
    arrays: dict[str, np.ndarray],
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """Yield every row once, in order; the last batch repeats row 0 with the mask off."""
    count = len(arrays["index"])
    for start in range(0, count, batch_size):
        rows = np.arange(start + process_index, start + batch_size, process_count)
        mask = rows < count
        yield _take(arrays, np.where(mask, rows, 0), mask)


def _take(
    arrays: dict[str, np.ndarray], rows: np.ndarray, mask: np.ndarray
) -> dict[str, np.ndarray]:
    return {**{name: array[rows] for name, array in arrays.items()}, "mask": mask}
