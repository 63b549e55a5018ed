"""``wiseft sweep``: every alpha between the two ends of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json
from wiseft_jax.cli.extrapolation import warn_of_extrapolation
from wiseft_jax.cli.failures import replacing
from wiseft_jax.cli.inputs import data_identity, experiment_data
from wiseft_jax.cli.outcome import report_again, show_outcome
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import load_config
from wiseft_jax.cli.study_outcome import show_studies
from wiseft_jax.cli.together import held, together
from wiseft_jax.core.config_io import to_dict
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_directory import RunDirectory, describe
from wiseft_jax.core.writers import check_writable
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, check_select_on
from wiseft_jax.studies import of_run as studies
from wiseft_jax.training.learn_config import LearnAlphasConfig

USAGE = "usage: wiseft sweep RUN [options]   |   wiseft sweep --help"
_FIXED = ("model", "training")


@dataclasses.dataclass(frozen=True)
class SweepArgs:
    """Evaluate every alpha between the two ends of a run; choose one, report, export.

    Options of the sweep and the test sets may differ from the run's; results are replaced. With
    `--learn` or `--race`, and without `--rules`, there is no sweep, and the results stay; the
    report is written again, with the studies.
    """

    config: Annotated[ExperimentConfig, tyro.conf.arg(name="")]
    learn: bool = False
    """Fit a coefficient for each group of parameters on the validation set and compare them with
    single alphas on the test sets; into learned.json."""
    learning: LearnAlphasConfig = LearnAlphasConfig()
    """What `--learn` fits, on what, and how."""
    rules: bool = False
    """Sweep, and tell what each rule for choosing alpha costs on each set; into
    rules.json."""
    race: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="[NAME]")] = None
    """Find the best alpha on the validation set, or on the set NAME, with a part of a sweep's
    forward passes; into race.json."""
    racing: RaceConfig = RaceConfig()
    """How `--race` is run."""
    distributed: DistributedConfig = DistributedConfig()
    common: Common = CommonOptions()

    @property
    def sweeps(self) -> bool:
        """Whether the sweep is made."""
        return self.rules or not (self.learn or self.race is not None)


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
    _check_studies(args, stored)
    with together(args.common, args.distributed, config.mesh) as prints:
        if prints:
            warn_of_extrapolation(config.sweep.alphas)
            config.tracking.check()
            check_writable(directory.path)  # before anything is read, too
        if args.race is not None:
            from wiseft_jax.evaluation.racing_live import check_one_process

            check_one_process()
        data = experiment_data(config)
        check_select_on(config, data)
        from wiseft_jax import experiment
        from wiseft_jax.core import distributed

        distributed.assert_same({**describe(config), **data_identity(data), **_asked(args)})
        with held(directory, option=""), replacing(directory):
            ends = experiment.load_endpoints(config, directory)
            experiment.check_same_data(data, directory)
            found = _study_ends(args, data, ends, directory)
            outcome = None
            if args.sweeps:
                studies.forget_rules(directory)  # of the sweep that is replaced
                outcome = experiment.sweep_run(config, data, directory, ends)
            if args.rules and outcome is not None:
                costs = studies.rule_costs(config, data, ends, outcome.sweep, directory)
                found["rules"] = costs
            if prints:
                if outcome is None:
                    report_again(data, directory)
                _show(args, data, outcome, found, directory)
    return EXIT_DONE


def _asked(args: SweepArgs) -> dict[str, Any]:
    """Return the options of the studies, which all processes must agree on."""
    names = ("learn", "learning", "rules", "race", "racing")
    return {"studies": {name: dataclasses.asdict(args)[name] for name in names}}


def _study_ends(
    args: SweepArgs, data: ExperimentData, ends: studies.Ends, directory: RunDirectory
) -> dict[str, dict[str, Any]]:
    """Do the studies that need no sweep; return what they found, by name."""
    found = {}
    if args.race is not None:
        name = args.race[0] if args.race else None
        found["race"] = studies.race_alphas(
            args.config, data, ends, args.racing, directory, name=name
        )
    if args.learn:
        found["learned"] = studies.learn(args.config, data, ends, args.learning, directory)
    return found


def _show(
    args: SweepArgs,
    data: ExperimentData,
    outcome: Any,
    found: dict[str, dict[str, Any]],
    directory: RunDirectory,
) -> None:
    as_json = args.common.json
    if outcome is not None:
        show_outcome(args.config, data, outcome, directory, as_json=as_json, more=found)
    elif as_json:
        print_json({"run": str(directory.path), **found})
    if not as_json:
        show_studies(found, directory)


def _check_studies(args: SweepArgs, stored: ExperimentConfig) -> None:
    """Refuse options of what isn't asked for, and several sets to race on."""
    if args.learning != LearnAlphasConfig() and not args.learn:
        raise InputError("--learning.*: has no meaning without --learn")
    if args.racing != RaceConfig() and args.race is None:
        raise InputError("--racing.*: has no meaning without --race")
    if args.race is not None and len(args.race) > 1:
        raise InputError(f"--race: expected one set, found {', '.join(args.race)}")
    if not args.sweeps:
        before, now = to_dict(stored.sweep), to_dict(args.config.sweep)
        read = {"alphas", "batch_size", "chunk_size", *(["backend"] if args.learn else [])}
        unread = [name for name in now if now[name] != before[name] and name not in read]
        if unread:
            option = unread[0].replace("_", "-")
            raise InputError(
                f"--sweep.{option}: has no meaning with --race or --learn, which make no sweep;"
                " leave it out, or sweep first"
            )


def _check_fixed(stored: ExperimentConfig, config: ExperimentConfig) -> None:
    for part in _FIXED:
        if to_dict(getattr(stored, part)) != to_dict(getattr(config, part)):
            raise InputError(
                f"--{part}.*: the run is trained already with other values; only the sweep and the"
                " test sets may change. Start another run instead"
            )
    if stored.data.train != config.data.train:
        raise InputError("--data.train: the run is trained already on other images")
