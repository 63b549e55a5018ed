"""WiSE-FT against its alternatives on one chart: train what has to be trained, evaluate, sum up.

One standard fine-tuning gives the curve of WiSE-FT, both ensembles of outputs, the random
interpolations and the early stops. Averages over training, regularisers and smaller learning rates
are fine-tunings of their own. Each is an ordinary run of the study's directory (``studies.grid``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.analysis_rows import write_analysis_rows
from wiseft_jax.core.errors import NonFiniteLossError
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions, load_predictions
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies.alternatives_config import (
    STANDARD,
    AlternativesConfig,
    Trained,
    models_to_train,
)
from wiseft_jax.studies.alternatives_summary import (
    Answers,
    answers_of,
    check_same_images,
    summarise,
)
from wiseft_jax.studies.grid import run_study
from wiseft_jax.studies.grid_files import RunRow, StudyDirectory

logger = logging.getLogger(__name__)

ROWS_FILE = "alternatives.jsonl"
FACTS_FILE = "alternatives.json"


def alternatives_study(
    config: AlternativesConfig,
    base: ExperimentConfig,
    data: ExperimentData,
    directory: StudyDirectory,
) -> dict[str, Any]:
    """Train and evaluate what isn't there yet, and sum up all of it.

    Args:
      config: What is compared.
      base: What ``base_config`` returned.
      data: The datasets.
      directory: Prepared for it.

    Returns:
      What ``alternatives.json`` holds: ``alternatives_summary.summarise``, the study's name and
      calls, and the runs that diverged. ``alternatives.jsonl`` has the rows.

    Raises:
      Interrupted: A signal stopped a fine-tuning, which is saved.
      NonFiniteLossError: The standard fine-tuning diverged.
    """
    trained = models_to_train(config, base)
    rows = run_study([each.variation for each in trained], data, directory)
    by_key = {row["key"]: row for row in rows}
    own = [(each, by_key[each.variation.key]) for each in trained]
    if "failed" in own[0][1]:
        raise NonFiniteLossError(f"the standard fine-tuning failed: {own[0][1].get('failed')}")
    models, sets = _models(config, own, data, directory)
    facts, found = summarise(models, list(sets.values()), config.seed)
    study = directory.read_study()
    facts["study"] = {
        "name": base.name,
        "commands": study.get("commands", []),
        "runs": len(own),
        "failed": [
            {"method": each.method, "value": each.value, "reason": row.get("failed")}
            for each, row in own
            if "failed" in row
        ],
        "secs": round(sum(row["wall_secs"] for _, row in own), 1),
    }
    write_analysis_rows(directory.path / ROWS_FILE, found)
    write_json(directory.path / FACTS_FILE, facts)
    return facts


def _models(
    config: AlternativesConfig,
    own: Sequence[tuple[Trained, RunRow]],
    data: ExperimentData,
    directory: StudyDirectory,
) -> tuple[list[Answers], dict[str, Predictions]]:
    """Return what every model gets right, and the standard one's predictions by dataset."""
    from wiseft_jax import experiment
    from wiseft_jax.studies.alternatives_models import average_of, evaluated, parts_of_standard

    standard, row = own[0]
    assert standard.method == STANDARD
    run, variation = directory.run_of(row), standard.variation
    stored = load_predictions(run.path)
    swept = {name: stored[name] for name in (each["dataset"] for each in row.get("sets", []))}
    models = _of_standard(swept, row["config_hash"], run.path)
    ends = experiment.load_endpoints(variation.config, run)
    parts = list(parts_of_standard(config, ends, variation.config, run))
    made = [(run, row, evaluated(parts, ends[0], variation.config, data, run))]
    for each, row in own[1:]:
        if "failed" in row:
            continue
        run = directory.run_of(row)
        if each.method == "ema":
            part = average_of(each.value or 0.0, ends[1], each.variation.config, run)
            found = evaluated([part], ends[0], each.variation.config, data, run)
            made.append((run, row, found))
            continue
        predictions = load_predictions(run.path)
        check_same_images(swept, predictions, str(run.path))
        value = each.value or 0.0
        models.append(answers_of(each.method, value, predictions, 1.0, row["config_hash"]))
    for run, row, found in made:
        for part, predictions in found:
            check_same_images(swept, predictions, str(run.path))
            alpha = next(iter(predictions.values())).alphas[0]
            hashed = row["config_hash"]
            models.append(answers_of(part.method, part.value, predictions, alpha, hashed))
    return models, swept


def _of_standard(swept: Mapping[str, Predictions], config_hash: str, where: Path) -> list[Answers]:
    """Return WiSE-FT's curve, and both ensembles of outputs at its alphas."""
    from wiseft_jax.analysis.ensembles import KINDS, can_be_mixed, ensemble_right

    alphas = next(iter(swept.values())).alphas
    models = [answers_of("wise_ft", alpha, swept, alpha, config_hash) for alpha in alphas]
    if not all(can_be_mixed(each) for each in swept.values()):
        logger.warning("%s: the ensembles of outputs are left out, see above", where)
        return models
    inside = [alpha for alpha in alphas if 0 <= alpha <= 1]
    right: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for name, each in swept.items():
        known = each.labels >= 0
        ends = [each.logits_at(alpha)[known] for alpha in (0.0, 1.0)]
        for kind in KINDS:
            right[kind][name] = ensemble_right(kind, ends[0], ends[1], each.labels[known], inside)
    for kind in KINDS:
        for place, alpha in enumerate(inside):
            own = {name: array[place] for name, array in right[kind].items()}
            models.append(Answers(f"{kind}_ensemble", alpha, own, config_hash))
    return models
