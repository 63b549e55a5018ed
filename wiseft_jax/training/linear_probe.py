"""Linear probes: the encoder is frozen, the head is trained on cached features; and LP-FT."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wiseft_jax.clip.classifier import head_logits
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import process_share
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.training.end_to_end import end_to_end
from wiseft_jax.training.features import encode_dataset
from wiseft_jax.training.identity import describe_task, hash_task
from wiseft_jax.training.lbfgs_probe import fit_probe
from wiseft_jax.training.probe_file import read_probe, write_probe
from wiseft_jax.training.problem import Problem, Task
from wiseft_jax.training.rates import learning_rate_factors

logger = logging.getLogger(__name__)

_SMALL_RATE = 1e-4


def linear_probe(task: Task) -> Problem:
    """Return the problem of training the zero-shot head alone (Wortsman et al. 2022, section 3).

    The features are those of the evaluation transform, so they are computed once. ``theta_1`` has
    ``theta_0``'s encoder itself, and the logits along the path between them are linear in alpha.
    AdamW starts from the zero-shot head and takes the plan's steps; L-BFGS starts from nothing,
    goes on to convergence, and leaves no step to be taken.
    """
    theta_0, batch_size = task.theta_0, task.plan.batch_size
    share = process_share(task.layout.mesh)
    features = _Features(task)
    if task.config.converges:
        head = converged_head(task, features)
    else:
        head = theta_0["head"]
        if task.config.learning_rate < _SMALL_RATE:
            logger.warning(
                "training.learning_rate %.3g suits end-to-end fine-tuning; a linear probe of CLIP"
                " features moves very little below %.0e, and usually wants 1e-3 to 1e-1",
                task.config.learning_rate,
                _SMALL_RATE,
            )

    def logits(params: Params, batch: dict[str, Any]) -> Any:
        return head_logits(params, batch["features"])

    return Problem(
        params=head,
        logits=logits,
        batches=lambda start_step: shuffled_batches(
            features(task.train), batch_size, task.config.seed, start_step, **share
        ),
        eval_batches=lambda dataset: padded_batches(features(dataset), batch_size, **share),
        theta=lambda params: {"encoder": theta_0["encoder"], "head": params},
        factors=learning_rate_factors(task.classifier.tower, head, task.config),
        solved=task.config.converges,
    )


def lp_ft(task: Task) -> Problem:
    """Return the problem of LP-FT: a linear probe to convergence, then end to end from that head.

    Kumar et al. 2022, "Fine-tuning can distort pretrained features and underperform
    out-of-distribution" (ICLR 2022, arXiv 2202.10054), section 3.4. WiSE-FT still interpolates
    with the zero-shot head, which ``theta_0`` keeps.
    """
    probed = {"encoder": task.theta_0["encoder"], "head": converged_head(task, _Features(task))}
    return end_to_end(dataclasses.replace(task, theta_0=probed))


def converged_head(task: Task, features: Callable[[Dataset], dict[str, np.ndarray]]) -> Params:
    """Return the head of a linear probe by L-BFGS; validation accuracy chooses its penalty.

    It is kept in the run directory, and a resumed run takes it from there.

    Raises:
      InputError: Several penalties and no validation set.
    """
    options = task.config.options
    identity = "" if task.run_dir is None else hash_task(describe_task(task))
    if task.run_dir is not None and task.resume:
        stored = read_probe(task.run_dir, identity)
        if stored is not None:
            logger.info("linear probe: C = %g, as it was chosen before", stored.c)
            return stored.head
    validation = None if task.validation is None else _rows(features(task.validation))
    probe = fit_probe(
        *_rows(features(task.train)),
        len(task.classifier.class_names),
        options.probe_c,
        validation,
        task.config.label_smoothing,
    )
    logger.info("linear probe: C = %g is chosen", probe.c)
    if task.run_dir is not None:
        write_probe(task.run_dir, probe, identity)
    return probe.head


def _rows(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return L2-normalised features, and labels."""
    features = arrays["features"]
    return features / np.linalg.norm(features, axis=1, keepdims=True), arrays["label"]


class _Features:
    """``dataset -> arrays``: the features of frozen ``theta_0``, computed once for each dataset."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.encoded: dict[int, dict[str, np.ndarray]] = {}

    def __call__(self, dataset: Dataset) -> dict[str, np.ndarray]:
        if id(dataset) not in self.encoded:
            task = self.task
            arrays = encode_dataset(
                task.classifier,
                task.theta_0,
                dataset,
                task.layout,
                batch_size=task.plan.batch_size,
                num_threads=task.num_threads,
                num_workers=task.config.num_workers,
            )
            if len(arrays["index"]) == 0:
                raise InputError(f"{dataset.name}: no image could be read")
            self.encoded[id(dataset)] = arrays
        return self.encoded[id(dataset)]


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
                order = numpy_stream(seed, "linear_probe", epoch).permutation(count)
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
