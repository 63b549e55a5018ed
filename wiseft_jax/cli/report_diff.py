"""``wiseft report --diff``: what differs between two runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.parse import parse
from wiseft_jax.core import run_differences
from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import EXIT_DONE, InputError
from wiseft_jax.core.last_sweep import check_last_sweep, sweep_command
from wiseft_jax.core.results import read_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.core.run_summary import key_numbers


@dataclasses.dataclass(frozen=True)
class DiffArgs:
    """Tell what differs between two runs: settings, versions, data, accuracies.

    Accuracies on the same images (their ids and labels match) are compared by paired tests. Nothing
    is evaluated: stored files are read.
    """

    diff: Annotated[tuple[Path, Path], tyro.conf.arg(metavar="RUN1 RUN2")]
    """The run directories."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run this form of the verb."""
    args = parse(DiffArgs, argv, "report")
    args.common.apply()
    facts = _facts(*map(RunDirectory, args.diff))
    if args.common.json:
        print_json(facts)
    else:
        _print(facts)
    return EXIT_DONE


def _facts(first: RunDirectory, second: RunDirectory) -> dict[str, Any]:
    both = (first, second)
    for each in both:
        each.read_config()  # refuses what is no run
    rows = [read_rows(each.path) if each.results_file.is_file() else [] for each in both]
    for each, its_rows in zip(both, rows, strict=True):
        check_last_sweep(each, its_rows)
    told = [run_differences.described(*each) for each in zip(both, rows, strict=True)]
    paired, reasons = _paired(first, second)
    data = run_differences.data_differing(first, second, rows)
    return {
        "runs": [str(each.path) for each in both],
        "config_hashes": [each["config_hash"] for each in told],
        "settings": _plain(run_differences.settings_differing(told[0], told[1])),
        "versions": _plain(run_differences.versions_differing(told[0], told[1])),
        "data": _plain(data),
        "numbers": [_numbers(*each) for each in zip(both, rows, strict=True)],
        "paired": [dataclasses.asdict(row) for row in paired],
        "not_paired": reasons,
    }


def _plain(found: Sequence[run_differences.Difference]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(each) for each in found]


def _numbers(directory: RunDirectory, rows: Any) -> dict[str, Any]:
    if not rows or not directory.selection_file.is_file():
        return {}
    return key_numbers(rows, read_json(directory.selection_file))


def _paired(first: RunDirectory, second: RunDirectory) -> tuple[Sequence[Any], dict[str, str]]:
    from wiseft_jax.evaluation.paired_runs import compare_runs
    from wiseft_jax.evaluation.predictions import load_predictions

    found, alphas, classes = [], [], []
    for each in (first, second):
        if not each.selection_file.is_file():
            return [], {"all sets": f"{each.path} has no results yet; wiseft sweep makes them"}
        try:
            found.append(load_predictions(each.path, again=sweep_command(each)))
        except InputError as error:
            return [], {"all sets": str(error)}
        alphas.append(float(read_json(each.selection_file)["alpha"]))
        ends = each.endpoints_file
        classes.append(read_json(ends).get("class_names") if ends.is_file() else None)
    same = classes[0] is not None and classes[0] == classes[1]
    return compare_runs(found[0], found[1], (alphas[0], alphas[1]), same_classes=same)


def _print(facts: dict[str, Any]) -> None:
    from wiseft_jax.reporting.run_differences import (
        PAIRED_HEADS,
        PAIRED_NOTE,
        difference_cells,
        paired_cells,
    )

    print(f"first:  {facts['runs'][0]}\nsecond: {facts['runs'][1]}\n")
    for part in ("settings", "versions", "data"):
        found = [run_differences.Difference(**each) for each in facts[part]]
        if found:
            print_table(f"{part} that differ", ("", "first", "second"), difference_cells(found))
        else:
            print(f"{part}: the same")
    if facts["paired"]:
        print_table("accuracies", PAIRED_HEADS, paired_cells(facts["paired"]))
        print(PAIRED_NOTE)
    for name, reason in facts["not_paired"].items():
        print(f"no paired test of {name}: {reason}")
