"""``wiseft run``: the whole job."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill, wrap
from typing import Annotated, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.extrapolation import warn_of_extrapolation
from wiseft_jax.cli.failures import resumable
from wiseft_jax.cli.inputs import data_identity, experiment_data
from wiseft_jax.cli.notebook import Notebook, read_notebook
from wiseft_jax.cli.outcome import show_outcome
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import all_presets, load_config
from wiseft_jax.cli.together import held, prepare, together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.writers import check_writable
from wiseft_jax.experiment import (
    RESUME_MAY_CHANGE,
    ExperimentConfig,
    ExperimentData,
    check_select_on,
)

USAGE = "usage: wiseft run PRESET_OR_FILE [options]   |   wiseft run --list   |   --help"


@dataclasses.dataclass(frozen=True)
class RunArgs:
    """Fine-tune, interpolate, sweep, choose alpha, report, export.

    The defaults shown are those of the preset; every one can be overridden here.
    """

    config: Annotated[ExperimentConfig, tyro.conf.arg(name="")]
    out: Path | None = None
    """The run directory; a dated one under runs/ when not given."""
    resume: bool = False
    """Continue the interrupted run in --out."""
    overwrite: bool = False
    """Replace the run in --out."""
    dry_run: bool = False
    """Resolve data, model and steps, print them, and stop before training."""
    distributed: DistributedConfig = DistributedConfig()
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    if "--list" in argv:
        return _list_presets(as_json="--json" in argv)
    if not argv or argv[0].startswith("-"):
        if {"-h", "--help"} & set(argv):
            print(USAGE + "\n")
            parse(RunArgs, ["--help"], "run PRESET_OR_FILE", default=RunArgs(ExperimentConfig()))
        raise InputError(f"no preset or file is named\n{USAGE}")
    name, *rest = argv
    args = parse(RunArgs, rest, f"run {name}", default=RunArgs(load_config(name)))
    return execute(args)


def execute(args: RunArgs) -> int:
    """Do what the options say; ``quickstart`` comes through here too."""
    config = args.config
    if args.resume and args.out is None:
        raise InputError("--resume needs --out DIR: the run directory to continue")
    with together(args.common, args.distributed, config.mesh) as prints:
        if prints:
            warn_of_extrapolation(config.sweep.alphas)
            config.tracking.check()
        if args.dry_run:
            from wiseft_jax.cli.dry_run import describe_plan

            return describe_plan(config, as_json=args.common.json, prints=prints)
        from wiseft_jax import experiment

        with started_run(args) as (directory, data):
            outcome = experiment.run(config, data, directory, resume=args.resume)
            if prints:
                show_outcome(config, data, outcome, directory, as_json=args.common.json)
    return EXIT_DONE


@contextlib.contextmanager
def started_run(args: Any) -> Iterator[tuple[RunDirectory, ExperimentData]]:
    """Yield the prepared run directory and the data, once all that can be refused was checked.

    The directory is this run's alone during the block, and a signal says how to go on there.

    Args:
      args: Of ``run`` or ``train``.
    """
    config = args.config
    directory = RunDirectory(args.out or agreed_directory(config.name))
    mode: Any = {"resume": args.resume, "overwrite": args.overwrite, "neutral": RESUME_MAY_CHANGE}
    directory.check(config, **mode)
    _check_places(config, directory, resume=args.resume)
    data = experiment_data(config)
    check_select_on(config, data)
    with held(directory):  # what is there may be replaced
        prepare(directory, config, data_identity(data), **mode)
    with held(directory), resumable(directory.path):
        yield directory, data


def _check_places(config: ExperimentConfig, directory: RunDirectory, *, resume: bool) -> None:
    """Refuse a tracker, a mesh, a model or a directory of checkpoints that can't be.

    Before any image is read, and before ``--overwrite`` removes a run: checkpoints outside of it,
    which it doesn't remove, would stop the new one.
    """
    from wiseft_jax.clip.hub import resolve_directory
    from wiseft_jax.core.distributed import is_first

    if is_first():
        config.tracking.check()
        check_writable(directory.path)
    config.mesh.build()
    resolve_directory(config.model.name)
    if config.checkpoints.directory is not None:
        from wiseft_jax.core.checkpoint import Checkpoints

        if is_first() and "://" not in config.checkpoints.directory:
            check_writable(config.checkpoints.directory)
        checkpoints = Checkpoints(directory.path, config.checkpoints)
        if not resume:
            checkpoints.check_unused()
            if is_first():
                checkpoints.check_free()


def agreed_directory(name: str) -> Path:
    """Return process 0's dated directory, in every process."""
    from wiseft_jax.core import distributed

    return Path(distributed.of_first(str(dated_directory(name))))


def dated_directory(name: str) -> Path:
    """Return ``runs/<name>-<date>-<time>``."""
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{name.replace('/', '-')}-{now}"


def _list_presets(*, as_json: bool) -> int:
    from wiseft_jax.reporting.paper_numbers import numbers_of, summary_of

    rows, notebooks = [], {}
    for preset in all_presets().values():
        config, notebook = preset.load(), read_notebook(preset.name, preset.notes)
        notebooks[preset.name] = notebook
        rows.append(
            {
                "name": preset.name,
                "summary": preset.summary,
                "model": config.model.name,
                "recipe": config.training.recipe,
                "expected": [dataclasses.asdict(each) for each in numbers_of(preset.name)] or None,
                **notebook.to_json(),
            }
        )
    if as_json:
        print_json(rows)
        return EXIT_DONE
    cells = [(row["name"], row["summary"], summary_of(row["name"])) for row in rows]
    print_table(f"{len(rows)} presets", ("name", "summary", "paper's"), cells)
    print(
        "paper's: top-1 in % on ImageNet and the mean of its five shifts, at alpha 0.5; --json has"
        " models, recipes\nand all numbers\n"
    )
    _print_hours(notebooks)
    return EXIT_DONE


def _print_hours(notebooks: Mapping[str, Notebook]) -> None:
    """Print each preset's command with the hours that were predicted, or why none are."""
    from wiseft_jax.planning.plan import range_text

    cells = []
    for each in notebooks.values():
        command = " \\\n  ".join(wrap(each.command, 64, break_on_hyphens=False))
        if each.hours is None:
            cells.append((command, "", "none", ""))
        else:
            hours, rate = range_text(*each.hours.total), f"{each.hours.images_per_sec:,}"
            cells.append((command, each.hours.devices, hours, rate))
    print_table("their commands", ("command", "on", "predicted hours", "images/s"), cells)
    print(
        "predicted hours: of fine-tuning and sweep by `wiseft plan`; not measured, and a lower"
        " bound, for decoding isn't\ncounted: they hold only if the hosts decode so many images/s"
        " for fine-tuning, or for the features of a linear\nclassifier. LP-FT's probe isn't in"
        " them. Where there are none:"
    )
    for name, each in notebooks.items():
        if each.hours is None:
            print(fill(f"{name}: {each.hardware}", 110, subsequent_indent="  "))
