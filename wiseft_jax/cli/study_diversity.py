"""``wiseft study diversity``: how differently pairs of a study's models err."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions
from wiseft_jax.cli.failures import telling
from wiseft_jax.cli.inputs import data_identity, experiment_data
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.study_grid import check_one_process
from wiseft_jax.cli.study_page import show_page
from wiseft_jax.cli.together import together
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_lock import hold
from wiseft_jax.studies.diversity import (
    check_same_data,
    diversity_study,
    study_base,
)
from wiseft_jax.studies.diversity_config import DiversityConfig
from wiseft_jax.studies.grid_files import StudyDirectory

USAGE = "usage: wiseft study diversity STUDY_DIRECTORY [options]"


@dataclasses.dataclass(frozen=True)
class DiversityArgs:
    """Measure how differently pairs of models err: zero-shot and fine-tuned, two fine-tuned ones of
    a finished `wiseft study grid` (or `alternatives`), and two linear probes on disjoint halves of
    the training images.

    By their answers, from stored predictions (save the probes'), and by how unlike the embeddings
    are that the models make of images (CKA; extracted once). Writes diversity.jsonl, .json, .md,
    .png and .svg into the study's directory. The divergence of outputs (KL) needs a study whose
    sweeps stored logits: `wiseft study grid ... --sweep.keep-logits ends`.
    """

    study: tyro.conf.Positional[Path]
    """The directory of the study."""
    config: Annotated[DiversityConfig, tyro.conf.arg(name="")] = DiversityConfig()
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the study."""
    if not argv:
        raise InputError(f"no study is named\n{USAGE}")
    args = parse(DiversityArgs, argv, "study diversity")
    directory = StudyDirectory(args.study)
    base = study_base(directory)
    with together(args.common, DistributedConfig(), base.mesh):
        check_one_process()
        data = None
        if args.config.reads_images:
            data = experiment_data(base)
            check_same_data(directory, data_identity(data))
        kept = f"probes and features that are complete are in {directory.path}"
        with (
            hold(directory.path, what="study"),
            telling(f"{kept}; the same command goes on from there"),
        ):
            facts = diversity_study(args.config, directory, data)
            show(facts, directory, as_json=args.common.json)
    return EXIT_DONE


def show(facts: dict[str, Any], directory: StudyDirectory, *, as_json: bool) -> None:
    """Draw the bars, write the page, and print the table; or all of it as JSON.

    Args:
      facts: Of ``diversity_study``.
      directory: Where its files go.
      as_json: Whether to print JSON in place of the table.
    """
    from wiseft_jax.core.interrupt import same_command
    from wiseft_jax.reporting import diversity_table as tables
    from wiseft_jax.reporting.diversity_bars import draw_diversity

    show_page(
        "diversity",
        facts,
        directory,
        draw=draw_diversity,
        markdown=lambda facts, chart: tables.diversity_markdown(
            facts, chart, same_command(sys.argv)
        ),
        table=tables.diversity_table,
        sentences=tables.diversity_sentences,
        as_json=as_json,
    )
