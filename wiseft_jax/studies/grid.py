"""Fine-tune under many configurations, each an ordinary run; stop and go on at any time.

Wortsman et al. (2022) show that models which are alike on the reference scatter widely under shift
as soon as hyper-parameters change, and that WiSE-FT takes most of that scatter away. Here every
configuration is a run directory, made by the code of ``wiseft run``; what they show together is
computed from the predictions that their sweeps store (``grid_results``).
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from wiseft_jax import experiment
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.errors import InputError, Interrupted, NonFiniteLossError
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies.grid_config import NEUTRAL, Variation
from wiseft_jax.studies.grid_files import SCHEMA_VERSION, RunRow, StudyDirectory, index_of
from wiseft_jax.studies.grid_spread import CONSTANT
from wiseft_jax.training.config import TWO_TOWER_RECIPES

logger = logging.getLogger(__name__)

Finished = Callable[[ExperimentConfig, ExperimentData, Any, RunDirectory], object]
"""What is done with each run's ``WiseFT``: its pictures and its report, say."""


def base_of_study(config: ExperimentConfig, *, keep_checkpoints: bool) -> ExperimentConfig:
    """Return the configuration that a study varies.

    No merged model is written (``wiseft export RUN`` makes one), and of the checkpoints the last
    one is kept, which holds theta_1.

    Args:
      config: Of the preset and the options.
      keep_checkpoints: Keep those that the configuration says.

    Raises:
      InputError: If all runs would share a directory of checkpoints.
    """
    if config.checkpoints.directory is not None:
        raise InputError(
            "checkpoints.directory: each run of a study keeps its checkpoints in its own directory;"
            " leave it out"
        )
    kept = config.checkpoints if keep_checkpoints else CheckpointConfig(keep_latest=1, keep_best=0)
    return dataclasses.replace(config, export=False, checkpoints=kept)


def unfinished(
    variations: Sequence[Variation], directory: StudyDirectory
) -> tuple[list[Variation], list[RunRow]]:
    """Return the configurations that have no finished run, and the rows of the runs that are there.

    A row whose run directory is gone doesn't count, which is said.
    """
    kept = []
    for row in directory.read_rows():
        if "failed" in row or directory.run_of(row).results_file.is_file():
            kept.append(row)
        else:
            logger.warning(
                "%s: run %s is gone; it is made again where it is asked for",
                directory.path,
                row["run"],
            )
    there = {row["key"] for row in kept}
    return [each for each in variations if each.key not in there], kept


def run_study(
    variations: Sequence[Variation],
    data: ExperimentData,
    directory: StudyDirectory,
    *,
    finished: Finished | None = None,
) -> list[RunRow]:
    """Make every run that isn't there yet; the zero-shot model is made once.

    Args:
      variations: The configurations.
      data: The datasets of all of them.
      directory: Prepared for them. After each run its rows are written.
      finished: What is done with each run beside its own files.

    Returns:
      The rows of all runs in the directory, those of earlier calls included.

    Raises:
      Interrupted: A signal stopped a fine-tune, which is saved; says how to go on.
    """
    todo, rows = unfinished(variations, directory)
    asked = {each.key for each in variations}
    others = sum(row["key"] not in asked for row in rows)
    logger.info(
        "%d configurations, %d finished, %d to go%s",
        *(len(variations), len(variations) - len(todo), len(todo)),
        f"; {others} runs of earlier calls are part of the study too" if others else "",
    )
    if not todo:
        return rows
    starts: dict[bool, Any] = {}  # most recipes start from the same head, two make their own
    spent = 0.0
    for place, variation in enumerate(todo):
        run = directory.run_directory(variation)
        kind = variation.config.training.recipe in TWO_TOWER_RECIPES
        if kind not in starts:
            starts[kind] = experiment.load_start(variation.config, data.class_names)
        logger.info("run %d of %d, %s: %s", place + 1, len(todo), run.path.name, variation.name)
        try:
            row = run_one(variation, data, run, starts[kind], finished)
        except Interrupted as error:
            raise _stopped(error, run, len(rows), directory) from None
        row["run"] = run.path.relative_to(directory.path).as_posix()
        rows.append(row)
        directory.write_rows(rows)
        spent += row["wall_secs"]
        _log_row(row, left_secs=spent / (place + 1) * (len(todo) - place - 1))
    return sorted(rows, key=lambda row: row["index"])


def run_one(
    variation: Variation,
    data: ExperimentData,
    run: RunDirectory,
    start: tuple[Any, Any],
    finished: Finished | None = None,
) -> RunRow:
    """Fine-tune and sweep one configuration, from its checkpoint if it has one; return its row.

    Args:
      variation: The configuration.
      data: The datasets.
      run: Its directory; made if it isn't there.
      start: The classifier and theta_0.
      finished: What is done with its ``WiseFT``.
    """
    resumed = run.path.is_dir() and any(run.path.iterdir())
    neutral = (*NEUTRAL, "name", "checkpoints.")
    run.prepare(variation.config, resume=resumed, overwrite=False, neutral=neutral)
    began = time.monotonic()
    row: RunRow = {
        "schema": SCHEMA_VERSION,
        "index": index_of(run.path),
        "key": variation.key,
        "config_hash": config_hash(variation.config),
        "varied": variation.varied,
        "run": run.path.name,
        "wall_secs": 0.0,
        "resumed": resumed,
    }
    try:
        outcome = experiment.run(variation.config, data, run, resume=resumed, start=start)
    except NonFiniteLossError as error:
        logger.warning("%s: %s; the study goes on without it", run.path, error)
        row["failed"] = str(error)
    else:
        if finished is not None:
            finished(variation.config, data, outcome, run)
        row["selection"] = outcome.selection.facts()
        row["sets"] = accuracies_of(outcome.sweep, outcome.selection.alpha)
    row["wall_secs"] = round(time.monotonic() - began, 3)
    return row


def accuracies_of(result: Any, chosen: float) -> list[dict[str, Any]]:
    """Return the accuracies of a row, for each labelled set.

    Args:
      result: A ``SweepResult``.
      chosen: The alpha that the rule chose.
    """
    named = {"zero_shot": 0.0, "constant": CONSTANT, "chosen": chosen, "fine_tuned": 1.0}
    found = []
    for each in result.predictions.values():
        counts = {at: each.accuracy(place) for place, at in enumerate(each.alphas)}
        n = next(iter(counts.values())).n
        if not n:
            continue
        best = max(counts, key=lambda at: counts[at].hits)  # of equals the smallest
        facts: dict[str, Any] = {"dataset": each.dataset, "split": each.split, "role": each.role}
        facts["n"] = n
        for name, at in (*named.items(), ("best", best)):
            if at in counts:
                facts[name] = _accuracy_facts(at, counts[at])
        found.append(facts)
    return found


def _accuracy_facts(alpha: float, accuracy: Accuracy) -> dict[str, float]:
    low, high = accuracy.interval()
    return {"alpha": alpha, "value": accuracy.compute(), "ci_low": low, "ci_high": high}


def _stopped(
    error: Interrupted, run: RunDirectory, there: int, directory: StudyDirectory
) -> Interrupted:
    """Return the interruption with the command that continues the study, not the run."""
    from wiseft_jax.core.interrupt import how_to_continue

    what = str(error).partition("; to continue")[0]
    return Interrupted(
        f"{what}; {there} finished runs are in {directory.path}; {how_to_continue(directory.path)}"
    )


def _log_row(row: RunRow, left_secs: float) -> None:
    said = []
    for each in row.get("sets", []):
        if each["split"] == "test":
            value = " -> ".join(
                f"{100 * each[name]['value']:.1f}"
                for name in ("zero_shot", "chosen", "fine_tuned")
                if name in each
            )
            said.append(f"{each['dataset']} {value}")
    logger.info("%s", "; ".join(said) or "failed")
    logger.info("it took %.0f s; about %.0f min left", row["wall_secs"], left_secs / 60)
