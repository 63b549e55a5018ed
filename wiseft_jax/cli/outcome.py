"""Show what an experiment found: pictures, report, table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wiseft_jax import studies
from wiseft_jax.cli.common import print_json
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.experiment import ExperimentConfig, ExperimentData


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
    from wiseft_jax.reporting.curves import draw_curve
    from wiseft_jax.reporting.flips import draw_flips
    from wiseft_jax.reporting.report import write_report
    from wiseft_jax.reporting.study_section import study_section

    rows, selection = outcome.sweep.rows, outcome.selection.facts()
    skipped = outcome.sweep.skipped
    if data.train.skipped:
        skipped = {data.train.name: data.train.skipped} | skipped
    curve_rows = outcome.sweep.curve_rows()
    draw_curve(rows, directory.curve_file, selection=selection, curve_rows=curve_rows)
    if curve_rows:
        draw_flips(curve_rows, directory.flips_file)
    else:  # they were of an earlier sweep
        for suffix in (".png", ".svg"):
            directory.flips_file.with_suffix(suffix).unlink(missing_ok=True)
    write_report(
        directory.report_file,
        rows,
        curve_rows=curve_rows,
        possible_best=outcome.sweep.possible_best(data.validation.name),
        selection=selection,
        title=f"WiSE-FT: {config.name}",
        skipped=skipped,
        studies=study_section(*studies.fitting_studies(data, directory)),
        commands=(f"wiseft run {directory.path.name}/config.json --out NEW_DIRECTORY",),
        facts=_report_facts(config, directory),
    )
    print_outcome(outcome, directory, skipped, as_json=as_json, more=more)


def _report_facts(config: ExperimentConfig, directory: RunDirectory) -> dict[str, str]:
    versions = read_json(directory.config_file)["versions"]
    shown = ("wiseft-jax", "jax", "flax", "optax", "transformers")
    training = config.training
    return {
        "model": f"{config.model.name}, prompts: {config.model.templates}",
        "fine-tuning": (
            f"{training.recipe}, learning rate {training.learning_rate:g},"
            f" {training.epochs:g} epochs, batch {training.batch_size}, seed {training.seed}"
        ),
        "versions": ", ".join(f"{name} {versions[name]}" for name in shown),
    }


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
    if as_json:
        print_json(
            {
                "run": str(directory.path),
                "selection": outcome.selection.facts(),
                "rows": outcome.sweep.rows,
                "curves": [row["summary"] for row in outcome.sweep.curve_rows()],
                "skipped": {name: list(ids) for name, ids in skipped.items()},
                **(more or {}),
            }
        )
        return
    from rich.console import Console

    from wiseft_jax.reporting.tables import accuracy_table

    console = Console()
    table = accuracy_table(outcome.sweep.rows, selection=outcome.selection.facts())
    console.print(table, width=console.width if console.is_terminal else 10_000)
    print(outcome.selection.sentence)
    left_out = sum(map(len, skipped.values()))
    if left_out:
        print(f"{left_out} images could not be read and are left out; the report lists them")
    for what, path in (
        ("picture", directory.curve_file),
        ("flips", directory.flips_file),
        ("report", directory.report_file),
        ("model", directory.merged_dir),
    ):
        if path.exists():
            print(f"{what:<8} {path}")
