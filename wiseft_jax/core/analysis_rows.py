"""Rows of the analyses: the schema of ``RUN/analyses/NAME.jsonl``, written and read without jax.

A number without its n, its interval and the configuration that made it is not a result.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.paired import holm
from wiseft_jax.core.results import read_checked_rows
from wiseft_jax.core.typing import Role, Split
from wiseft_jax.core.writers import write_text

ANALYSIS_SCHEMA = 1
ANALYSES_DIR = "analyses"


class AnalysisRow(TypedDict):
    """One number of an analysis. Shares are fractions in [0, 1]; the interval is 95 %.

    Attributes:
      schema: ``ANALYSIS_SCHEMA``.
      analysis: A key of ``analysis.table.ANALYSES``.
      metric: What ``value`` is, such as ``"prediction_diversity"``.
      dataset: The set; None of what no single set has, such as distances of weights.
      split: The set's.
      role: The set's.
      alpha: Where along the path; None of what is of all of it, or of none.
      other: What it is compared with, in words (``"zero_shot"``, ``"alpha 1"``).
      group: Of which part it is: a class, a layer, a pair, an example.
      value: The number; finite.
      n: What it is counted or averaged over: labelled examples, unless the metric says otherwise.
      ci_low: The lower end of its interval; None where there is none.
      ci_high: The upper end.
      p_value: Of a test that nothing differs, where two things are compared.
      p_holm: The same, corrected by Holm's method for the tests that were made together.
      seed: Of what was drawn for the interval; None where nothing was.
      config_hash: Of the configuration that made the predictions.
    """

    schema: int
    analysis: str
    metric: str
    dataset: str | None
    split: Split | None
    role: Role | None
    alpha: float | None
    other: str | None
    group: str | None
    value: float
    n: int
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    p_holm: float | None
    seed: int | None
    config_hash: str


def analysis_row(
    analysis: str,
    metric: str,
    value: float,
    n: int,
    *,
    config_hash: str,
    dataset: str | None = None,
    split: Split | None = None,
    role: Role | None = None,
    alpha: float | None = None,
    other: str | None = None,
    group: str | None = None,
    interval: Sequence[float] | None = None,
    p_value: float | None = None,
    p_holm: float | None = None,
    seed: int | None = None,
) -> AnalysisRow:
    """Return a row of plain Python values; see ``AnalysisRow``.

    Args:
      analysis: As in the row.
      metric: Likewise.
      value: Likewise.
      n: Likewise.
      config_hash: Likewise.
      dataset: Likewise.
      split: Likewise.
      role: Likewise.
      alpha: Likewise.
      other: Likewise.
      group: Likewise.
      interval: ``(ci_low, ci_high)``.
      p_value: Likewise.
      p_holm: Likewise.
      seed: Likewise.
    """
    low, high = (None, None) if interval is None else (float(interval[0]), float(interval[1]))
    return AnalysisRow(
        schema=ANALYSIS_SCHEMA,
        analysis=analysis,
        metric=metric,
        dataset=dataset,
        split=split,
        role=role,
        alpha=None if alpha is None else float(alpha),
        other=other,
        group=group,
        value=float(value),
        n=int(n),
        ci_low=low,
        ci_high=high,
        p_value=None if p_value is None else float(p_value),
        p_holm=None if p_holm is None else float(p_holm),
        seed=None if seed is None else int(seed),
        config_hash=config_hash,
    )


def add_p_holm(
    rows: Iterable[AnalysisRow],
    family: Callable[[AnalysisRow], Hashable] = lambda row: row["analysis"],
    twins: Collection[str] = (),
) -> None:
    """Set ``p_holm`` of every row that has a ``p_value``: Holm's correction of each family.

    A test is told from others by analysis, metric, dataset, alpha, other and group, whatever its
    p-value. What was won and what was lost at one alpha are two metrics of one test, which counts
    once: such metrics are named.

    Args:
      rows: Of an analysis; changed in place.
      family: What rows have in common whose tests are made together; all rows by default.
      twins: Metrics that tell of one test, where all else is the same.

    Raises:
      ValueError: If rows of one test have other p-values.
    """
    families: dict[Hashable, dict[Hashable, list[AnalysisRow]]] = {}
    for row in rows:
        if row["p_value"] is not None:
            metric = tuple(twins) if row["metric"] in twins else row["metric"]
            place = (row["dataset"], row["alpha"], row["other"], row["group"])
            own = families.setdefault(family(row), {})
            own.setdefault((row["analysis"], metric, *place), []).append(row)
            first = own[row["analysis"], metric, *place][0]
            if first["p_value"] != row["p_value"]:
                raise ValueError(
                    f"{row['analysis']}: {first['metric']} and {row['metric']} of {place} are one"
                    f" test: expected one p-value, found {first['p_value']} and {row['p_value']}"
                )
    for tests in families.values():
        corrected = holm([own[0]["p_value"] or 0.0 for own in tests.values()])
        for own, p_holm in zip(tests.values(), corrected.tolist(), strict=True):
            for row in own:
                row["p_holm"] = p_holm


def analysis_file(run_dir: Path | str, name: str) -> Path:
    """Return where the rows of an analysis of a run are stored."""
    return Path(run_dir) / ANALYSES_DIR / f"{name}.jsonl"


def stored_analyses(run_dir: Path | str) -> list[str]:
    """Return the names of the analyses whose rows a run directory holds, sorted."""
    return sorted(path.stem for path in (Path(run_dir) / ANALYSES_DIR).glob("*.jsonl"))


def write_analysis_rows(path: Path | str, rows: Iterable[AnalysisRow]) -> None:
    """Write rows to ``path`` as JSON lines, atomically.

    Raises:
      ValueError: If a number is not finite: JSON has no NaN; nothing is written then.
    """
    write_text(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))


def read_analysis_rows(path: Path | str, name: str | None = None) -> list[AnalysisRow]:
    """Return the rows of one analysis.

    Args:
      path: A ``.jsonl`` file; with ``name``, a run directory.
      name: The analysis.

    Raises:
      InputError: If the file is missing, a line isn't a row, or its schema is newer than this
        program's; the message names the file and the line.

    Example:
      >>> read_analysis_rows("runs/mine", "diversity")[0]["metric"]
      'prediction_diversity'
    """
    file = Path(path) if name is None else analysis_file(path, name)
    if not file.is_file():
        stored = stored_analyses(path)
        if name is not None and stored:
            raise unknown_name("stored analysis", name, stored)
        raise InputError(f"{file}: no such rows; make them: wiseft report RUN --analyses NAME")
    required = list(AnalysisRow.__annotations__)
    found = read_checked_rows(file, "row of an analysis", required, newest=ANALYSIS_SCHEMA)
    for place, row in enumerate(found, 1):
        _check(row, f"{file}: row {place}")
    return cast(list[AnalysisRow], found)


def _check(row: dict[str, Any], where: str) -> None:
    value, n, ends = row["value"], row["n"], (row["ci_low"], row["ci_high"])
    if not _is_number(value):
        raise InputError(f"{where}: value: expected a finite number, found {value!r}")
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise InputError(f"{where}: n: expected a count, found {n!r}")
    if ends != (None, None) and not all(map(_is_number, ends)):
        raise InputError(f"{where}: ci_low, ci_high: expected two numbers or none, found {ends}")


def _is_number(value: Any) -> bool:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and math.isfinite(value)
