"""Evaluate one model, or every alpha between two, on a dataset: each image is read once."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from jax.sharding import Mesh

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, process_share, put_batch
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.projection import Projection
from wiseft_jax.core.typing import Params
from wiseft_jax.data.pipeline import Batches, eval_batches
from wiseft_jax.data.source import Dataset, check_matches
from wiseft_jax.evaluation.collected import Collected
from wiseft_jax.evaluation.engine import EngineConfig, compiled_step, padded_alphas
from wiseft_jax.evaluation.heads import with_heads
from wiseft_jax.evaluation.kept_logits import logit_alphas, places_by_call, with_kept
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.projections import with_slots

logger = logging.getLogger(__name__)


def evaluate(
    classifier: Classifier,
    theta: Params,
    dataset: Dataset,
    *,
    alpha: float = 0.0,
    backend: str = "auto",
    batch_size: int | None = None,
    chunk_size: int | None = None,
    keep_logits: bool = False,
    mesh: Layout | Mesh | MeshConfig | None = None,
    num_threads: int = 16,
) -> Predictions:
    """Return the predictions of one model.

    It runs the program that ``sweep`` runs with the same options, where the ends of the sweep share
    no leaf of the encoder and no timing chose another number of alphas at once: at either end both
    then give the same predictions, bit for bit. Otherwise they agree as back-ends do.

    Args:
      classifier: The model as a function of its parameters.
      theta: The parameters.
      dataset: The images; those without a label are predicted but not counted.
      alpha: What to call ``theta`` in the result; it changes nothing else.
      backend: As in ``sweep``; ``"delta"`` and ``"linear"`` are ways between two models, so one
        alone is evaluated by ``"map"``.
      batch_size: As in ``sweep``.
      chunk_size: As in ``sweep``.
      keep_logits: Whether to keep the logits too.
      mesh: The devices, and how parameters are split over them; all devices by default.
      num_threads: Decoding threads.

    Returns:
      Predictions with one alpha.

    Raises:
      InputError: If no image has a label, or labels count other classes than the classifier.
      BadImageError: If an image can't be read and ``dataset.on_bad_image`` is ``"stop"``.

    Example:
      >>> evaluate(classifier, theta_1, test).accuracy(0).compute()
      0.958
    """
    check_dataset(classifier, dataset)
    theta, _ = with_heads(classifier, theta, theta, (0.0,))
    config = EngineConfig.resolve(
        theta,
        backend="map" if backend in ("delta", "linear") else backend,
        batch_size=batch_size,
        chunk_size=chunk_size,
        keep_logits=keep_logits,
        mesh=mesh,
        num_threads=num_threads,
    )
    on_devices = config.layout.place(theta)
    # alpha 0 selects theta_0 bit for bit: the same program as the sweep's, with both ends equal.
    found = evaluate_alphas(classifier, on_devices, on_devices, dataset, (0.0,), config)
    return dataclasses.replace(found, alphas=(float(alpha),))


def check_dataset(classifier: Classifier, dataset: Dataset) -> None:
    """Refuse a dataset on which the classifier has no accuracy.

    Raises:
      InputError: If it is empty, has no labels, or its labels count other classes.
    """
    if len(dataset) == 0:
        raise InputError(f"{dataset.name}: there are no images in it")
    if not (dataset.labels >= 0).any():
        raise InputError(f"{dataset.name}: no image has a label, so there is no accuracy")
    check_matches(dataset, classifier.class_names, projected=True)


def evaluate_alphas(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    dataset: Dataset,
    alphas: tuple[float, ...],
    config: EngineConfig,
    kept: tuple[int, ...] | None = None,
) -> Predictions:
    """Return the predictions of ``lerp(theta_0, theta_1, alpha)`` for each alpha.

    Args:
      classifier: The model as a function of its parameters.
      theta_0: The end at alpha = 0, on every device.
      theta_1: The end at alpha = 1, on every device.
      dataset: The images; each is read, decoded and moved once.
      alphas: Mixing coefficients, rising.
      config: How to run.
      kept: Places of the alphas whose logits are stored, where ``config`` keeps any; all when None.
    """
    if not config.keep_logits:
        kept = ()
    elif kept is None:
        kept = tuple(range(len(alphas)))
    step = compiled_step(classifier, config)
    groups = padded_alphas(alphas, config.chunk_size)
    own = places_by_call(kept, [count for _, count in groups])
    calls = [(*group, places) for group, places in zip(groups, own, strict=True)]
    collected = Collected(dataset, len(alphas))
    batches = own_batches(classifier, dataset, config)
    with batches, progress_bar(dataset.name, len(dataset)) as advance:
        pending: list[dict[str, Any]] = []
        for _, batch in with_images(batches, config.layout.mesh, dataset.projection):
            outputs = [
                with_kept(step(theta_0, theta_1, padded, count, batch), places)
                for padded, count, places in calls
            ]
            # Read one batch late: the devices work on this one meanwhile.
            advance(_add(collected, pending, groups))
            pending = outputs
        advance(_add(collected, pending, groups))
    stored = logit_alphas(kept, alphas)
    return collected.predictions(alphas, batches.skipped, logit_alphas=stored)


def own_batches(classifier: Classifier, dataset: Dataset, config: EngineConfig) -> Batches:
    """Return this process's rows of the batches that ``config`` cuts a dataset into.

    Args:
      classifier: Says what an image becomes.
      dataset: The images.
      config: How large batches are, and the devices that share them.
    """
    return eval_batches(
        dataset,
        classifier.preprocess,
        batch_size=config.batch_size,
        num_threads=config.num_threads,
        **process_share(config.layout.mesh),
    )


def with_images(
    batches: Batches, mesh: Mesh, projection: Projection | None = None
) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Yield each batch's images on the host, and the batch with its transfer under way.

    Args:
      batches: From ``data.pipeline``: this process's rows.
      mesh: The devices, over which ``image``, ``mask`` and ``index`` (int32) are split.
      projection: Of the set; None where its classes are the classifier's.
    """
    for batch in batches:
        kept = {name: batch[name] for name in ("image", "mask")}
        on_devices = put_batch(kept | {"index": batch["index"].astype(np.int32)}, mesh)
        yield batch["image"], with_slots(on_devices, projection)


def _add(collected: Collected, outputs: list[dict[str, Any]], groups: list[tuple[Any, int]]) -> int:
    """Store what the step gave for one batch; return how many examples were new."""
    if not outputs:
        return 0
    arrays = {}
    for name in {name for each in outputs for name in each} - {"mask", "index"}:
        parts = [  # logits may be kept for fewer alphas, and come without room for more then
            np.asarray(each[name])[:count]
            for each, (_, count) in zip(outputs, groups, strict=True)
            if name in each
        ]
        arrays[name] = np.concatenate(parts)
    return collected.put(arrays, np.asarray(outputs[0]["index"]), np.asarray(outputs[0]["mask"]))
