"""End-to-end fine-tuning: the image encoder and the head, by cross-entropy."""

from __future__ import annotations

from typing import Any

from wiseft_jax.core.mesh import process_share
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import eval_batches, train_batches
from wiseft_jax.data.source import Dataset
from wiseft_jax.training.problem import Problem, Task


def end_to_end(task: Task) -> Problem:
    """Return the problem of Wortsman et al. 2022, section 3: everything in ``theta_0`` is trained.

    ``theta_0`` holds the vision tower, its projection and the head; the text tower and
    ``logit_scale`` (folded into the head) aren't in it, so weight decay can't touch them.
    """
    classifier, config, plan = task.classifier, task.config, task.plan
    share = process_share(task.layout.mesh)

    def logits(params: Params, batch: dict[str, Any]) -> Any:
        return classifier.logits(params, batch["image"])

    def batches(start_step: int) -> Any:
        return train_batches(
            task.train,
            classifier.preprocess,
            batch_size=plan.batch_size,
            seed=config.seed,
            start_step=start_step,
            crop_scale=config.crop_scale,
            num_threads=task.num_threads,
            num_workers=config.num_workers,
            **share,
        )

    def validation_batches(dataset: Dataset) -> Any:
        return eval_batches(
            dataset,
            classifier.preprocess,
            batch_size=plan.batch_size,
            num_threads=task.num_threads,
            num_workers=config.num_workers,
            **share,
        )

    return Problem(task.theta_0, logits, batches, validation_batches, lambda params: params)
