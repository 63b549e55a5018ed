"""``wiseft report RUN --tables DIR --figures DIR``: a run's tables and figures, for papers."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.study_outcome import FILES
from wiseft_jax.core.analysis_rows import (
    ANALYSES_DIR,
    AnalysisRow,
    analysis_file,
    read_analysis_rows,
    stored_analyses,
)
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.curve_rows import read_curve_rows
from wiseft_jax.core.errors import EXIT_DONE, InputError, missing_path
from wiseft_jax.core.last_sweep import check_last_sweep, sweep_command
from wiseft_jax.core.results import read_rows
from wiseft_jax.core.run_directory import PREDICTIONS_DIR, RunDirectory
from wiseft_jax.core.run_summary import without_results
from wiseft_jax.core.study_files import read_fitting
from wiseft_jax.core.writers import check_writable
from wiseft_jax.studies.grid_files import StudyDirectory

if TYPE_CHECKING:
    from wiseft_jax.evaluation.sweep import SweepResult

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FilesArgs:
    """Write the tables and figures of a run, or of a study of hyper-parameters, for papers.

    Those of a run's stored analyses too; `--analyses NAME...` makes some anew, and writes theirs
    alone. Nothing is evaluated: stored files are read. The same files give the same bytes.
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
    with _telling_what_is_there(args):
        written = _of_study(args) if is_study else _of_run(args)
    if args.common.json:
        print_json({"run": str(args.run), "files": [str(path) for path in written]})
    else:
        for path in written:
            print(path)
    return EXIT_DONE


@contextlib.contextmanager
def _telling_what_is_there(args: FilesArgs) -> Iterator[None]:
    """Say, where a signal aborts the block, that what is written is whole, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        from wiseft_jax.core.interrupt import how_to_make_the_rest

        places = dict.fromkeys(str(each) for each in (args.tables, args.figures) if each)
        said = f"files that are complete are in {' and '.join(places)}; {how_to_make_the_rest()}"
        raise KeyboardInterrupt(said) from error


def _of_run(args: FilesArgs) -> list[Path]:
    from wiseft_jax.reporting.paper_tables import write_tables
    from wiseft_jax.reporting.run_tables import tables_of_run

    directory = RunDirectory(args.run)
    directory.read_config()  # refuses what is no run
    if unfinished := without_results(directory):
        raise unfinished
    rows, selection = read_rows(args.run), read_json(directory.selection_file)
    check_last_sweep(directory, rows)
    result, written = _stored_sweep(directory), []
    if args.tables is not None:
        gains = [] if result is None else result.gains(float(selection["alpha"]))
        studies = _studies(directory, {row["dataset"] for row in rows})
        written += write_tables(tables_of_run(rows, selection, gains, studies), args.tables)
    if args.figures is not None:
        written += _figures_of_run(args.figures, args, rows, selection)
    analyses = _analyses(args.run, {row["config_hash"] for row in rows})
    chosen = float(selection["alpha"])
    return written + files_of_analyses(analyses, chosen, args.tables, args.figures, args.format)


def _stored_sweep(directory: RunDirectory) -> SweepResult | None:
    """Return rows with predictions, once they are seen to agree; None where none are stored."""
    from wiseft_jax.evaluation.sweep import SweepResult

    if not list((directory.path / PREDICTIONS_DIR).glob("*.npz")):
        logger.warning(
            "%s: gains have no intervals and no tests: there are no predictions; %s stores them",
            directory.path, sweep_command(directory),
        )  # fmt: skip
        return None
    return SweepResult.load(directory.path)


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


def _analyses(run: Path, hashes: set[str]) -> dict[str, list[AnalysisRow]]:
    """Return the stored rows of every analysis that is of the run's present sweep."""
    found = {}
    for name in stored_analyses(run):
        rows = read_analysis_rows(run, name)
        if {row["config_hash"] for row in rows} <= hashes:
            found[name] = rows
        else:
            logger.warning(
                "%s is left out: its rows are of another sweep; make it again: wiseft report %s"
                " --analyses %s",
                analysis_file(run, name), RunDirectory(run).quoted, name,
            )  # fmt: skip
    return found


def files_of_analyses(
    analyses: Mapping[str, Sequence[AnalysisRow]],
    chosen: float,
    tables: Path | None,
    figures: Path | None,
    kinds: Sequence[str],
) -> list[Path]:
    """Write the tables and pictures of analyses, for papers; return the files.

    Of an analysis that has nothing to draw or nothing to show, a line in the log says so.

    Args:
      analyses: Name -> rows.
      chosen: The chosen alpha.
      tables: Where tables go, ``analyses-NAME`` as Markdown, CSV and LaTeX; None: nowhere.
      figures: Where pictures go; None: nowhere.
      kinds: Formats of the pictures, of ``reporting.saving.KINDS``.
    """
    from wiseft_jax.analysis.table import ANALYSES
    from wiseft_jax.reporting.analysis_pictures import draw_analysis
    from wiseft_jax.reporting.analysis_tables import analysis_paper_table
    from wiseft_jax.reporting.paper_tables import write_tables

    prefix, written = f"{ANALYSES_DIR}-", []
    for name, rows in analyses.items():
        if tables is not None and rows:
            about = ANALYSES[name].help if name in ANALYSES else "rows of another program's"
            table = analysis_paper_table(name, rows, {0.0, chosen, 1.0}, about)
            written += write_tables([table], tables)
        if figures is not None:
            try:
                written += draw_analysis(
                    name, rows, figures, chosen=chosen, kinds=kinds, prefix=prefix
                )
            except InputError as error:
                logger.warning("%s has no picture: %s", name, error)
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
