"""Run each image at an alpha of its own, through layers that are linear in their parameters.

It runs as every other evaluation does: a batch is split over the devices, parameters lie where the
layout puts them, one program serves all datasets, and a batch's outputs are read while the devices
work on the next. What both ends share is multiplied once.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, Int32

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.delta import delta_logits
from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.gathering import split_over
from wiseft_jax.core.mesh import Layout, put_batch, replicated
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.backend import shared_of
from wiseft_jax.evaluation.engine import EngineConfig, compiler_options, summarise
from wiseft_jax.evaluation.evaluator import own_batches
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.projections import SLOTS, with_slots
from wiseft_jax.evaluation.sweep import placed

logger = logging.getLogger(__name__)


def predictors(
    classifier: Classifier,
    theta_0: Params,
    theta_1: Params,
    datasets: Mapping[str, Dataset],
    *,
    batch_size: int | None = None,
    mesh: Layout | Mesh | MeshConfig | None = None,
    num_threads: int = 16,
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return by dataset ``alphas float[N] -> top1 int32[N]``, image i by the model at its alpha.

    The class is -1 where the logits are not finite, or the image can't be read: never right, and
    said. The ends are compared and put on the devices when the first of these functions is called,
    and stay there while one of them is held. With several processes all of them must call.

    Args:
      classifier: The model as a function of its parameters.
      theta_0: The parameters at alpha = 0, host or device arrays.
      theta_1: Those at alpha = 1.
      datasets: By name, N images each (``readable`` leaves out those that a sweep skipped).
      batch_size: As in ``sweep``.
      mesh: As in ``sweep``; devices of its axis ``alpha`` share the batch too.
      num_threads: Decoding threads.

    Example:
      >>> sets = {"sketch": readable(sketch, predictions["sketch"])}
      >>> dawin = predictors(classifier, theta_0, theta_1, sets)
      >>> benchmark_rules(predictions, predict_at=dawin)
    """

    @functools.cache
    def ready() -> tuple[EngineConfig, tuple[Params, Params]]:
        config = EngineConfig.resolve(
            theta_0,
            backend="delta",
            batch_size=batch_size,
            mesh=Layout.of(mesh).for_training(),
            num_threads=num_threads,
            shared=shared_of("delta", classifier, theta_0, theta_1),
        )
        return config, placed(config, theta_0, theta_1)

    def predictor(dataset: Dataset) -> Callable[[np.ndarray], np.ndarray]:
        return lambda alphas: _predict(classifier, *ready(), dataset, alphas)

    return {name: predictor(dataset) for name, dataset in datasets.items()}


def _predict(
    classifier: Classifier,
    config: EngineConfig,
    ends: tuple[Params, Params],
    dataset: Dataset,
    alphas: Float[np.ndarray, " N"],
) -> Int32[np.ndarray, " N"]:
    if len(alphas) != len(dataset):
        raise InputError(
            f"{dataset.name}: {len(alphas)} alphas for {len(dataset)} images; leave out those"
            " that can't be read (per_example.readable)"
        )
    mesh = config.layout.mesh
    step = _compiled_step(classifier, config.layout, config.shared.canonical)
    top1 = np.full(len(dataset), -1, np.int32)
    read, invalid = 0, 0

    def keep(outputs: dict[str, Any]) -> int:
        nonlocal read, invalid
        found = {name: np.asarray(array) for name, array in outputs.items()}
        mask, index = found["mask"], found["index"]
        finite = mask & ~np.isnan(found["margin"])
        top1[index[finite]] = dataset.as_labelled(found["top1"][finite], index[finite])
        read += int(mask.sum())
        invalid += int(np.sum(mask & ~finite))
        return int(np.sum(index >= 0))

    batches = own_batches(classifier, dataset, config)
    with batches, progress_bar(dataset.name, len(dataset)) as advance:
        pending: list[dict[str, Any]] = []
        for batch in batches:
            mask, index = batch["mask"], batch["index"].astype(np.int32)
            own = np.where(mask, np.asarray(alphas, np.float32)[index], np.float32(0))
            rows = {"image": batch["image"], "mask": mask, "index": index, "alpha": own}
            pending.append(step(*ends, with_slots(put_batch(rows, mesh), dataset.projection)))
            if len(pending) > 1:  # the devices work on the last one meanwhile
                advance(keep(pending.pop(0)))
        for outputs in pending:
            advance(keep(outputs))
    if invalid:
        logger.warning(
            "%s: the logits of %d images are not finite at their own alpha; they count as wrong",
            dataset.name,
            invalid,
        )
    if unread := len(dataset) - read:
        logger.warning(
            "%s: %s that the sweep read can't be read any more; such count as wrong",
            dataset.name,
            counted(unread, "image"),
        )
    return top1


@functools.lru_cache(maxsize=2)  # an entry keeps its classifier alive
def _compiled_step(
    classifier: Classifier, layout: Layout, same: frozenset[str]
) -> Callable[..., dict[str, Any]]:
    """Return ``step(theta_0, theta_1, batch)``: ``top1`` and ``margin`` [B], on every device."""

    def own_alpha_step(theta_0: Params, theta_1: Params, batch: dict[str, Any]) -> dict[str, Any]:
        with split_over(layout.mesh):
            logits = delta_logits(
                classifier, theta_0, theta_1, batch["alpha"], batch["image"], same
            )
        outputs = summarise(logits, keep_logits=False, slots=batch.get(SLOTS))
        return {name: outputs[name] for name in ("top1", "margin")} | {
            name: batch[name] for name in ("index", "mask")
        }

    return jax.jit(
        own_alpha_step,
        out_shardings=replicated(layout.mesh),
        compiler_options=compiler_options(layout),
    )


def readable(dataset: Dataset, predictions: Predictions) -> Dataset:
    """Return the images of ``dataset`` that ``predictions`` are of, in their order.

    Raises:
      InputError: If an image of the predictions isn't in the dataset.
    """
    places = {dataset.id(position): position for position in range(len(dataset))}
    lost = [name for name in predictions.ids if name not in places]
    if lost:
        raise InputError(f"{dataset.name}: no image {lost[0]!r}, which was predicted")
    return dataset.subset(np.array([places[name] for name in predictions.ids], np.int64))
