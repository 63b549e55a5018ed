"""Show what an experiment found: pictures, report, table."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiseft_jax.cli.common import print_json, table_console
from wiseft_jax.cli.presets import load_config
from wiseft_jax.cli.study_outcome import study_commands
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.curve_rows import CURVES_FILE, CurveRow, read_curve_rows
from wiseft_jax.core.errors import InputError, counted
from wiseft_jax.core.last_sweep import begin_sweep, end_sweep
from wiseft_jax.core.results import RESULTS_FILE, Row, of_two_sweeps
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies import of_run as studies

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Reported:
    """What pictures and report show of a sweep.

    Attributes:
      config: What was run.
      config_file: Where that is stored.
      rows: Its result rows.
      selection: ``Selection.facts()``.
      curve_rows: Its continuous curves, if it made any.
      possible_best: The alphas that may be the best on the validation set; none without one.
      gains: ``SweepResult.gains`` of the chosen alpha.
      skipped: Dataset name -> ``"id: reason"`` of its images that were left out.
    """

    config: ExperimentConfig
    config_file: Path
    rows: Sequence[Row]
    selection: Mapping[str, Any]
    curve_rows: Sequence[CurveRow]
    possible_best: Sequence[float]
    gains: Sequence[Mapping[str, Any]]
    skipped: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls,
        config: ExperimentConfig,
        data: ExperimentData,
        outcome: Any,
        directory: RunDirectory,
    ) -> Reported:
        """Return what is shown of a sweep that was just made.

        Args:
          config: What was run.
          data: On which data.
          outcome: Its ``WiseFT``.
          directory: Where it was stored.
        """
        return cls(
            config,
            _configuration_of(outcome.sweep.rows, directory),
            outcome.sweep.rows,
            outcome.selection.facts(),
            outcome.sweep.curve_rows(),
            _possible_best(outcome.sweep),
            outcome.sweep.gains(outcome.selection.alpha),
            _skipped(data, outcome.sweep),
        )

    @classmethod
    def stored(cls, data: ExperimentData, directory: RunDirectory) -> Reported:
        """Return what is shown of the sweep whose results are in a run directory.

        Raises:
          InputError: If they aren't there, are damaged, or are of two sweeps.
        """
        from wiseft_jax.evaluation.sweep import SweepResult

        result = SweepResult.load(directory.path)
        curve_rows = read_curve_rows(directory.path)
        selection = read_json(directory.selection_file)
        hashes = {row["config_hash"] for row in result.rows}
        found = {
            CURVES_FILE: {row["config_hash"] for row in curve_rows} or hashes,
            directory.selection_file.name: {selection.get("config_hash", result.config_hash)},
        }
        others = [name for name, of in found.items() if of != hashes]
        if others:
            raise of_two_sweeps(directory.path, f"{', '.join(others)} and {RESULTS_FILE}")
        config_file = _configuration_of(result.rows, directory)
        return cls(
            load_config(str(config_file)),
            config_file,
            result.rows,
            selection,
            curve_rows,
            _possible_best(result),
            result.gains(float(selection["alpha"])),
            _skipped(data, result),
        )


def show_outcome(
    config: ExperimentConfig,
    data: ExperimentData,
    outcome: Any,
    directory: RunDirectory,
    *,
    as_json: bool,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Draw the pictures and write the report into the run directory, then print.

    Args:
      config: What was run.
      data: On which data.
      outcome: Its ``WiseFT``.
      directory: Where its files go.
      as_json: Whether to print JSON in place of the table.
      more: What else the JSON holds, by name.
    """
    shown = write_outcome(config, data, outcome, directory)
    print_outcome(outcome, directory, shown.skipped, as_json=as_json, more=more)


def write_outcome(
    config: ExperimentConfig, data: ExperimentData, outcome: Any, directory: RunDirectory
) -> Reported:
    """Draw the pictures and write the report into the run directory; return what they show.

    Args:
      config: What was run.
      data: On which data.
      outcome: Its ``WiseFT``.
      directory: Where its files go.
    """
    from wiseft_jax.reporting.curves import draw_curve
    from wiseft_jax.reporting.flips import draw_flips

    begin_sweep(directory, config)  # until the report is whole, too
    shown = Reported.of(config, data, outcome, directory)
    draw_curve(
        shown.rows, directory.curve_file, selection=shown.selection, curve_rows=shown.curve_rows
    )
    if shown.curve_rows:
        draw_flips(shown.curve_rows, directory.flips_file)
    _write_report(shown, data, directory)
    write_page_of_run(data, directory)
    end_sweep(directory)
    return shown


def report_again(data: ExperimentData, directory: RunDirectory) -> None:
    """Write the report of the stored results again, with the studies that are there now.

    Args:
      data: The datasets.
      directory: The run; without results it has no report, and with results of two sweeps that one
        stays as it is, which is logged.
    """
    if not directory.results_file.exists():
        return
    try:
        _write_report(Reported.stored(data, directory), data, directory)
    except InputError as error:
        logger.warning("%s stays as it was: %s", directory.report_file, error)


def write_page_of_run(data: ExperimentData, directory: RunDirectory) -> None:
    """Write the report as one HTML file; what stops it is logged, and stops no run.

    Args:
      data: The datasets, whose images it shows.
      directory: The run, with its results.
    """
    from wiseft_jax.cli.report_page import write_page

    try:
        write_page([directory], directory.page_file, data=data)
    except InputError as error:
        directory.page_file.unlink(missing_ok=True)  # it was of an earlier sweep
        logger.warning("%s isn't written: %s", directory.page_file, error)


def _write_report(shown: Reported, data: ExperimentData, directory: RunDirectory) -> None:
    from wiseft_jax.reporting.report import write_report
    from wiseft_jax.reporting.study_section import study_section

    names = {row["dataset"] for row in shown.rows}
    found, left_out = studies.fitting_studies(data, directory, shown=names)
    again = f"wiseft run RUN/{shown.config_file.name} --out NEW_DIRECTORY"
    write_report(
        directory.report_file,
        shown.rows,
        curve_rows=shown.curve_rows,
        possible_best=shown.possible_best,
        gains=shown.gains,
        selection=shown.selection,
        title=f"WiSE-FT: {shown.config.name}",
        skipped=shown.skipped,
        studies=study_section(found, left_out),
        commands=(again, *study_commands(found, "NEW_DIRECTORY", shown.config.sweep.alphas)),
        facts=_report_facts(shown.config, directory),
    )


def _configuration_of(rows: Sequence[Row], directory: RunDirectory) -> Path:
    """Return the file with the configuration that the rows are of: the run's, or a sweep's.

    Raises:
      InputError: If it isn't there any more.
    """
    hashes = {row["config_hash"] for row in rows}
    for file in (directory.config_file, directory.sweep_config_file):
        if file.exists() and {read_json(file).get("config_hash")} == hashes:
            return file
    raise InputError(
        f"{directory.path}: the configuration of its results ({', '.join(sorted(hashes))}) isn't"
        " there any more: a later sweep was broken off; do it again: wiseft sweep RUN"
    )


def _possible_best(result: Any) -> tuple[float, ...]:
    """Return the alphas that may be the best on the validation set of a ``SweepResult``."""
    held_out = [
        name
        for name, each in result.predictions.items()
        if (each.split, each.role) == ("validation", "reference")
    ]
    return result.possible_best(held_out[0]) if held_out else ()


def _skipped(data: ExperimentData, result: Any) -> dict[str, Sequence[str]]:
    train = {data.train.name: data.train.skipped} if data.train.skipped else {}
    return train | result.skipped


def _report_facts(config: ExperimentConfig, directory: RunDirectory) -> dict[str, str]:
    versions = read_json(directory.config_file)["versions"]
    shown = ("wiseft-jax", "jax", "flax", "optax", "transformers")
    training = config.training
    probe = {"linear probe": probe_sentence(found)} if (found := _probe_of(directory)) else {}
    return {
        "model": f"{config.model.name}, prompts: {config.model.templates}",
        "fine-tuning": (
            f"{training.recipe}, L-BFGS to convergence"
            if training.converges
            else f"{training.recipe}, learning rate {training.learning_rate:g},"
            f" {training.epochs:g} epochs, batch {training.batch_size}, seed {training.seed}"
        ),
        **probe,
        "versions": ", ".join(f"{name} {versions[name]}" for name in shown),
    }


def _probe_of(directory: RunDirectory) -> dict[str, Any] | None:
    """Return which linear probe was chosen: ``c``, and ``tried``; None without one."""
    if not directory.probe_file.is_file():
        return None
    stored = read_json(directory.probe_file)
    return {"c": stored["c"], "tried": stored["tried"]}


def probe_sentence(probe: Mapping[str, Any]) -> str:
    """Return ``"L-BFGS, C = 1 (chosen by validation accuracy in %: 0.1: 90.0, 1: 95.0)"``.

    Args:
      probe: ``c``, and of each that was ``tried`` its ``c`` and ``validation_accuracy``.
    """
    accuracies = {each["c"]: f"{100 * each['validation_accuracy']:.1f}" for each in probe["tried"]}
    text = f"L-BFGS, C = {probe['c']:g}"
    if len(accuracies) < 2:
        return text
    listed = ", ".join(f"{c:g}: {accuracy}" for c, accuracy in accuracies.items())
    return f"{text} (chosen by validation accuracy in %: {listed})"


def print_outcome(
    outcome: Any,
    directory: RunDirectory,
    skipped: Mapping[str, Sequence[str]],
    *,
    as_json: bool,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print the table, the chosen alpha and the files; or all of it as JSON.

    Args:
      outcome: A ``WiseFT``.
      directory: Where its files are.
      skipped: Dataset name -> ``"id: reason"`` of its images that were left out.
      as_json: Whether to print JSON.
      more: What else the JSON holds, by name.
    """
    probe = _probe_of(directory)
    if as_json:
        print_json(
            {
                "run": str(directory.path),
                "selection": outcome.selection.facts(),
                "rows": outcome.sweep.rows,
                "curves": [row["summary"] for row in outcome.sweep.curve_rows()],
                "skipped": {name: list(ids) for name, ids in skipped.items()},
                **({"probe": probe} if probe else {}),
                **(more or {}),
            }
        )
        return
    from wiseft_jax.reporting.tables import accuracy_table

    table = accuracy_table(outcome.sweep.rows, selection=outcome.selection.facts())
    table_console().print(table)
    print(outcome.selection.sentence)
    if probe:
        print(f"linear probe: {probe_sentence(probe)}")
    left_out = sum(map(len, skipped.values()))
    if left_out:
        print(f"{counted(left_out, 'image')} could not be read and left out; the report says which")
    for what, path in (
        ("picture", directory.curve_file),
        ("flips", directory.flips_file),
        ("report", directory.report_file),
        ("page", directory.page_file),
        ("model", directory.merged_dir),
    ):
        if path.exists():
            print(f"{what:<8} {path}")
