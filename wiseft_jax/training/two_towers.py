"""Contrastive training of both towers: on prompts of the labels (FLYP), or on captions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

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
from wiseft_jax.training.step import LossFn

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

    return _contrastive(task, classifier, tokens)


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
    return _contrastive(task, classifier, lambda labels, draws: (ids[labels], mask[labels]))


def paired_loss(classifier: TwoTowerClassifier, recipe: str) -> LossFn:
    """Return what both recipes minimise: the contrastive loss over all pairs of a batch.

    Args:
      classifier: The model.
      recipe: ``flyp``, or ``contrastive``, whose ``logit_scale`` is bounded.

    Returns:
      A function of the parameters and of a batch with ``image``, ``ids``, ``ids_mask`` (int32[B,
      L]) and ``mask``.
    """

    def loss(params: Params, batch: dict[str, Any]) -> tuple[Any, tuple[Any, Any]]:
        images = classifier.features(params, batch["image"])
        text = params["text"]
        texts = classifier.tower.text_features(text, batch["ids"], batch["ids_mask"])
        return loss_of_pairs(images, texts, text["logit_scale"], batch["mask"], recipe)

    return loss


def loss_of_pairs(
    images: Float[Array, "B D"],
    texts: Float[Array, "B D"],
    logit_scale: Float[Array, ""],
    mask: Bool[Array, " B"],
    recipe: str,
) -> tuple[Any, tuple[Any, Any]]:
    """Return the loss of a batch's features, with its right answers and its size.

    Args:
      images: Their features.
      texts: Those of their texts.
      logit_scale: Of ``theta["text"]``.
      mask: Which pairs count.
      recipe: As in ``paired_loss``.
    """
    scale = jnp.minimum(logit_scale, MAX_LOGIT_SCALE) if recipe == "contrastive" else logit_scale
    value = contrastive_loss(images, texts, scale, weights=mask)
    table = jnp.where(mask[None], cosine_table(images, texts, scale), -jnp.inf)
    own = jnp.diagonal(table) >= table.max(axis=1)  # as good as the best: texts may be equal
    hits = jnp.sum(own & mask, dtype=jnp.int32)
    return value, (hits, jnp.sum(mask, dtype=jnp.int32))


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
) -> Problem:
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
        loss=paired_loss(classifier, task.config.recipe),
        evaluated=evaluated,
        factors=learning_rate_factors(classifier.tower, task.theta_0, task.config),
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
