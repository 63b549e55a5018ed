"""Contrastive training of both towers: on prompts of the labels (FLYP), or on captions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from wiseft_jax.clip.embed import padded_tokens
from wiseft_jax.clip.two_towers import TwoTowerClassifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import process_share
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.core.typing import Params
from wiseft_jax.training.end_to_end import image_batches, validation_batches
from wiseft_jax.training.losses import contrastive_loss, cosine_table
from wiseft_jax.training.problem import Problem, Task
from wiseft_jax.training.rates import learning_rate_factors

MAX_LOGIT_SCALE = math.log(100.0)
"""CLIP's bound on ``logit_scale`` in training (Radford et al. 2021, section 2.5)."""

Tokens = tuple[np.ndarray, np.ndarray]
"""``(ids, mask)``, int32[B, L] each."""


def flyp(task: Task) -> Problem:
    """Return the problem of FLYP: fine-tune as CLIP was pre-trained, on prompts of the labels.

    Goyal et al. 2023, "Finetune like you pretrain" (CVPR 2023, arXiv 2212.00638), section 3: both
    towers and ``logit_scale`` are trained by the symmetric contrastive loss over all pairs of the
    batch, each image with one of its label's prompts, drawn anew each time. Images of one class in
    a batch are each other's negatives, as there.
    """
    classifier = _two_tower(task, "flyp")
    ids, mask = classifier.prompt_ids, classifier.prompt_mask
    templates = len(ids) // len(classifier.class_names)

    def tokens(labels: np.ndarray, draws: np.ndarray) -> Tokens:
        rows = labels * templates + draws % templates
        return ids[rows], mask[rows]

    return _contrastive(task, classifier, tokens, max_logit_scale=None)


def contrastive(task: Task) -> Problem:
    """Return the problem of CLIP's pre-training: images and their captions.

    Radford et al. 2021 (arXiv 2103.00020), Figure 3. The training set's classes are its captions;
    the classifier's, which validation and sweep use, are others.
    """
    classifier = _two_tower(task, "contrastive")
    captions = task.train.class_names
    if not captions or captions == classifier.class_names:
        raise InputError(
            "training.recipe contrastive: expected images with captions, found"
            f" {task.train.name} with class names; give data.caption_column and a table, or use"
            " training.recipe flyp"
        )
    ids, mask = padded_tokens(classifier.tokenizer, captions)
    return _contrastive(
        task,
        classifier,
        lambda labels, draws: (ids[labels], mask[labels]),
        max_logit_scale=MAX_LOGIT_SCALE,
    )


def _two_tower(task: Task, recipe: str) -> TwoTowerClassifier:
    if not isinstance(task.classifier, TwoTowerClassifier):
        raise InputError(
            f"training.recipe {recipe} trains the text tower too: expected a classifier of"
            " two_tower_classifier, found one of zero_shot_classifier"
        )
    return task.classifier


def _contrastive(
    task: Task,
    classifier: TwoTowerClassifier,
    tokens: Callable[[np.ndarray, np.ndarray], Tokens],
    max_logit_scale: float | None,
) -> Problem:
    tower = classifier.tower

    def loss(params: Params, batch: dict[str, Any]) -> tuple[Any, tuple[Any, Any]]:
        images = classifier.features(params, batch["image"])
        texts = tower.text_features(params["text"], batch["ids"], batch["ids_mask"])
        scale = params["text"]["logit_scale"]
        if max_logit_scale is not None:
            scale = jnp.minimum(scale, max_logit_scale)
        value = contrastive_loss(images, texts, scale, weights=batch["mask"])
        table = jnp.where(batch["mask"][None], cosine_table(images, texts, scale), -jnp.inf)
        own = jnp.diagonal(table) >= table.max(axis=1)  # as good as the best: texts may be equal
        hits = jnp.sum(own & batch["mask"], dtype=jnp.int32)
        return value, (hits, jnp.sum(batch["mask"], dtype=jnp.int32))

    def logits(params: Params, batch: dict[str, Any]) -> Any:
        return classifier.logits(params, batch["image"])

    def evaluated(params: Params) -> Params:
        return {"encoder": params["encoder"], "head": classifier.head(params["text"])}

    def batches(start_step: int) -> Iterator[dict[str, Any]]:
        return _with_tokens(image_batches(task, start_step), tokens, task, start_step)

    return Problem(
        task.theta_0,
        logits,
        batches,
        lambda dataset: validation_batches(task, dataset),
        lambda params: params,
        loss=loss,
        evaluated=evaluated,
        factors=learning_rate_factors(tower, task.theta_0, task.config),
    )


def _with_tokens(
    batches: Any,
    tokens: Callable[[np.ndarray, np.ndarray], Tokens],
    task: Task,
    start_step: int,
) -> Iterator[dict[str, Any]]:
    """Yield batches with a text for each image: a function of the seed, the step and the row."""
    share = process_share(task.layout.mesh)
    own = slice(share["process_index"], None, share["process_count"])
    with contextlib.closing(batches):
        for step, batch in enumerate(batches, start_step):
            rng = numpy_stream(task.config.seed, "text", step)
            draws = rng.integers(2**31, size=task.plan.batch_size)[own]
            ids, mask = tokens(np.maximum(batch["label"], 0), draws)
            yield batch | {"ids": ids, "ids_mask": mask}
