"""``wiseft report RUN --analyses NAME...``: why it works, from what the run stored."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.report_files import files_of_analyses
from wiseft_jax.core.analysis_rows import ANALYSES_DIR, analysis_file, write_analysis_rows
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import check_writable
from wiseft_jax.studies.looked_inside_config import FeaturesConfig, PlaneConfig

if TYPE_CHECKING:
    from wiseft_jax.analysis.options import AnalysisOptions
    from wiseft_jax.analysis.stored_run import StoredRun
    from wiseft_jax.cli.made_analyses import FileFact
    from wiseft_jax.core.analysis_rows import AnalysisRow

logger = logging.getLogger(__name__)

ALL = "all"
OPENS_MODELS = {"cka", "layers", "plane"}
"""The analyses for which a run's models are opened, where nothing of them is stored."""


@dataclasses.dataclass(frozen=True)
class ReportAnalysesArgs:
    """Analyse a finished run from its stored predictions.

    Rows go to RUN/analyses/NAME.jsonl, pictures beside them. Names: all, effective_robustness,
    diversity, overrides, landscape, calibration, classes, flips, cka, layers, plane, and others
    that `--analyses` without a name lists. Only the last three open the models, once: what they
    find is stored in the run, and `all` takes it from there. Each is stored as soon as it is made;
    one that is there, of the same results and options, is kept.
    """

    run: tyro.conf.Positional[Path]
    """The run directory."""
    analyses: tuple[str, ...]
    """Which, by name; `all`: those that the run has what they need for; none: list them."""
    baselines: Path | None = None
    """A CSV of other models' accuracies, for effective_robustness: a column `model`, and one for
    each set, named as the run's; fractions."""
    seed: int = 0
    """Of the draws that intervals are made of."""
    samples: int = 2_000
    """How many bootstrap samples intervals are made of."""
    override_alpha: float = 0.5
    """The alpha at which `overrides` counts whose answer is given; one of the sweep's."""
    features: FeaturesConfig = FeaturesConfig()
    """On which images `cka` compares the layers."""
    plane: PlaneConfig = PlaneConfig()
    """The third model of `plane`, the images, and the grid."""
    pictures: bool = True
    """Whether pictures are drawn into the run, as PNG and SVG."""
    overwrite: bool = False
    """Make those again that are there and current."""
    tables: Path | None = None
    """Where to write tables for papers: Markdown, CSV (every row, in full) and LaTeX of each."""
    figures: Path | None = None
    """Where to write pictures for papers."""
    format: tuple[Literal["png", "svg", "pdf"], ...] = ("png", "svg", "pdf")
    """Of the pictures in --figures."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb in this form."""
    args = parse(ReportAnalysesArgs, argv, "report")
    args.common.apply()
    from wiseft_jax.analysis.options import AnalysisOptions
    from wiseft_jax.analysis.stored_run import StoredRun
    from wiseft_jax.analysis.table import chosen_analyses
    from wiseft_jax.cli.made_analyses import results_facts

    names = chosen_analyses(args.analyses)
    _refuse_unread(args)
    for place in (args.tables, args.figures):
        if place is not None:
            check_writable(place)
    results = results_facts(args.run)  # before it is loaded
    run = StoredRun.load(args.run)
    options = AnalysisOptions(
        seed=args.seed,
        samples=args.samples,
        baselines=args.baselines,
        override_alpha=args.override_alpha,
    )
    with _telling_what_is_kept(run.path):
        _look_inside(run, args)
        return _make(run, names, options, args, results)


def _make(
    run: StoredRun,
    names: Sequence[str],
    options: AnalysisOptions,
    args: ReportAnalysesArgs,
    results: Sequence[FileFact],
) -> int:
    """Make, store and print the analyses, one after the other; list them if none is named."""
    if not names:
        return _list(run, options, as_json=args.common.json)
    skipped = _missing(run, names, options)
    asked_for_by_name = ALL not in args.analyses
    if skipped and (asked_for_by_name or len(skipped) == len(names)):
        raise InputError("\n".join(f"{run.path}: {name}: {why}" for name, why in skipped.items()))
    from wiseft_jax.cli.made_analyses import made_from

    wanted = [name for name in names if name not in skipped]
    origins = {name: made_from(run, name, options, results) for name in wanted}
    kept = {} if args.overwrite else _kept(run.path, origins, args)
    if any(name not in kept for name in wanted):
        check_writable(run.path / ANALYSES_DIR)  # before anything is computed
    made, listed = {}, {}
    for name in wanted:
        rows, files = kept[name] if name in kept else _made(run, name, options, args, origins[name])
        made[name], listed[name] = rows, [str(file) for file in files]
        if not args.common.json:
            _print(run, name, rows, files)
    papers = files_of_analyses(made, run.chosen, args.tables, args.figures, args.format)
    if args.common.json:
        print_json(
            {
                "run": str(run.path),
                "analyses": made,
                "skipped": skipped,
                "files": listed,
                "kept": [*kept],
                "papers": [str(path) for path in papers],
            }
        )
        return EXIT_DONE
    for path in papers:
        print(path)
    for name, why in skipped.items():
        print(f"left out: {name}: {why}")
    page, quoted = RunDirectory(run.path).page_file, RunDirectory(run.path).quoted
    if made.keys() - kept.keys() and page.is_file():
        print(f"{page} has them once it is made again: wiseft report {quoted}")
    return EXIT_DONE


@contextlib.contextmanager
def _telling_what_is_kept(run_dir: Path) -> Iterator[None]:
    """Say, where a signal aborts the block, how to go on from what is stored."""
    try:
        yield
    except KeyboardInterrupt as error:
        from wiseft_jax.core.interrupt import how_to_go_on

        place = run_dir / ANALYSES_DIR
        raise KeyboardInterrupt(f"what was made is kept in {place}; {how_to_go_on()}") from error


def _kept(
    run_dir: Path, origins: Mapping[str, str], args: ReportAnalysesArgs
) -> dict[str, tuple[list[AnalysisRow], list[Path]]]:
    """Return the analyses that are there and current, which is logged."""
    from wiseft_jax.cli.made_analyses import current_rows

    found = {
        name: current_rows(run_dir, name, origin, pictures=args.pictures)
        for name, origin in origins.items()
    }
    kept = {name: each for name, each in found.items() if each is not None}
    if kept:
        logger.info(
            "%s: there already, of the same results and options, and kept: %s; --overwrite makes"
            " them again", run_dir, ", ".join(kept),
        )  # fmt: skip
    return kept


def _refuse_unread(args: ReportAnalysesArgs) -> None:
    """Refuse options of an analysis that isn't named."""
    for name, given, default in (
        ("cka", args.features, FeaturesConfig()),
        ("plane", args.plane, PlaneConfig()),
    ):
        if given != default and name not in args.analyses:
            option = "features" if name == "cka" else name
            raise InputError(f"--{option}.*: has no meaning without --analyses {name}")
    changed = args.override_alpha != ReportAnalysesArgs.override_alpha
    if changed and not {"overrides", ALL} & {*args.analyses}:
        raise InputError("--override-alpha: has no meaning without --analyses overrides")


def _look_inside(run: StoredRun, args: ReportAnalysesArgs) -> None:
    """Store what the analyses that are named, and not just among all, need of the models."""
    if not OPENS_MODELS & {*args.analyses}:
        return
    from wiseft_jax.cli.inputs import experiment_data
    from wiseft_jax.cli.presets import load_config
    from wiseft_jax.studies.looked_inside import Models, look_inside

    check_writable(run.path)
    models = Models(run.path, load_config, experiment_data)
    look_inside(args.analyses, run, models, args.features, args.plane)


def _missing(run: StoredRun, names: Sequence[str], options: AnalysisOptions) -> dict[str, str]:
    """Return the analyses that can't be made, with the reason."""
    from wiseft_jax.analysis.table import ANALYSES

    found = {name: ANALYSES[name].missing(run, options) for name in names}
    return {name: why for name, why in found.items() if why}


def _made(
    run: StoredRun, name: str, options: AnalysisOptions, args: ReportAnalysesArgs, origin: str
) -> tuple[list[AnalysisRow], list[Path]]:
    """Make an analysis and write rows, and pictures, into the run; return rows and files."""
    from wiseft_jax.analysis.table import analyse
    from wiseft_jax.cli.made_analyses import forget_made, record_made
    from wiseft_jax.reporting.analysis_pictures import draw_analysis

    logger.info("%s: %s", run.path, name)
    rows = analyse(run, name, options)
    file = analysis_file(run.path, name)
    forget_made(run.path, name)
    write_analysis_rows(file, rows)
    pictures = draw_analysis(name, rows, file.parent, chosen=run.chosen) if args.pictures else []
    record_made(run.path, name, origin, [file, *pictures], pictures=args.pictures)
    return rows, [file, *pictures]


def _print(run: StoredRun, name: str, rows: list[AnalysisRow], files: Sequence[Path]) -> None:
    from wiseft_jax.analysis.table import ANALYSES
    from wiseft_jax.reporting.analysis_tables import analysis_table

    table = analysis_table(rows, {0.0, run.chosen, 1.0})
    print_table(f"{name}: {ANALYSES[name].help}", table.header, table.lines)
    more = f", with {table.left_out} rows more" if table.left_out else ""
    print(f"{files[0]}{more}")
    for picture in files[1:]:
        if picture.suffix == ".png":
            print(picture)
    print()


def _list(run: StoredRun, options: AnalysisOptions, *, as_json: bool) -> int:
    """Print every analysis, and what the run lacks for it."""
    from wiseft_jax.analysis.table import ANALYSES

    lacking = {name: spec.missing(run, options) for name, spec in ANALYSES.items()}
    if as_json:
        print_json(
            {
                name: {"help": spec.help, "missing": lacking[name] or None}
                for name, spec in ANALYSES.items()
            }
        )
        return EXIT_DONE
    lines = [(name, spec.help, lacking[name] or "nothing") for name, spec in ANALYSES.items()]
    print_table("analyses (--analyses NAME...)", ("name", "what", "the run lacks"), lines)
    return EXIT_DONE
