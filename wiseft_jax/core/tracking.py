"""Copies of a run's log and results for other programs, behind one protocol.

``train.jsonl`` and ``results.jsonl`` are the record; what is written here is made of them, whole,
in each session. So a resumed run has no step twice, whatever a kill left behind.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from wiseft_jax.core.results import MEAN_OF_SHIFTS, Row, mean_over_shifts

logger = logging.getLogger(__name__)

_NOT_SCALARS = ("step", "count", "hits", "time")
_VALIDATION = "validation_accuracy"


class MetricsWriter(Protocol):
    """What a tracker must be able to do. Whatever a method raises ends this writer, not the run."""

    def scalars(self, step: int, values: Mapping[str, float], time_secs: float | None) -> None:
        """Write numbers of a step.

        Args:
          step: The step of training.
          values: ``"train/loss"``, ``"validation/accuracy"``, ... -> finite number.
          time_secs: When they were measured, seconds since 1970; None: not known.
        """

    def text(self, name: str, text: str) -> None:
        """Write a text (Markdown) under a name."""

    def rows(self, rows: Sequence[Row], selection: Mapping[str, Any]) -> None:
        """Write the results: every set's rows by alpha, and which alpha was chosen.

        Args:
          rows: Of every set, alpha and metric.
          selection: ``Selection.facts()``.
        """

    def close(self) -> None:
        """Finish."""


class Tracker:
    """Some writers, none of which can stop a run.

    A writer that fails is left out from then on, with a warning that names it and why; the others
    and ``train.jsonl`` go on. Its copy is made whole by the next session (``--resume``,
    ``wiseft sweep``).

    Args:
      openers: Name -> what opens the writer, called at the first use.
    """

    def __init__(self, openers: Mapping[str, Callable[[], MetricsWriter]]) -> None:
        self._openers = dict(openers)
        self._writers: dict[str, MetricsWriter] = {}

    def replay(self, train_log: Path) -> None:
        """Write the records that are in the log already.

        Args:
          train_log: ``train.jsonl``, without records of steps that will be done again; it may be
            missing. A line that isn't a record is passed over with a warning.
        """
        if not self._openers and not self._writers:
            return
        self._open()
        lines = train_log.read_text(encoding="utf-8").splitlines() if train_log.is_file() else []
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                record["step"] = int(record["step"])
            except (json.JSONDecodeError, KeyError, TypeError, ValueError):
                logger.warning("%s:%d: not a record; tracking leaves it out", train_log, number)
                continue
            self.record(record)

    def record(self, record: Mapping[str, Any]) -> None:
        """Write one record of ``train.jsonl``."""
        step, time_secs = record["step"], record.get("time")
        values = scalars_of(record)
        if values:
            self._each(f"step {step}", lambda writer: writer.scalars(step, values, time_secs))
        for name, text in texts_of(record).items():
            self._each(f"step {step}", lambda writer, *said: writer.text(*said), name, text)

    def rows(self, rows: Sequence[Row], selection: Mapping[str, Any]) -> None:
        """Write the results."""
        self._each("the results", lambda writer: writer.rows(rows, selection))

    def close(self) -> None:
        """Finish every writer."""
        self._openers = {}
        self._each("the end", lambda writer: writer.close())
        self._writers = {}

    def _open(self) -> None:
        openers, self._openers = self._openers, {}
        for name, opener in openers.items():
            try:
                self._writers[name] = opener()
            except Exception as error:
                self._warn(name, "the start", error)

    def _each(self, when: str, call: Callable[..., None], *arguments: Any) -> None:
        self._open()
        for name, writer in list(self._writers.items()):
            try:
                call(writer, *arguments)
            except Exception as error:  # a disk that fills up, a service that died: whatever it is
                del self._writers[name]
                self._warn(name, when, error)
                with contextlib.suppress(Exception):
                    writer.close()

    def _warn(self, name: str, when: str, error: Exception) -> None:
        logger.warning(
            "tracking: %s failed at %s (%s: %s) and gets nothing more; the run and train.jsonl go"
            " on, and --resume or wiseft sweep, with --tracking.writers %s, makes the copy whole",
            name,
            when,
            type(error).__name__,
            error,
            name,
        )


def scalars_of(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a record of ``train.jsonl`` by the names that trackers show.

    Example:
      >>> scalars_of({"step": 3, "loss": 0.5, "hits": 7, "count": 10, "accuracy": 0.7})
      {'train/loss': 0.5, 'train/accuracy': 0.7}
    """
    if _VALIDATION in record:
        return {"validation/accuracy": float(record[_VALIDATION])}
    return {
        f"train/{name}": float(value)
        for name, value in record.items()
        if name not in _NOT_SCALARS and _is_number(value)
    }


def _is_number(value: Any) -> bool:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return numeric and math.isfinite(value)


def texts_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what a record of ``train.jsonl`` says in words, by name."""
    found = {}
    if "skipped" in record:
        listed = "\n".join(f"- `{each}`" for each in record["skipped"])
        found["images left out"] = listed
    if record.get("finite") is False:
        ids = "\n".join(f"- `{each}`" for each in record.get("ids", ()))
        found["stopped"] = f"step {record['step']}: the loss is not finite; the batch:\n{ids}"
    return found


def results_at(rows: Sequence[Row], selection: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers that tell runs apart: accuracies at alpha 0, the chosen one, and 1.

    Args:
      rows: Of every set and alpha.
      selection: ``Selection.facts()``.

    Returns:
      ``"chosen alpha"``, ``"zero-shot/<set>"``, ``"chosen/<set>"``, ``"fine-tuned/<set>"``, and
      each with the mean of the shifts; fractions. What wasn't measured isn't there.
    """
    chosen = float(selection["alpha"])
    names = {"zero-shot": 0.0, "chosen": chosen, "fine-tuned": 1.0}
    found = {"chosen alpha": chosen}
    means = mean_over_shifts(rows)
    for name, alpha in names.items():
        found |= {
            f"{name}/{row['dataset']}": row["value"]
            for row in rows
            if row["metric"] == "top1" and row["alpha"] == alpha
        }
        if alpha in means:
            found[f"{name}/{MEAN_OF_SHIFTS}"] = means[alpha]
    return found


def results_table(rows: Sequence[Row], selection: Mapping[str, Any]) -> str:
    """Return how alpha was chosen, and each set at alpha 0, the chosen one and 1, in Markdown.

    Args:
      rows: Of every set and alpha.
      selection: ``Selection.facts()``.
    """
    alphas = {0.0, float(selection["alpha"]), 1.0}
    lines = ["| set | metric | alpha | % | 95 % interval | n |", "|---|---|---|---|---|---|"]
    for row in rows:
        if row["alpha"] in alphas:
            name = row["dataset"].replace("|", "\\|")
            value, low, high = (f"{100 * row[key]:.1f}" for key in ("value", "ci_low", "ci_high"))
            cells = (name, row["metric"], f"{row['alpha']:g}", value, f"[{low}, {high}]")
            lines.append(f"| {' | '.join(cells)} | {row['n']} |")
    return "\n".join([str(selection.get("sentence", "")), "", *lines])


def values_by_alpha(rows: Iterable[Row]) -> dict[float, dict[str, float]]:
    """Return alpha -> ``"<metric> by alpha/<set>"`` -> value, by rising alpha; means with them."""
    rows = list(rows)
    found: dict[float, dict[str, float]] = {row["alpha"]: {} for row in rows}
    for row in rows:
        found[row["alpha"]][f"{row['metric']} by alpha/{row['dataset']}"] = row["value"]
    for alpha, mean in mean_over_shifts(rows).items():
        found[alpha][f"top1 by alpha/{MEAN_OF_SHIFTS}"] = mean
    return dict(sorted(found.items()))
