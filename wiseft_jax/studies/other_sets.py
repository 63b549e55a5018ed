"""A run's models on sets of other classes: what fine-tuning took from the zero-shot ability.

The image tower is the run's, between zero-shot and fine-tuned; the head is made of the set's own
class names by the text tower, which fine-tuning leaves as it is (a recipe that trains both towers
interpolates both). Source: Ilharco et al. 2022 (PAINT, arXiv 2208.05592), on supported tasks.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

from wiseft_jax.analysis.options import OTHER_SETS_DIR
from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import RESULTS_FILE, write_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.evaluation.predictions import Predictions, save_predictions
from wiseft_jax.experiment import ExperimentConfig, load_start
from wiseft_jax.studies.of_run import Ends

logger = logging.getLogger(__name__)


def evaluate_other_sets(
    config: ExperimentConfig,
    datasets: Sequence[Any],
    ends: Ends,
    run_directory: RunDirectory,
    templates: str | None = None,
) -> dict[str, Predictions]:
    """Evaluate the models of a run's sweep on sets of other classes, and store the predictions.

    Those of an earlier call are replaced.

    Args:
      config: The run's, as its sweep ran.
      datasets: Labelled in the order of their own classes, with distinct names.
      ends: Of the run.
      run_directory: Predictions and rows go to its ``other_sets``.
      templates: The prompt set of these sets' heads; the run's by default.

    Returns:
      Set -> its predictions, with ``class_names``.

    Raises:
      InputError: A set has the run's classes, or a name that another one has; alpha 0 isn't on the
        sweep's grid.
    """
    from wiseft_jax.evaluation.sweep import check_datasets, sweep

    classifier, _, theta_1 = ends
    if 0.0 not in config.sweep.alphas:
        raise InputError("sweep.alphas: expected 0 among them, to compare with; found none")
    model = dataclasses.replace(config.model, templates=templates or config.model.templates)
    own = dataclasses.replace(config, model=model)
    found: dict[str, Predictions] = {}
    for dataset in datasets:
        if tuple(dataset.class_names) == tuple(classifier.class_names):
            raise InputError(
                f"{dataset.name}: expected other classes than the run's, found the same; add it to"
                f" its sweep: wiseft sweep {run_directory.quoted} --data.shifts SPEC"
            )
        if dataset.name in found:
            raise InputError(f"sets: the name {dataset.name!r} is given twice; name one NAME=SPEC")
        other, start = load_start(own, dataset.class_names)
        check_datasets(other, [dataset])
        end = start | {name: part for name, part in theta_1.items() if name != "head"}
        logger.info("%s: %d classes of its own", dataset.name, len(dataset.class_names))
        result = sweep(
            other,
            start,
            end,
            [dataset],
            config.sweep.alphas,
            batch_size=config.sweep.batch_size,
            mesh=config.mesh,
            num_threads=config.data.num_threads,
        )
        predictions = result.predictions[dataset.name]
        names = tuple(dataset.class_names)
        found[dataset.name] = dataclasses.replace(predictions, class_names=names)
    _store(found, config_hash(config), run_directory)
    return found


def _store(found: dict[str, Predictions], identity: str, run_directory: RunDirectory) -> None:
    from wiseft_jax.core.distributed import is_first

    if not is_first():
        return
    directory = run_directory.path / OTHER_SETS_DIR
    save_predictions(directory, found.values())
    rows = [row for each in found.values() for row in each.rows(identity)]
    write_rows(directory / RESULTS_FILE, rows)
