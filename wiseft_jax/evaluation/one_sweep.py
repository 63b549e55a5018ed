"""Whether the rows and the predictions of a run directory are of one sweep; loads no jax."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.last_sweep import sweep_command
from wiseft_jax.core.results import RESULTS_FILE, Row, of_two_sweeps
from wiseft_jax.core.run_directory import PREDICTIONS_DIR, RunDirectory
from wiseft_jax.evaluation.predictions import Predictions

_SAME = 1e-9
"""Accuracies are quotients of the same counts: they differ by no more than their text does."""
_MOST_NAMED = 5


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
    """Refuse rows that aren't those of the predictions, by alphas, configuration and accuracies.

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
    _check_accuracies(run_dir, rows, predictions)


def _check_accuracies(
    run_dir: Path | str, rows: Sequence[Row], predictions: Mapping[str, Predictions]
) -> None:
    """Refuse top-1 rows that say another accuracy, or count other images, than the predictions."""
    counts = {
        (name, alpha): each.accuracy(place)
        for name, each in predictions.items()
        for place, alpha in enumerate(each.alphas)
    }
    problems = []
    for row in rows:
        found = counts.get((row["dataset"], row["alpha"]))
        if row["metric"] != "top1" or found is None:
            continue
        if row["n"] != found.n or abs(row["value"] - found.compute()) > _SAME:
            problems.append(
                f"{row['dataset']} at alpha {row['alpha']:g}: {row['value']:.6g} of {row['n']:,} in"
                f" the rows, {found.compute():.6g} of {found.n:,} by the predictions"
            )
    if problems:
        directory = RunDirectory(Path(run_dir))
        raise InputError(
            f"{directory.results_file}: not what {PREDICTIONS_DIR}/ give:"
            f" {'; '.join(problems[:_MOST_NAMED])}{_more(len(problems) - _MOST_NAMED)}; a file was"
            f" changed after it was written; make both again: {sweep_command(directory)}"
        )


def _more(count: int) -> str:
    return f"; and {counted(count, 'row')} more" if count > 0 else ""
