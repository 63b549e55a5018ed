"""Result rows: the versioned schema of ``results.jsonl``, written and read without jax.

A number without its n, its interval and the configuration that made it is not a result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import Accuracy, Score
from wiseft_jax.core.older_roles import role_of_older
from wiseft_jax.core.row_checks import problem_of
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.core.writers import write_text

SCHEMA_VERSION = 2
"""1: matched references were shifts, and no shift named the one that it is set against."""

RESULTS_FILE = "results.jsonl"
MEAN_OF_SHIFTS = "mean of shifts"
"""What the unweighted mean over shifted sets is called beside their names."""


class Measured(TypedDict):
    """What each row has. Accuracies are fractions in [0, 1]; the interval is 95 %."""

    schema: int
    dataset: str
    split: Split
    role: Role
    alpha: float
    metric: str
    value: float
    n: int
    ci_low: float
    ci_high: float
    method: Literal["direct", "curve"]
    config_hash: str


class Row(Measured, total=False):
    """One measured value; of a continuous curve with its band.

    ``band_low`` and ``band_high`` are the value with every prediction that is still uncertain
    counted as wrong, and as right; rows of direct evaluation have none. Rows of the method
    ``curve`` that were written before bands were have none either. ``group`` is the group that the
    metric ``worst_region`` is of; its ``n`` counts that one's images. ``matched_reference``, of a
    shift, names the set that its accuracy is set against, where that isn't the whole reference.
    """

    band_low: float
    band_high: float
    group: str
    matched_reference: str


REQUIRED = tuple(Measured.__annotations__)


def accuracy_row(
    accuracy: Accuracy,
    *,
    dataset: str,
    split: Split,
    role: Role,
    alpha: float,
    config_hash: str,
    method: Literal["direct", "curve"] = "direct",
) -> Row:
    """Return the row of one top-1 accuracy with its exact (Clopper-Pearson) 95 % interval."""
    low, high = accuracy.interval()
    return Row(
        schema=SCHEMA_VERSION,
        dataset=dataset,
        split=split,
        role=role,
        alpha=float(alpha),
        metric="top1",
        value=accuracy.compute(),
        n=accuracy.n,
        ci_low=low,
        ci_high=high,
        method=method,
        config_hash=config_hash,
    )


def score_row(
    score: Score,
    *,
    metric: str,
    dataset: str,
    split: Split,
    role: Role,
    alpha: float,
    config_hash: str,
    group: str | None = None,
) -> Row:
    """Return the row of another metric than top-1 accuracy.

    Args:
      score: The number.
      metric: Its name, a key of ``core.scoring.METRICS``.
      dataset: As in every row.
      split: Likewise.
      role: Likewise.
      alpha: Likewise.
      config_hash: Likewise.
      group: The group that it is of, if any.
    """
    row = Row(
        schema=SCHEMA_VERSION,
        dataset=dataset,
        split=split,
        role=role,
        alpha=float(alpha),
        metric=metric,
        value=score.value,
        n=score.n,
        ci_low=score.low,
        ci_high=score.high,
        method="direct",
        config_hash=config_hash,
    )
    if group is not None:
        row["group"] = group
    return row


def write_rows(path: Path | str, rows: Iterable[Row]) -> None:
    """Write rows to ``path`` as JSON lines, atomically.

    Raises:
      ValueError: If a number is not finite: JSON has no NaN; nothing is written then.
    """
    write_text(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))


def read_rows(path: Path | str) -> list[Row]:
    """Return the rows of a ``results.jsonl`` file, or of a run directory that holds one.

    Raises:
      InputError: If the file is missing, a line isn't a row or has a field that
        can't be, or its schema is newer than this program's; the message names the file and the
        line, and the command that makes it again.
    """
    path = Path(path)
    path = path / RESULTS_FILE if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{path}: no such results file; give a run directory or a {RESULTS_FILE}")
    return cast(list[Row], read_rows_of_sets(path, "result row", REQUIRED, problem_of))


def read_rows_of_sets(
    path: Path,
    kind: str,
    required: Sequence[str],
    problem: Callable[[Mapping[str, Any]], str | None] = lambda row: None,
) -> list[dict[str, Any]]:
    """Return ``read_checked_rows`` of a run's file, in the directory of the run.

    Rows of older schemas have the roles that sets have now.

    Args:
      path: As there.
      kind: As there.
      required: As there.
      problem: Returns what is wrong with a row; None where nothing is.

    Raises:
      InputError: As there, with the sweep that makes the file again.
    """
    from wiseft_jax.core.last_sweep import sweep_command  # which imports this module
    from wiseft_jax.core.run_directory import RunDirectory  # likewise

    again = f"make it again: {sweep_command(RunDirectory(path.parent))}"
    rows = read_checked_rows(path, kind, required, problem=problem, again=again)
    for row in rows:
        if row["schema"] < 2:
            row["role"] = role_of_older(row["dataset"], row["role"])
    return rows


def read_checked_rows(
    path: Path,
    kind: str,
    required: Sequence[str],
    newest: int = SCHEMA_VERSION,
    problem: Callable[[Mapping[str, Any]], str | None] = lambda row: None,
    again: str = "",
) -> list[dict[str, Any]]:
    """Return the JSON objects of a file, one a line; empty lines don't count.

    Args:
      path: The file.
      kind: What a line is, for messages: ``"result row"``.
      required: What each must have, ``schema`` among it.
      newest: The newest schema that this program knows.
      problem: Returns what is wrong with an object that has all of these; None where nothing is.
      again: What makes a damaged file anew, for the end of the message.

    Raises:
      InputError: If a line isn't that, or its schema is newer than this program's; the message
        names the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(_with(f"{path}: expected text in UTF-8 ({error})", again)) from None
    rows = []
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _row_or_problem(line, kind, required)
        if isinstance(row, dict) and row["schema"] > newest:
            newer = f"schema {row['schema']} is newer than {newest}; upgrade wiseft-jax"
            raise InputError(f"{path}:{n}: {newer}")
        said = row if isinstance(row, str) else problem(row)
        if said is not None:
            raise InputError(_with(f"{path}:{n}: {said}", again))
        rows.append(row)
    return rows


def _with(said: str, again: str) -> str:
    return f"{said}; {again}" if again else said


def _row_or_problem(line: str, kind: str, required: Sequence[str]) -> dict[str, Any] | str:
    """Return the object that a line is, with what it must have; or what is wrong with it."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return f"not a JSON object ({error})"
    if not isinstance(row, dict):
        return f"expected a JSON object, found {type(row).__name__}"
    missing = [name for name in required if name not in row]
    if missing:
        return f"a {kind} lacks {', '.join(missing)}"
    if not isinstance(row["schema"], int) or isinstance(row["schema"], bool):
        return f"schema: expected a number, found {row['schema']!r}"
    return row


def of_two_sweeps(
    run_dir: Path | str,
    files: str,
    why: str = "",
    command: str = "wiseft sweep RUN, with its options",
) -> InputError:
    """Return the error for files of a run directory that aren't of one sweep.

    Args:
      run_dir: The run directory.
      files: Which, as ``"selection.json and results.jsonl"``.
      why: How that shows.
      command: What makes them of one again.
    """
    shown = f" ({why})" if why else ""
    return InputError(
        f"{run_dir}: {files} are of two sweeps{shown}: one was broken off while it replaced the"
        f" other; do it again: {command}"
    )


def with_matched_references(rows: Iterable[Row], names: Mapping[str, str]) -> list[Row]:
    """Return rows that name the matched reference of their set, where it has one.

    Args:
      rows: Of any sets.
      names: Set -> the matched reference that it is set against; ``""`` for none.
    """
    found = []
    for row in rows:
        named = row.copy()
        if name := names.get(row["dataset"]):
            named["matched_reference"] = name
        found.append(named)
    return found


def kind_of_set(split: str, role: str) -> str:
    """Return what a set is for, as tables say it: of a test set its role, else its split.

    Example:
      >>> kind_of_set("test", "matched_reference")
      'matched reference'
    """
    return role.replace("_", " ") if split == "test" else split


def select_rows(
    rows: Sequence[Row],
    *,
    dataset: str | None = None,
    split: Split | None = None,
    role: Role | None = None,
) -> list[Row]:
    """Return the rows that match every given field, in their order."""
    wanted = {"dataset": dataset, "split": split, "role": role}
    return [
        row
        for row in rows
        if all(value is None or row[name] == value for name, value in wanted.items())
    ]


def mean_over_shifts(rows: Sequence[Row]) -> dict[float, float]:
    """Return alpha -> unweighted mean of the shifts' top-1 (the paper's "avg. shifts")."""
    by_alpha: dict[float, list[float]] = {}
    for row in select_rows(rows, split="test", role="shift"):
        if row["metric"] != "top1":
            continue
        by_alpha.setdefault(row["alpha"], []).append(row["value"])
    return {alpha: sum(values) / len(values) for alpha, values in sorted(by_alpha.items())}


def metrics_at(rows: Iterable[Row], alpha: float) -> dict[str, dict[str, Any]]:
    """Return what was measured at one alpha, for the record of a model.

    By ``"dataset/split"`` for top-1, ``"dataset/split/metric"`` for other metrics.
    """
    fields = ("metric", "value", "n", "ci_low", "ci_high", "role", "band_low", "band_high", "group")
    known: Iterable[tuple[Row, dict[str, Any]]] = ((row, dict(row)) for row in rows)
    return {
        _record_name(row): {name: all_[name] for name in fields if name in all_}
        for row, all_ in known
        if row["alpha"] == alpha
    }


def _record_name(row: Row) -> str:
    name = f"{row['dataset']}/{row['split']}"
    return name if row["metric"] == "top1" else f"{name}/{row['metric']}"
