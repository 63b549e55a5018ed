"""``wiseft train``: fine-tune only."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import load_config
from wiseft_jax.cli.run import started_run
from wiseft_jax.cli.together import together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.experiment import ExperimentConfig

USAGE = "usage: wiseft train PRESET_OR_FILE [options]   |   wiseft train --help"


@dataclasses.dataclass(frozen=True)
class TrainArgs:
    """Fine-tune, with checkpoints in the run directory; `wiseft sweep RUN` goes on from there."""

    config: Annotated[ExperimentConfig, tyro.conf.arg(name="")]
    out: Path | None = None
    """The run directory; a dated one under runs/ when not given."""
    resume: bool = False
    """Continue the interrupted run in --out."""
    overwrite: bool = False
    """Replace the run in --out."""
    distributed: DistributedConfig = DistributedConfig()
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    if not argv or argv[0].startswith("-"):
        if {"-h", "--help"} & set(argv):
            print(USAGE + "\n")
            default = TrainArgs(ExperimentConfig())
            parse(TrainArgs, ["--help"], "train PRESET_OR_FILE", default=default)
        raise InputError(f"no preset or file is named\n{USAGE}")
    name, *rest = argv
    args = parse(TrainArgs, rest, f"train {name}", default=TrainArgs(load_config(name)))
    if args.resume and args.out is None:
        raise InputError("--resume needs --out DIR: the run directory to continue")
    with together(args.common, args.distributed, args.config.mesh) as prints:
        from wiseft_jax import experiment

        with started_run(args) as (directory, data):
            experiment.train(args.config, data, directory, resume=args.resume)
        if prints:
            _report(args, directory)
    return EXIT_DONE


def _report(args: TrainArgs, directory: RunDirectory) -> None:
    if args.common.json:
        print_json({"run": str(directory.path)})
    elif not args.common.quiet:
        print(f"fine-tuned; next: wiseft sweep {directory.quoted}")
