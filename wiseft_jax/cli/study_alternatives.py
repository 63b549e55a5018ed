"""``wiseft study alternatives``: WiSE-FT and what else could be done, on one chart."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions
from wiseft_jax.cli.failures import resumable
from wiseft_jax.cli.inputs import data_identity, experiment_data
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import load_config
from wiseft_jax.cli.run import dated_directory
from wiseft_jax.cli.study_grid import QUICKSTART, check_one_process
from wiseft_jax.cli.study_page import show_page
from wiseft_jax.cli.together import together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import check_writable
from wiseft_jax.evaluation.config import PAPER_ALPHAS
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.studies.alternatives import alternatives_study
from wiseft_jax.studies.alternatives_config import (
    FIELDS,
    AlternativesConfig,
    base_config,
    models_to_train,
)
from wiseft_jax.studies.grid_config import replaced
from wiseft_jax.studies.grid_files import StudyDirectory

USAGE = "usage: wiseft study alternatives [PRESET_OR_FILE] [options]"


@dataclasses.dataclass(frozen=True)
class AlternativesArgs:
    """Compare WiSE-FT with ensembles of outputs, averages over training (EMA), random
    interpolation, early stopping, L2 and distillation towards zero-shot, and smaller learning
    rates: one chart of accuracy on the reference against accuracy under shift.

    Each model that has to be trained is a run directory under --out. The defaults shown are those
    of the preset, and every option can be given here. When none is named it is `quickstart/digits`
    with 5 epochs and 11 alphas: about ten minutes on two CPU cores that are idle.
    """

    config: Annotated[ExperimentConfig, tyro.conf.arg(name="")]
    alternatives: Annotated[AlternativesConfig, tyro.conf.arg(name="")] = AlternativesConfig()
    out: Path | None = None
    """The study's directory; a dated one under runs/ when not given."""
    resume: bool = False
    """Continue the study in --out, or extend it by other values."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the study."""
    if {"-h", "--help"} & set(argv):
        print(USAGE + "\n")
    named = bool(argv) and not argv[0].startswith("-")
    name, rest = (argv[0], argv[1:]) if named else (QUICKSTART, argv)
    preset = load_config(QUICKSTART if name == "quickstart" else name)
    if not named:
        preset = replaced(preset, {"training.epochs": 5.0, "sweep.alphas": PAPER_ALPHAS})
    default = AlternativesArgs(preset)
    return execute(parse(AlternativesArgs, rest, f"study alternatives {name}", default=default))


def execute(args: AlternativesArgs) -> int:
    """Do what the options say."""
    if args.resume and args.out is None:
        raise InputError("--resume needs --out DIR: the study")
    base = base_config(args.config)
    models_to_train(args.alternatives, base)  # refuses what can't be trained, before anything runs
    with together(args.common, DistributedConfig(), base.mesh):
        check_one_process()
        directory = StudyDirectory(args.out or dated_directory(f"{base.name}-alternatives"))
        directory.check(base, FIELDS, resume=args.resume)
        check_writable(directory.path)
        data = experiment_data(base)
        directory.path.mkdir(parents=True, exist_ok=True)
        with hold(directory.path, what="study"), resumable(directory.path):
            from wiseft_jax.core.interrupt import same_command

            directory.prepare(base, FIELDS, data_identity(data), same_command(sys.argv))
            facts = alternatives_study(args.alternatives, base, data, directory)
        show(facts, directory, as_json=args.common.json)
    return EXIT_DONE


def show(facts: dict[str, Any], directory: StudyDirectory, *, as_json: bool) -> None:
    """Draw the chart, write the page, and print the table; or all of it as JSON.

    Args:
      facts: Of ``alternatives_study``.
      directory: Where its files go.
      as_json: Whether to print JSON in place of the table.
    """
    from wiseft_jax.reporting import alternatives_table as tables
    from wiseft_jax.reporting.alternatives_chart import draw_alternatives

    show_page(
        "alternatives",
        facts,
        directory,
        draw=draw_alternatives,
        markdown=tables.alternatives_markdown,
        table=tables.alternatives_table,
        sentences=tables.alternatives_sentences,
        as_json=as_json,
    )
