"""What the analyses read of a finished run: rows, predictions, the chosen alpha. Loads no jax."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from wiseft_jax.core.analysis_rows import AnalysisRow, analysis_row
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError, missing_path, unknown_name
from wiseft_jax.core.last_sweep import check_last_sweep, sweep_command
from wiseft_jax.core.results import RESULTS_FILE, Row, of_two_sweeps, read_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.run_summary import without_results
from wiseft_jax.evaluation.one_sweep import check_of_one_sweep, read_sweep_facts
from wiseft_jax.evaluation.predictions import Predictions, load_predictions

logger = logging.getLogger(__name__)

ZERO_SHOT, FINE_TUNED = 0.0, 1.0


@dataclasses.dataclass(frozen=True)
class StoredRun:
    """A finished run, as its directory holds it.

    Attributes:
      path: The run directory.
      rows: The result rows.
      predictions: Dataset -> its predictions, in the rows' order; arrays are mapped from the disk.
      selection: The content of ``selection.json``: the chosen alpha, the rule, its cost.
      config_hash: Of the configuration that made rows and predictions.
      class_names: The classifier's classes; () where the run recorded none.
    """

    path: Path
    rows: list[Row]
    predictions: dict[str, Predictions]
    selection: dict[str, Any]
    config_hash: str
    class_names: tuple[str, ...]

    @classmethod
    def load(cls, path: Path | str) -> StoredRun:
        """Read a run directory.

        Args:
          path: What ``wiseft run``, ``sweep`` or ``quickstart`` made.

        Raises:
          InputError: Names what is missing, damaged, or of another sweep than the rest, and the
            command that makes it.

        Example:
          >>> StoredRun.load("runs/mine").chosen
          0.5
        """
        directory = RunDirectory(Path(path))
        if not directory.path.is_dir():
            raise missing_path(directory.path, "run directory")
        if unfinished := without_results(directory):
            raise unfinished
        command = sweep_command(directory)
        again = f"make it: {command}"
        for file in (directory.results_file, directory.selection_file):
            if not file.is_file():
                raise InputError(f"{file}: missing, so there is nothing to analyse; {again}")
        rows = read_rows(directory.path)
        check_last_sweep(directory, rows)
        found = load_predictions(directory.path, again=command)
        predictions = {name: found[name] for name in _names(rows) if name in found}
        if others := sorted(found.keys() - predictions.keys()):
            logger.warning("%s: predictions without results: %s", path, ", ".join(others))
        if lacking := [name for name in _names(rows) if name not in found]:
            logger.warning(
                "%s: left out, for they have results and no predictions: %s; %s",
                path, ", ".join(lacking), again,
            )  # fmt: skip
        if not predictions:
            raise InputError(
                f"{path}: its predictions are of other datasets than its results; {again}"
            )
        config_hash = read_sweep_facts(directory.path).get("config_hash")
        check_of_one_sweep(directory.path, rows, predictions, config_hash)
        return cls(
            directory.path,
            rows,
            predictions,
            _selection(directory, rows),
            rows[0]["config_hash"],
            _class_names(directory),
        )

    @property
    def chosen(self) -> float:
        """The alpha that was chosen."""
        return float(self.selection["alpha"])

    @property
    def alphas(self) -> tuple[float, ...]:
        """Every alpha of any set, rising."""
        return tuple(sorted({at for each in self.predictions.values() for at in each.alphas}))

    def sets(self, role: str | None = None, split: str | None = None) -> list[Predictions]:
        """Return the predictions of the sets that have labels, in the rows' order.

        Args:
          role: ``"reference"``, ``"shift"`` or ``"matched_reference"``; None for all.
          split: ``"train"``, ``"validation"`` or ``"test"``; None for all.
        """
        return [
            each
            for each in self.predictions.values()
            if role in (None, each.role) and split in (None, each.split) and labelled(each).any()
        ]

    def in_turn(self) -> Iterator[Predictions]:
        """Return ``sets()`` one by one, and let each one's logits go before the next.

        Those of all sets together may be larger than the memory.
        """
        for each in self.sets():
            yield each
            each.let_logits_go()

    @property
    def reference(self) -> Predictions | None:
        """The test set of the reference; without one its validation set; None without either."""
        found = [each for split in ("test", "validation") for each in self.sets("reference", split)]
        return found[0] if found else None

    @property
    def shifts(self) -> list[Predictions]:
        """The shifted test sets that have labels."""
        return self.sets("shift", "test")

    @property
    def matched_references(self) -> dict[str, Predictions]:
        """Shift -> the set of its classes that it is set against, of the shifts that have one."""
        named = {row["dataset"]: row.get("matched_reference", "") for row in self.rows}
        there = {each.dataset: each for each in self.sets()}
        return {shift: there[name] for shift, name in named.items() if name in there}

    def set_named(self, name: str) -> Predictions:
        """Return the predictions of one set.

        Raises:
          InputError: If there is none of that name, with the closest one.
        """
        if name not in self.predictions:
            raise unknown_name("set", name, self.predictions)
        return self.predictions[name]

    def class_name(self, predictions: Predictions, label: int) -> str:
        """Return the name of a class of a set, or ``"class 3"`` where the run recorded none."""
        names = predictions.class_names or self.class_names
        return names[label] if 0 <= label < len(names) else f"class {label}"

    def row(
        self,
        analysis: str,
        metric: str,
        value: float,
        n: int,
        of: Predictions | None = None,
        **fields: Any,
    ) -> AnalysisRow:
        """Return a row of this run; see ``core.analysis_rows.analysis_row``.

        Args:
          analysis: The analysis.
          metric: What ``value`` is.
          value: The number.
          n: What it is counted over.
          of: The set that it is of; None: of no single one.
          **fields: Further fields: ``alpha``, ``other``, ``group``, ``interval``, ``p_value``,
            ``seed``.
        """
        if of is not None:
            fields |= {"dataset": of.dataset, "split": of.split, "role": of.role}
        return analysis_row(analysis, metric, value, n, config_hash=self.config_hash, **fields)


def labelled(predictions: Predictions) -> Bool[np.ndarray, " N"]:
    """Return which examples have a label, and so count in accuracies."""
    return predictions.labels >= 0


def index_of(predictions: Predictions, alpha: float) -> int:
    """Return the place of an alpha in a set's grid.

    Raises:
      InputError: If it isn't there, with the command that puts it there.
    """
    if alpha not in predictions.alphas:
        listed = " ".join(f"{each:g}" for each in sorted({*predictions.alphas, alpha}))
        raise InputError(
            f"{predictions.dataset}: there are no predictions at alpha {alpha:g}; sweep with it:"
            f" wiseft sweep RUN --sweep.alphas {listed}"
        )
    return predictions.alphas.index(alpha)


def right_at(predictions: Predictions, alpha: float) -> Bool[np.ndarray, " L"]:
    """Return which of the labelled examples are right at one alpha.

    Raises:
      InputError: As ``index_of``.
    """
    return np.asarray(predictions.correct[index_of(predictions, alpha)][labelled(predictions)])


def classes_at(predictions: Predictions, alpha: float) -> Int[np.ndarray, " N"]:
    """Return the predicted class of every example at one alpha.

    Raises:
      InputError: As ``index_of``.
    """
    return np.asarray(predictions.top1[index_of(predictions, alpha)])


def _names(rows: list[Row]) -> Iterator[str]:
    yield from dict.fromkeys(row["dataset"] for row in rows)


def _selection(directory: RunDirectory, rows: list[Row]) -> dict[str, Any]:
    file = directory.selection_file
    found = read_json(file)
    if not isinstance(found, dict) or not isinstance(found.get("alpha"), int | float):
        raise InputError(
            f"{file}: expected an object with the chosen alpha; make it again: wiseft sweep"
            f" {directory.path}"
        )
    hashes = {row["config_hash"] for row in rows}
    if {found.get("config_hash", next(iter(hashes)))} != hashes:
        raise of_two_sweeps(directory.path, f"{file.name} and {RESULTS_FILE}")
    return found


def _class_names(directory: RunDirectory) -> tuple[str, ...]:
    if not directory.endpoints_file.is_file():
        return ()
    return tuple(map(str, read_json(directory.endpoints_file).get("class_names", ())))
