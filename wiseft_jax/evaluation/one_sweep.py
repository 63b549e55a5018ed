"""Whether the rows and the predictions of a run directory are of one sweep; loads no jax."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import RESULTS_FILE, Row, of_two_sweeps
from wiseft_jax.core.run_directory import PREDICTIONS_DIR, RunDirectory
from wiseft_jax.evaluation.predictions import Predictions


def read_sweep_facts(run_dir: Path | str) -> dict[str, Any]:
    """Return what a sweep recorded beside its predictions; {} of versions that recorded nothing.

    Raises:
      InputError: If it isn't a JSON object.
    """
    path = RunDirectory(Path(run_dir)).sweep_facts_file
    if not path.exists():
        return {}
    try:
        facts = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: can't be read as facts of a sweep ({error})") from error
    if not isinstance(facts, dict):
        found = type(facts).__name__
        raise InputError(f"{path}: can't be read as facts of a sweep (a {found}, not an object)")
    return facts


def check_of_one_sweep(
    run_dir: Path | str,
    rows: Sequence[Row],
    predictions: Mapping[str, Predictions],
    config_hash: str | None,
) -> None:
    """Refuse rows that aren't those of the predictions, by their alphas and configuration.

    Args:
      run_dir: For the message.
      rows: Of ``results.jsonl``.
      predictions: Dataset -> its predictions.
      config_hash: What the predictions' facts say; None where they say none.

    Raises:
      InputError: Says how it shows.
    """
    problems = [
        f"{name}: {len(alphas)} alphas in the rows and {len(each.alphas)} in the predictions, or"
        " others"
        for name, each in predictions.items()
        if (alphas := {row["alpha"] for row in rows if row["dataset"] == name}) != {*each.alphas}
    ]
    hashes = sorted({row["config_hash"] for row in rows})
    if config_hash is not None and hashes != [config_hash]:
        found = f"{', '.join(hashes)} of the rows, {config_hash} of the predictions"
        problems.append(f"configurations: {found}")
    if problems:
        raise of_two_sweeps(run_dir, f"{RESULTS_FILE} and {PREDICTIONS_DIR}/", "; ".join(problems))
