"""``wiseft report``: the stored report of runs, as Markdown and HTML, or against the paper's."""

from __future__ import annotations

import dataclasses
import importlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table, table_console
from wiseft_jax.cli.paper_differences import differences, notes
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import all_presets, load_config
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import EXIT_DONE, InputError, missing_path, unknown_name
from wiseft_jax.core.last_sweep import check_last_sweep, sweep_command
from wiseft_jax.core.results import Row, read_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.run_summary import without_results
from wiseft_jax.core.writers import check_writable

if TYPE_CHECKING:
    from wiseft_jax.reporting.against_paper import AgainstPaper

logger = logging.getLogger(__name__)

USAGE = (
    "usage: wiseft report RUN... [--out FILE] [--no-images] [--against-paper [PRESET]] [--json]"
    "   |   wiseft report --help"
)
FORMS = {
    "--analyses": "report_analyses",
    "--list": "report_list",
    "--diff": "report_diff",
    "--tables": "report_files",
    "--figures": "report_files",
}
"""An option that makes another form of the verb -> the module that has it; the first counts."""
OPTION = "--against-paper"
THE_RUNS_OWN = "the run's own"


@dataclasses.dataclass(frozen=True)
class ReportArgs:
    """Print the report of a finished run and write it as one HTML file; several go side by side.

    Nothing is evaluated: stored rows and predictions are read. The HTML file opens from the disk
    and needs no network. With --against-paper: compare the numbers with the paper's instead. Other
    forms, whose options `wiseft report --analyses --help` and so on show:
    `wiseft report RUN --analyses NAME...` (why it works: diversity, overrides, calibration, ...),
    `wiseft report --list DIR` (runs with their key numbers), `wiseft report --diff RUN1 RUN2`,
    `wiseft report RUN --tables DIR --figures DIR` (for papers).
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """The run directory, or several."""
    out: Path | None = None
    """The HTML file; report.html in the run's directory, if it is one run."""
    images: bool = True
    """Whether the HTML file shows images that flip between right and wrong."""
    against_paper: str | None = None
    """Compare with what the paper reports of this preset; without a name, of the run's own."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    if not argv:
        raise InputError(f"no run is named\n{USAGE}")
    named = {option.partition("=")[0] for option in argv}
    for option, form in FORMS.items():
        if option in named:
            given = ["--help"] if {"-h", "--help"} & named else argv
            return importlib.import_module(f"wiseft_jax.cli.{form}").main(given)
    args = parse(ReportArgs, _with_preset(argv), "report")
    args.common.apply()
    directories = [RunDirectory(run) for run in args.runs]
    for directory in directories:
        if not directory.path.is_dir():
            raise missing_path(directory.path, "run directory")
    _check_asked(args)
    for directory in directories:
        if unfinished := without_results(directory):
            raise unfinished
    if len(directories) > 1:
        return _side_by_side(directories, args)
    (directory,) = directories
    if args.against_paper is not None:
        return _compare(directory, args.against_paper, as_json=args.common.json)
    rows = _checked_rows(directory)
    _check_predictions(directory)  # before anything is printed
    if args.common.json:
        if args.out is not None:
            _write_page(directories, args)
        print_json({"selection": read_json(directory.selection_file), "rows": rows})
        return EXIT_DONE
    _print_report(directory, rows)
    if args.out is None and (problem := _not_writable(directory)):
        logger.warning("the report isn't written as HTML: %s", problem)
    else:
        _write_page(directories, args)
    return EXIT_DONE


def _checked_rows(directory: RunDirectory) -> list[Row]:
    """Return the rows of a run whose results are of one sweep; warn of one that isn't finished."""
    rows = read_rows(directory.path)
    check_last_sweep(directory, rows)
    return rows


def _check_predictions(directory: RunDirectory) -> None:
    """Refuse a run whose results, predictions among them, are damaged or of two sweeps."""
    from wiseft_jax.cli.report_facts import StoredFacts

    StoredFacts.load(directory, directory.path.name)


def _print_report(directory: RunDirectory, rows: Sequence[Row]) -> None:
    """Print the report; where there is none of these results the table that it would begin with."""
    from wiseft_jax.reporting.report import is_report_of
    from wiseft_jax.reporting.tables import accuracy_table

    selection, why = read_json(directory.selection_file), "missing"
    if directory.report_file.is_file():
        text = directory.report_file.read_text(encoding="utf-8", errors="replace")
        if is_report_of(text, rows, selection):
            print(text, end="", flush=True)
            return
        why = "stale: its alpha, configuration or accuracies aren't those of the results"
    logger.warning(
        "%s: %s; what follows is made of the results; the whole report: %s",
        directory.report_file, why, sweep_command(directory),
    )  # fmt: skip
    table_console().print(accuracy_table(rows, selection=selection))
    alpha = f"alpha = {selection['alpha']:g}"
    sentence = str(selection.get("sentence", alpha))
    print(sentence if sentence.startswith(f"{alpha}:") else alpha)


def _not_writable(directory: RunDirectory) -> InputError | None:
    """Return why nothing can be written into a run, which may be someone else's; None if it can."""
    try:
        check_writable(directory.path, otherwise="give --out FILE")
    except InputError as error:
        return error
    return None


def _check_asked(args: ReportArgs) -> None:
    """Refuse options that exclude each other."""
    if not args.runs:
        raise InputError(f"no run is named\n{USAGE}")
    several = len(args.runs) > 1
    if args.against_paper is not None and (several or args.out is not None or not args.images):
        found = "several runs" if several else "--out" if args.out is not None else "--no-images"
        raise InputError(
            f"{OPTION}: compares one run's numbers on stdout, and writes no HTML; found {found}"
        )
    if several and args.out is None:
        raise InputError("--out: several runs side by side need the HTML file's name: --out FILE")
    if args.out is not None and args.out.is_dir():
        raise InputError(f"--out {args.out}: expected a file to write, found a directory")


def _side_by_side(directories: Sequence[RunDirectory], args: ReportArgs) -> int:
    """Write the HTML file of several runs; print where it is, or all their rows as JSON."""
    rows = {directory.path: _checked_rows(directory) for directory in directories}
    path = _write_page(directories, args)
    if args.common.json:
        print_json(
            {
                "page": str(path),
                "runs": [
                    {
                        "run": str(directory.path),
                        "selection": read_json(directory.selection_file),
                        "rows": rows[directory.path],
                    }
                    for directory in directories
                ],
            }
        )
    else:
        print(path)
    return EXIT_DONE


def _write_page(directories: Sequence[RunDirectory], args: ReportArgs) -> Path:
    from wiseft_jax.cli.report_page import write_page

    path = write_page(directories, args.out or directories[0].page_file, images=args.images)
    logger.info("the report as HTML: %s", path)
    return path


def _with_preset(argv: Sequence[str]) -> list[str]:
    """Return the arguments with a value for ``--against-paper`` where none follows it."""
    given = list(argv)
    if OPTION in given:
        place = given.index(OPTION) + 1
        if place == len(given) or given[place].startswith("-"):
            given.insert(place, THE_RUNS_OWN)
    return given


def _compare(directory: RunDirectory, preset: str, *, as_json: bool) -> int:
    from wiseft_jax.reporting.against_paper import against_paper
    from wiseft_jax.reporting.paper_numbers import numbers_of, presets_with_numbers

    swept = directory.sweep_config_file  # where there is one, it made the rows
    config = load_config(str(swept if swept.is_file() else directory.config_file))
    if preset == THE_RUNS_OWN:
        preset = config.name
        if not numbers_of(preset):
            raise InputError(
                f"{directory.path}: no numbers of the paper are recorded for a run called"
                f" {preset!r}; name a preset: {OPTION} {'|'.join(presets_with_numbers())}"
            )
    elif preset not in all_presets():
        raise unknown_name("preset", preset, all_presets())
    rows = _checked_rows(directory)
    _check_predictions(directory)
    found = against_paper(rows, preset)
    wanted = all_presets()[preset].load()
    differs = [*differences(config, wanted), *found.other_sizes]
    said = [*notes(config, wanted), *found.caveats]
    if as_json:
        print_json(
            {
                "run": str(directory.path),
                "preset": preset,
                "differs": differs,
                "notes": said,
                "compared": [each.to_json() for each in found.compared],
                "missing": [dataclasses.asdict(each) for each in found.missing],
            }
        )
    else:
        _print(found, differs, said)
    return EXIT_DONE


def _print(found: AgainstPaper, differs: Sequence[str], said: Sequence[str]) -> None:
    rows = [
        (
            each.paper.dataset,
            f"{each.paper.alpha:g}",
            f"{each.n}",
            f"{100 * each.value:.1f}",
            f"{100 * each.paper.value:.1f}",
            f"{_points(each.difference)} [{', '.join(map(_points, each.interval))}]",
            each.verdict,
        )
        for each in found.compared
    ]
    header = ("set", "alpha", "n", "run", "paper", "difference [95 %]", "")
    print_table(f"against the paper's {found.preset}, in %", header, rows)
    for what in differs:
        print(f"not the paper's experiment: {what}")
    for what in found.missing:
        print(f"missing: {what}")
    for what in said:
        print(f"note: {what}")
    for line in _held_to(found):
        print(line)
    print(f"source: {'; '.join(dict.fromkeys(each.paper.source for each in found.compared))}")


def _held_to(found: AgainstPaper) -> list[str]:
    """Return what the verdicts mean, of the two kinds that there are."""
    tolerances = {each.tolerance for each in found.compared}
    lines = [
        "Within the tolerance: zero-shot, nothing is trained and the images are the paper's, so the"
        f" difference is held to {100 * tolerance:.2f} points (the paper's rounding, and 0.1 for"
        " numerics)."
        for tolerance in tolerances - {None}
        if tolerance is not None
    ]
    if None in tolerances:
        lines += [
            "Within the interval: the run's 95 % interval (Clopper-Pearson; of the mean, as if the"
            " sets were independent) minus the paper's number holds 0, its rounding allowed for.",
            "The interval counts the sampling of images alone: the seed's spread isn't in it, and"
            " run and paper share their images. A difference within it is no proof of equality.",
        ]
    return lines


def _points(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:+.1f}"
