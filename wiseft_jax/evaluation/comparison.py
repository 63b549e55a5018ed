"""Compare different models on the same images: all are run on everything, paired by image."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jax.sharding import Mesh

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, put_batch
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.paired import best_set, bootstrap_differences, holm, mcnemar
from wiseft_jax.core.progress import progress_bar
from wiseft_jax.core.projection import Projection
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation.candidates import Candidate, Candidates
from wiseft_jax.evaluation.collected import Collected
from wiseft_jax.evaluation.evaluator import check_dataset, own_batches
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.projections import with_slots

logger = logging.getLogger(__name__)

_BATCHES_AT_ONCE = 16
"""Decoded batches that a model is run on before the next one takes its place on the devices."""


def evaluate_models(
    models: Sequence[Candidate] | Candidates,
    dataset: Dataset,
    *,
    batch_size: int | None = None,
    mesh: Layout | Mesh | MeshConfig | None = None,
    num_threads: int = 16,
) -> list[Predictions]:
    """Return the predictions of each model.

    The set is read once for all models that take the same pixels. The weights of all models are in
    the host's memory, of one at a time on the devices, and of the images 16 batches. On a CPU each
    model gives the predictions that ``evaluate`` gives for it, bit for bit.

    Args:
      models: Of any architectures, and of the same classes; as ``Candidates`` they are compiled
        once for several sets.
      dataset: The images; those without a label are predicted but not counted.
      batch_size: As in ``evaluate``.
      mesh: As in ``evaluate``.
      num_threads: Decoding threads.

    Returns:
      For each model its predictions, whose one alpha is 0 and means nothing.

    Raises:
      InputError: Classes differ; no image has a label.
      BadImageError: If an image can't be read and ``dataset.on_bad_image`` is ``"stop"``.
    """
    candidates = Candidates.of(models, batch_size=batch_size, mesh=mesh, num_threads=num_threads)
    check_dataset(candidates.models[0].classifier, dataset)
    unlabelled = int(np.sum(dataset.labels < 0))
    if unlabelled:
        logger.warning("%s: %d images have no label and don't count", dataset.name, unlabelled)
    found: dict[int, Predictions] = {}
    with progress_bar(dataset.name, len(dataset) * len(models)) as advance:
        for places in candidates.of_same_images():
            collected = {place: Collected(dataset, 1) for place in places}
            batches = own_batches(
                candidates.models[places[0]].classifier, dataset, candidates.config
            )
            with batches:
                for block in _blocks(batches):
                    for place, each in collected.items():
                        advance(_run(candidates, place, block, each, dataset.projection))
            for place, each in collected.items():
                name = candidates.models[place].name
                found[place] = each.predictions((0.0,), batches.skipped, model=name)
    return [found[place] for place in range(len(candidates))]


def comparison_rows(
    found: Sequence[Predictions], names: Sequence[str], config_hash: str = ""
) -> list[dict[str, Any]]:
    """Return a result row for each model on one set, compared with the first model.

    Beside the fields of a ``Row``, without ``alpha``: ``model``; ``reference``, the first model;
    ``difference`` in accuracy from it, a fraction, with the ends of its 95 % interval by the paired
    bootstrap (``difference_low``, ``difference_high``); ``p_value`` of McNemar's exact test, and
    ``p_holm``, corrected for the comparisons on this set (both None for the first model itself);
    ``may_be_best``, whether the model is in the 95 % confidence set of the best one on images like
    these, of which the set is a sample (a race speaks of the set alone).

    Args:
      found: Predictions of the models, from ``evaluate_models``.
      names: What the models are called.
      config_hash: Of the configuration that made them.

    Raises:
      InputError: If they are of other images.
    """
    first = found[0]
    for name, each in zip(names, found, strict=True):
        if (each.dataset, each.ids) != (first.dataset, first.ids):
            raise InputError(
                f"{first.dataset}: {name} was run on other images ({len(each)}) than {names[0]}"
                f" ({len(first)}), so they can't be compared; if images could be read only now and"
                " then, try again"
            )
    correct = np.concatenate([each.correct for each in found])[:, first.labels >= 0]
    differences = bootstrap_differences(correct, 0)
    tests = [mcnemar(correct[0], other).p_value for other in correct[1:]]
    p_values = [None, *tests]
    corrected = [None, *holm(tests).tolist()]
    best = best_set(correct).members
    rows = []
    for place, (name, each) in enumerate(zip(names, found, strict=True)):
        (row,) = each.top1_rows(config_hash)
        rows.append(
            {
                **{field: value for field, value in row.items() if field != "alpha"},
                "model": name,
                "reference": names[0],
                "difference": float(differences.difference[place]),
                "difference_low": float(differences.low[place]),
                "difference_high": float(differences.high[place]),
                "p_value": p_values[place],
                "p_holm": corrected[place],
                "may_be_best": place in best,
            }
        )
    return rows


def _blocks(batches: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while block := list(itertools.islice(batches, _BATCHES_AT_ONCE)):
        yield block


def _run(
    candidates: Candidates,
    place: int,
    block: list[dict[str, Any]],
    collected: Collected,
    projection: Projection | None,
) -> int:
    """Run one model on some batches and store what it gives; return how many images it saw."""
    run = candidates.on_devices(place)
    outputs = []
    for batch in block:
        kept = {name: batch[name] for name in ("image", "mask")}
        index = batch["index"].astype(np.int32)
        on_devices = put_batch(kept | {"index": index}, candidates.config.layout.mesh)
        outputs.append(run(with_slots(on_devices, projection)))
    count = 0
    for each in outputs:
        arrays = {name: np.asarray(each[name])[:1] for name in each.keys() - {"mask", "index"}}
        count += collected.put(arrays, np.asarray(each["index"]), np.asarray(each["mask"]))
    return count
