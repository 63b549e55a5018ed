"""``wiseft study grid``: how models of many hyper-parameters scatter, and what WiSE-FT absorbs."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table, table_console
from wiseft_jax.cli.failures import resumable
from wiseft_jax.cli.inputs import data_identity, experiment_data
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import load_config
from wiseft_jax.cli.run import dated_directory
from wiseft_jax.cli.together import together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError, NonFiniteLossError
from wiseft_jax.core.writers import check_writable, write_text
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, check_select_on
from wiseft_jax.studies.grid import base_of_study, run_study
from wiseft_jax.studies.grid_axes import default_axes, parse_axes, shown
from wiseft_jax.studies.grid_config import Variation, full_grid, random_configurations
from wiseft_jax.studies.grid_files import RunRow, StudyDirectory
from wiseft_jax.studies.grid_summary import run_dawin, summarise

USAGE = (
    "usage: wiseft study grid [PRESET_OR_FILE] [options]   |   wiseft study grid --help\n"
    "       wiseft study grid --show --out DIR: what a study that is there says"
)
_SHOW = "wiseft study grid --show --out {}"
QUICKSTART = "quickstart/digits"


@dataclasses.dataclass(frozen=True)
class GridArgs:
    """Fine-tune under many configurations; show how models scatter, and what WiSE-FT absorbs.

    Each configuration is a run directory under --out. The defaults shown are those of the preset
    (`quickstart/digits` when none is named), and every option can be given here. The models then
    run a benchmark of the rules for choosing alpha.
    """

    config: Annotated[ExperimentConfig, tyro.conf.arg(name="")]
    vary: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=VALUE,VALUE ...")] = ()
    """What varies: `training.learning_rate=1e-5,1e-4 mixing.name=none,cutmix`. With --random also
    ranges: `1e-5..1e-3` (uniform in the logarithm), `0:0.2` (uniform). When not given: learning
    rate, epochs, batch size, weight decay and label smoothing, around the preset's."""
    random: int | None = None
    """So many distinct configurations, drawn uniformly from the values, in place of all of them."""
    seed: int = 0
    """Of these draws; more of them begin with the same ones."""
    out: Path | None = None
    """The study's directory; a dated one under runs/ when not given."""
    resume: bool = False
    """Continue the study in --out, or extend it by other values."""
    keep_checkpoints: bool = False
    """Keep the checkpoints that the preset says, not the last of each run alone."""
    dawin: bool = False
    """Let DaWin take part among the rules: it runs each model once more, on all sets."""
    show: bool = False
    """Run nothing, and show what the finished runs of the study in --out say: `wiseft study grid
    --show --out DIR`. It takes no value itself, and needs no other option."""
    dry_run: bool = False
    """List the configurations and their steps, and stop before anything is trained."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the study."""
    if {"-h", "--help"} & set(argv):
        print(USAGE + "\n")
    _check_places_of_names(argv)
    named = bool(argv) and not argv[0].startswith("-")
    name, rest = (argv[0], argv[1:]) if named else (QUICKSTART, argv)
    preset = load_config(QUICKSTART if name == "quickstart" else name)
    args = parse(GridArgs, rest, f"study grid {name}", default=GridArgs(preset))
    return execute(args)


def _check_places_of_names(argv: Sequence[str]) -> None:
    """Say where the directory of a study belongs, when it is given elsewhere."""
    shows = False
    for place, given in enumerate(argv):
        option, _, value = given.partition("=")
        if option != "--show":
            continue
        shows = True
        following = argv[place + 1 : place + 2]
        found = [value] if value else [each for each in following if not each.startswith("-")]
        if found:
            raise InputError(
                f"--show takes no value, found {found[0]!r}; the study's directory is given by"
                f" --out: {_SHOW.format(shlex.quote(found[0]))}"
            )
    if argv and StudyDirectory(Path(argv[0])).study_file.is_file():
        study = shlex.quote(argv[0])
        how = _SHOW.format(study) if shows else f"PRESET_OR_FILE ... --out {study} --resume"
        raise InputError(
            f"{argv[0]}: a study, where a preset or a file was expected; to"
            f" {'show' if shows else 'continue'} it: {how}"
        )


def _check_shown(args: GridArgs, directory: StudyDirectory) -> None:
    """Refuse what showing doesn't read, and a directory without a study."""
    for name in ("resume", "vary", "random", "keep_checkpoints", "dawin", "dry_run"):
        if getattr(args, name):
            raise InputError(
                f"--{name.replace('_', '-')}: has no meaning with --show, which runs nothing; leave"
                " one of them out"
            )
    if directory.path.is_dir() and not directory.study_file.is_file():
        raise InputError(
            f"{directory.path}: there is no study (no {directory.study_file.name}); --show needs"
            " the --out of wiseft study grid"
        )


def execute(args: GridArgs) -> int:
    """Do what the options say."""
    for name in ("resume", "show"):
        if getattr(args, name) and args.out is None:
            command = f" ({_SHOW.format('DIR')})" if name == "show" else ""
            raise InputError(f"--{name} needs --out DIR: the study{command}")
    if args.show:
        args.common.apply()
        directory = StudyDirectory(Path(args.out or ""))
        _check_shown(args, directory)
        show_study(summarise(directory), directory, as_json=args.common.json)
        return EXIT_DONE
    base = base_of_study(args.config, keep_checkpoints=args.keep_checkpoints)
    axes = parse_axes(base, args.vary) if args.vary else default_axes(base)
    if args.random is None:
        variations = full_grid(base, axes)
    else:
        variations = random_configurations(base, axes, args.random, args.seed)
    fields = [axis.field for axis in axes]
    with together(args.common, DistributedConfig(), base.mesh):
        check_one_process()
        if args.dry_run:
            return describe_study(variations, _same_data(base, variations), args)
        directory = StudyDirectory(args.out or dated_directory(f"{base.name}-grid"))
        directory.check(base, fields, resume=args.resume)
        _check_places(base, directory)
        data = _same_data(base, variations)
        directory.path.mkdir(parents=True, exist_ok=True)
        _work(args, base, variations, fields, data, directory)
    return EXIT_DONE


def _work(
    args: GridArgs,
    base: ExperimentConfig,
    variations: Sequence[Variation],
    fields: Sequence[str],
    data: ExperimentData,
    directory: StudyDirectory,
) -> None:
    from wiseft_jax.cli.outcome import write_outcome
    from wiseft_jax.core.interrupt import same_command
    from wiseft_jax.core.run_lock import hold

    with hold(directory.path, what="study"), resumable(directory.path):
        directory.prepare(base, fields, data_identity(data), same_command(sys.argv))
        rows = run_study(variations, data, directory, finished=write_outcome)
        _check_any_finished(rows)
        if args.dawin:
            run_dawin(rows, data, directory)
        show_study(summarise(directory), directory, as_json=args.common.json)


def show_study(facts: dict[str, Any], directory: StudyDirectory, *, as_json: bool) -> None:
    """Draw the picture, write the page, and print the tables; or all of it as JSON.

    Args:
      facts: Of ``summarise``.
      directory: Where its files go.
      as_json: Whether to print JSON in place of the tables.
    """
    from wiseft_jax.reporting import grid_tables
    from wiseft_jax.reporting.scatter import draw_scatter

    draw_scatter(facts, directory.picture_file)
    page = grid_tables.grid_markdown(facts, directory.picture_file.name)
    write_text(directory.table_file, page)
    if as_json:
        print_json({"directory": str(directory.path), **facts})
        return
    console = table_console()
    console.print(grid_tables.spread_table(facts, console.width))
    for line in (
        *grid_tables.grid_sentences(facts),
        *grid_tables.best_sentences(facts),
        *grid_tables.failed_sentences(facts),
    ):
        print(line)
    if facts["rules"]:
        print()
        console.print(grid_tables.rules_table(facts, console.width))
        for line in grid_tables.missing_sentences(facts):
            print(line)
    for what, path in (
        ("picture", directory.picture_file),
        ("page", directory.table_file),
        ("rows", directory.rows_file),
    ):
        print(f"{what:<8} {path}")


def describe_study(variations: Sequence[Variation], data: ExperimentData, args: GridArgs) -> int:
    """Print every configuration with its steps, and how much there is to do; return the exit code.

    Args:
      variations: The configurations.
      data: Their datasets.
      args: The options.
    """
    from wiseft_jax.core.mesh import Layout, num_batch_shards
    from wiseft_jax.training.sampling import training_images

    mesh = args.config.mesh
    devices = num_batch_shards(Layout.of(mesh).for_training().mesh)
    configs = [each.config.training for each in variations]
    plans = [each.plan(len(training_images(data.train, each)), devices) for each in configs]
    listed = [
        {"key": each.key, "varied": each.varied, "steps": plan.total_steps}
        for each, plan in zip(variations, plans, strict=True)
    ]
    evaluated = len(data.validation) + sum(map(len, data.tests))
    low, high = _passes(args.config)
    facts = {
        "configurations": listed,
        "training_images": sum(plan.total_steps * plan.batch_size for plan in plans),
        "evaluated_images": evaluated,
        "sweep_passes": [low, high],
        "sweep_images": [round(len(plans) * evaluated * each) for each in (low, high)],
    }
    if args.common.json:
        print_json(facts)
        return EXIT_DONE
    header = ("", *variations[0].varied, "steps")
    cells = [
        (str(place), *map(shown, each["varied"].values()), str(each["steps"]))
        for place, each in enumerate(listed)
    ]
    print_table(f"{len(listed)} configurations of {args.config.name}", header, cells)
    print(f"training: {facts['training_images']} images forward and backward")
    least, most = facts["sweep_images"]
    images = f"{least}" if least == most else f"{least} to {most}"
    method = args.config.sweep.method
    print(f"sweeps: {images} images forward ({evaluated} a pass; method {method})")
    return EXIT_DONE


def _passes(config: ExperimentConfig) -> tuple[float, float]:
    """Return the fewest and the most forward passes of a sweep."""
    sweep = config.sweep
    if sweep.method == "curve":
        from wiseft_jax.evaluation.curve_config import expected_passes

        expected = expected_passes(sweep.curve, sweep.alphas)
        return expected.low, expected.high
    return float(len(sweep.alphas)), float(len(sweep.alphas))


def _check_places(base: ExperimentConfig, directory: StudyDirectory) -> None:
    """Refuse a mesh, a model or a place that can't be, before any image is read."""
    from wiseft_jax.clip.hub import resolve_directory

    check_writable(directory.path)
    base.tracking.check()
    base.mesh.build()
    resolve_directory(base.model.name)


def _same_data(base: ExperimentConfig, variations: Sequence[Variation]) -> ExperimentData:
    """Return the data of all configurations; refuse seeds that would split them otherwise."""
    data = experiment_data(base)
    check_select_on(base, data)
    identity = data_identity(data)
    seeds = {each.config.training.seed: each.config for each in variations}
    for seed, config in seeds.items():
        other = data if seed == base.training.seed else experiment_data(config)
        if data_identity(other) != identity:
            raise InputError(
                "--vary training.seed: can't be varied with these data: the seed also draws the"
                " images that are held out, and all models must be compared on the same ones; name"
                " a validation and a test set (--data.validation, --data.test)"
            )
    return data


def check_one_process() -> None:
    """Refuse several processes.

    Raises:
      InputError: Says what to do instead.
    """
    import jax

    if jax.process_count() > 1:
        raise InputError(
            f"a study runs in one process, and there are {jax.process_count()}: start it in one,"
            " or make its runs one by one with wiseft run"
        )


def _check_any_finished(rows: Sequence[RunRow]) -> None:
    """Fail like a run whose loss becomes infinite where every run's did."""
    reasons = [row["failed"] for row in rows if "failed" in row]
    if len(reasons) == len(rows):
        raise NonFiniteLossError(f"every run of the study failed; the first one: {reasons[0]}")
