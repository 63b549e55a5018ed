"""``wiseft sweep``: every alpha between the two ends of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from wiseft_jax.cli.common import Common, CommonOptions
from wiseft_jax.cli.inputs import data_identity, experiment_data
from wiseft_jax.cli.outcome import show_outcome
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import load_config
from wiseft_jax.cli.together import held, together
from wiseft_jax.core.config_io import to_dict
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_directory import RunDirectory, describe
from wiseft_jax.experiment import ExperimentConfig

USAGE = "usage: wiseft sweep RUN [options]   |   wiseft sweep --help"
_FIXED = ("model", "training")


@dataclasses.dataclass(frozen=True)
class SweepArgs:
    """Evaluate every alpha between the two ends of a run; choose one, report, export.

    Options of the sweep and the test sets may differ from the run's; results are replaced.
    """

    config: Annotated[ExperimentConfig, tyro.conf.arg(name="")]
    distributed: DistributedConfig = DistributedConfig()
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    if not argv or argv[0].startswith("-"):
        if {"-h", "--help"} & set(argv):
            print(USAGE + "\n")
            parse(SweepArgs, ["--help"], "sweep RUN", default=SweepArgs(ExperimentConfig()))
        raise InputError(f"no run directory is named\n{USAGE}")
    run, *rest = argv
    directory = RunDirectory(Path(run))
    directory.read_config()
    stored = load_config(str(directory.config_file))
    args = parse(SweepArgs, rest, f"sweep {run}", default=SweepArgs(stored))
    config = args.config
    _check_fixed(stored, config)
    with together(args.common, args.distributed, config.mesh) as prints:
        data = experiment_data(config)
        from wiseft_jax import experiment
        from wiseft_jax.core import distributed

        distributed.assert_same({**describe(config), **data_identity(data)})
        with held(directory):
            outcome = experiment.sweep_run(config, data, directory)
            if prints:
                show_outcome(config, data, outcome, directory, as_json=args.common.json)
    return EXIT_DONE


def _check_fixed(stored: ExperimentConfig, config: ExperimentConfig) -> None:
    for part in _FIXED:
        if to_dict(getattr(stored, part)) != to_dict(getattr(config, part)):
            raise InputError(
                f"--{part}.*: the run is trained already with other values; only the sweep and the"
                " test sets may change. Start another run instead"
            )
    if stored.data.train != config.data.train:
        raise InputError("--data.train: the run is trained already on other images")
