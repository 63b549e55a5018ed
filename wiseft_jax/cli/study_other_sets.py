"""``wiseft study other_sets``: what fine-tuning took from the ability on other label sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import load_config
from wiseft_jax.cli.together import together
from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.run_lock import hold
from wiseft_jax.core.writers import check_writable
from wiseft_jax.studies.other_sets import evaluate_other_sets

USAGE = "usage: wiseft study other_sets RUN --sets SPEC... [options]"


@dataclasses.dataclass(frozen=True)
class OtherSetsArgs:
    """Evaluate a run's models, at every alpha of its sweep, on sets of other classes.

    Heads are made of the sets' own class names, as for zero-shot. Predictions go to
    RUN/other_sets, in place of those that are there; then
    `wiseft report RUN --analyses other_sets` says what is kept and what is lost.
    """

    run: tyro.conf.Positional[Path]
    """The run directory."""
    sets: tuple[str, ...]
    """The sets, as `folder:PATH`, `table:FILE`, `tfds:NAME:SPLIT` or `published:ID:SPLIT`."""
    templates: str | None = None
    """Their prompts: a name of a prompt set, or a file; the run's by default."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the study."""
    if not argv:
        raise InputError(f"no run directory is named\n{USAGE}")
    args = parse(OtherSetsArgs, argv, "study other_sets")
    if not args.sets:
        raise InputError(f"--sets: no set is named\n{USAGE}")
    directory = RunDirectory(args.run)
    directory.read_config()
    swept = directory.sweep_config_file
    config = load_config(str(swept if swept.is_file() else directory.config_file))
    with together(args.common, DistributedConfig(), config.mesh) as prints:
        from wiseft_jax.data.load import load_dataset
        from wiseft_jax.experiment import load_endpoints

        if prints:
            check_writable(directory.path)
        datasets = [
            load_dataset(
                spec,
                on_bad_image=config.data.on_bad_image,
                full_decode_limit=config.data.full_decode_limit,
                num_threads=config.data.num_threads,
            )
            for spec in args.sets
        ]
        with hold(directory.path, option=""):
            ends = load_endpoints(config, directory)
            found = evaluate_other_sets(config, datasets, ends, directory, args.templates)
        if prints:
            rows = [row for each in found.values() for row in each.rows(config_hash(config))]
            if args.common.json:
                print_json({"run": str(directory.path), "rows": rows})
            else:
                lines = [
                    (
                        row["dataset"],
                        f"{row['alpha']:g}",
                        f"{100 * row['value']:.1f}",
                        f"{row['n']}",
                    )
                    for row in rows
                    if row["metric"] == "top1"
                ]
                print_table("sets of other classes", ("set", "alpha", "accuracy in %", "n"), lines)
                print(f"what is kept: wiseft report {directory.quoted} --analyses other_sets")
    return EXIT_DONE
