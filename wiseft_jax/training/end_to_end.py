"""Fine-tuning by cross-entropy: end to end, or the encoder under a head that stays (PAINT)."""

from __future__ import annotations

from typing import Any

from wiseft_jax.core.mesh import process_share
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import eval_batches, train_batches
from wiseft_jax.data.source import Dataset
from wiseft_jax.training.problem import Problem, Task
from wiseft_jax.training.rates import learning_rate_factors


def end_to_end(task: Task) -> Problem:
    """Return the problem of Wortsman et al. 2022, section 3: everything in ``theta_0`` is trained.

    ``theta_0`` holds the vision tower, its projection and the head; the text tower and
    ``logit_scale`` (folded into the head) aren't in it, so weight decay can't touch them.
    """
    classifier = task.classifier

    def logits(params: Params, batch: dict[str, Any]) -> Any:
        return classifier.logits(params, batch["image"])

    return Problem(
        task.theta_0,
        logits,
        lambda start_step: image_batches(task, start_step),
        lambda dataset: validation_batches(task, dataset),
        lambda params: params,
        factors=learning_rate_factors(classifier.tower, task.theta_0, task.config),
    )


def paint(task: Task) -> Problem:
    """Return the problem of PAINT: the encoder is trained under the zero-shot head, which stays.

    Ilharco et al. 2022, "Patching open-vocabulary models by interpolating weights" (arXiv
    2208.05592), section 2: the head is equal at both ends, so models patched on several tasks share
    one encoder, and each task is evaluated with its own head. That the head is frozen is said in
    ``rates.FROZEN_BY_RECIPE``.
    """
    return end_to_end(task)


def image_batches(task: Task, start_step: int) -> Any:
    """Return the endless training batches of a task's images from ``start_step`` on."""
    config = task.config
    return train_batches(
        task.train,
        task.classifier.preprocess,
        batch_size=task.plan.batch_size,
        seed=config.seed,
        start_step=start_step,
        augmentation=config.augmentation,
        num_threads=task.num_threads,
        num_workers=config.num_workers,
        **process_share(task.layout.mesh),
    )


def validation_batches(task: Task, dataset: Dataset) -> Any:
    """Return the batches of a dataset, every example once, as a task evaluates them."""
    return eval_batches(
        dataset,
        task.classifier.preprocess,
        batch_size=task.plan.batch_size,
        num_threads=task.num_threads,
        num_workers=task.config.num_workers,
        **process_share(task.layout.mesh),
    )
