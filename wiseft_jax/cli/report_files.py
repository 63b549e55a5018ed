"""``wiseft report RUN --tables DIR --figures DIR``: a run's tables and figures, for papers."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.study_outcome import FILES
from wiseft_jax.core.analysis_rows import ANALYSES_DIR
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.curve_rows import read_curve_rows
from wiseft_jax.core.errors import EXIT_DONE, InputError, missing_path
from wiseft_jax.core.last_sweep import check_last_sweep
from wiseft_jax.core.results import read_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.study_files import read_fitting
from wiseft_jax.core.writers import check_writable
from wiseft_jax.studies.grid_files import StudyDirectory

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FilesArgs:
    """Write the tables and figures of a run, or of a study of hyper-parameters, for papers.

    Nothing is evaluated: stored files are read. The same files give the same bytes.
    """

    run: tyro.conf.Positional[Path]
    """The run directory, or a study's."""
    tables: Path | None = None
    """Where to write tables: Markdown, CSV (numbers in full) and LaTeX (booktabs) of each."""
    figures: Path | None = None
    """Where to write figures."""
    format: tuple[Literal["png", "svg", "pdf"], ...] = ("png", "svg", "pdf")
    """Of the figures: pixels; outlines; embedded TrueType fonts."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run this form of the verb."""
    args = parse(FilesArgs, argv, "report")
    args.common.apply()
    if not args.run.is_dir():
        raise missing_path(args.run, "run directory")
    for place in (args.tables, args.figures):
        if place is not None:
            check_writable(place)
    is_study = StudyDirectory(args.run).study_file.is_file()
    written = _of_study(args) if is_study else _of_run(args)
    if args.common.json:
        print_json({"run": str(args.run), "files": [str(path) for path in written]})
    else:
        for path in written:
            print(path)
    return EXIT_DONE


def _of_run(args: FilesArgs) -> list[Path]:
    from wiseft_jax.reporting.paper_tables import write_tables
    from wiseft_jax.reporting.run_tables import tables_of_run

    directory = RunDirectory(args.run)
    directory.read_config()  # refuses what is no run
    rows, selection = read_rows(args.run), read_json(directory.selection_file)
    check_last_sweep(directory, rows)
    written = []
    if args.tables is not None:
        gains = _gains(directory, float(selection["alpha"]))
        studies = _studies(directory, {row["dataset"] for row in rows})
        written += write_tables(tables_of_run(rows, selection, gains, studies), args.tables)
    if args.figures is not None:
        written += _figures_of_run(args.figures, args, rows, selection)
        written += _pictures_of_analyses(args, args.figures)
    return written


def _gains(directory: RunDirectory, alpha: float) -> list[dict[str, Any]]:
    from wiseft_jax.evaluation.sweep import SweepResult

    try:
        return SweepResult.load(directory.path).gains(alpha)
    except InputError as error:
        logger.warning("gains have no intervals and no tests: %s", error)
        return []


def _studies(directory: RunDirectory, shown: set[str]) -> dict[str, dict[str, Any]]:
    """Return what studies found that are of the run's present ends; the images aren't looked at."""
    found = {}
    for name in ("learned", "rules"):
        if not (directory.path / FILES[name]).is_file():
            continue
        facts, why_not = read_fitting(directory, FILES[name], {}, shown)
        if why_not:
            logger.warning("%s is left out: %s", FILES[name], why_not)
        else:
            found[name] = facts
    return found


def _figures_of_run(figures: Path, args: FilesArgs, rows: Any, selection: Any) -> list[Path]:
    from wiseft_jax.reporting.curves import draw_curve
    from wiseft_jax.reporting.flips import draw_flips

    curve_rows, kinds = read_curve_rows(args.run), args.format
    shown: dict[str, Any] = {"selection": selection, "curve_rows": curve_rows}
    written = draw_curve(rows, figures / "curve.png", kinds=kinds, **shown)
    if curve_rows:
        written += draw_flips(curve_rows, figures / "flips.png", kinds=kinds)
    return written


def _pictures_of_analyses(args: FilesArgs, figures: Path) -> list[Path]:
    """Copy the pictures that analyses have left in the run, in the formats asked for."""
    pictures = [
        path
        for path in sorted((args.run / ANALYSES_DIR).glob("*"))
        if path.suffix.removeprefix(".") in ("png", "svg", "pdf") and path.is_file()
    ]
    written = []
    for path in pictures:
        if path.suffix.removeprefix(".") in args.format:
            target = figures / f"{ANALYSES_DIR}-{path.name}"
            figures.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            written.append(target)
    there = {(path.stem, path.suffix) for path in pictures}
    for stem in dict.fromkeys(path.stem for path in pictures):
        missing = [kind for kind in args.format if (stem, f".{kind}") not in there]
        if missing:
            logger.warning("%s of %s: not there as %s", ANALYSES_DIR, stem, ", ".join(missing))
    return written


def _of_study(args: FilesArgs) -> list[Path]:
    from wiseft_jax.reporting.paper_tables import write_tables
    from wiseft_jax.reporting.run_tables import tables_of_study
    from wiseft_jax.reporting.scatter import draw_scatter

    directory = StudyDirectory(args.run)
    if not directory.facts_file.is_file():
        raise InputError(
            f"{directory.facts_file}: missing: the study isn't complete; wiseft study grid goes on"
            " with --resume"
        )
    facts = read_json(directory.facts_file)
    written = []
    if args.tables is not None:
        written += write_tables(tables_of_study(facts), args.tables)
    if args.figures is not None:
        written += draw_scatter(facts, args.figures / "scatter.png", kinds=args.format)
    return written
