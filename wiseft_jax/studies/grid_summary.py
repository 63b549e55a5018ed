"""All that a study of hyper-parameters shows, from what its runs stored: ``grid.json``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from wiseft_jax.core.config_io import flat, from_dict, read_json
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies.grid_files import SCHEMA_VERSION, RunRow, StudyDirectory
from wiseft_jax.studies.of_run import RULES_FILE

logger = logging.getLogger(__name__)


def summarise(directory: StudyDirectory) -> dict[str, Any]:
    """Compute the facts of a study from its runs, and write them.

    Args:
      directory: The study, with a finished run at least.

    Returns:
      ``study`` (its fields, rule, alphas and failed runs), ``runs`` (for each its varied fields,
      its chosen alpha, and by alpha its accuracy on the reference and on the mean of the shifts),
      ``best`` (``best_runs``), ``spread`` (``spread_facts``) and ``rules`` (``rules_facts``; None
      without shifts).

    Raises:
      InputError: As ``load_results``.
    """
    from wiseft_jax.studies.grid_results import load_results
    from wiseft_jax.studies.grid_rules import costs_of_run, rules_facts
    from wiseft_jax.studies.grid_spread import best_runs, spread_facts

    study = directory.read_study()
    sweep = study["base"]["sweep"]
    costs = []

    def each_run(row: RunRow, predictions: Any) -> None:
        stored = stored_costs(directory.run_of(row))
        costs.append(costs_of_run(predictions, select_on=sweep["select_on"], stored=stored))

    results = load_results(directory, each_run)
    reference, shifts = results.reference, results.shifts
    runs = []
    for place, row in enumerate(results.rows):
        own = results.accuracies[place]
        runs.append(
            {
                "index": row["index"],
                "run": row["run"],
                "varied": varied_in(directory.run_of(row), study["fields"]),
                "chosen": float(results.chosen[place]),
                "reference": None if reference is None else own[reference].tolist(),
                "shifts": own[shifts].mean(axis=0).tolist() if shifts else None,
                "wall_secs": row["wall_secs"],
            }
        )
    facts = {
        "schema": SCHEMA_VERSION,
        "study": {
            "name": study["base"]["name"],
            "fields": study["fields"],
            "commands": study.get("commands", []),
            "rule": sweep["rule"],
            "method": sweep["method"],
            "alphas": list(results.alphas),
            "reference": None if reference is None else results.sets[reference].name,
            "reference_n": None if reference is None else results.sets[reference].n,
            "shifts": {results.sets[at].name: results.sets[at].n for at in shifts},
            "failed": [
                {"run": row["run"], "varied": row["varied"], "reason": row.get("failed")}
                for row in results.failed
            ],
        },
        "runs": runs,
        "best": best_runs(results),
        "spread": spread_facts(results),
        "rules": rules_facts(results, costs),
    }
    write_json(directory.facts_file, facts)
    return facts


def varied_in(run: RunDirectory, fields: Sequence[str]) -> dict[str, Any]:
    """Return the values of a run's fields, those too that began to vary after it was made."""
    values = flat(run.read_config())
    return {field: values.get(field) for field in fields}


def stored_costs(run: RunDirectory) -> list[dict[str, Any]]:
    """Return ``costs`` of a run's ``rules.json``; none where the file isn't there."""
    path = run.path / RULES_FILE
    return read_json(path)["costs"] if path.is_file() else []


def run_dawin(rows: Sequence[RunRow], data: ExperimentData, directory: StudyDirectory) -> None:
    """Let each run that has no ``rules.json`` predict with an alpha of its own for each image.

    Args:
      rows: Of the finished runs.
      data: The datasets.
      directory: The study.
    """
    from wiseft_jax import experiment
    from wiseft_jax.evaluation.sweep import SweepResult
    from wiseft_jax.studies.of_run import rule_costs

    todo = [row for row in rows if "failed" not in row]
    todo = [row for row in todo if not (directory.run_of(row).path / RULES_FILE).is_file()]
    for place, row in enumerate(todo):
        run = directory.run_of(row)
        logger.info("DaWin, run %d of %d: %s", place + 1, len(todo), run.path.name)
        config = from_dict(ExperimentConfig, run.read_config(), str(run.config_file))
        ends = experiment.load_endpoints(config, run)
        rule_costs(config, data, ends, SweepResult.load(run.path), run)
