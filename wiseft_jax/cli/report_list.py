"""``wiseft report --list``: the runs under a directory, with their key numbers."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.parse import parse
from wiseft_jax.core.errors import EXIT_DONE, InputError, few
from wiseft_jax.core.found_runs import Found, find_runs

_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True)
class ListArgs:
    """List the runs, studies and exported models under a directory, with their key numbers.

    What is damaged is listed as such, with the reason; what is of other programs is named in one
    line. Nothing is evaluated.
    """

    list: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Where to look."""
    depth: int = 3
    """How many levels below it to look at; what lies deeper is counted and named."""
    sort: Literal["path", "name", "recipe", "state", "date", "alpha", "reference", "shifts"] = (
        "path"
    )
    """By what: numbers (`reference` and `shifts`: the accuracies at the chosen alpha) and dates
    falling, texts rising."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run this form of the verb."""
    args = parse(ListArgs, argv, "report")
    args.common.apply()
    if args.depth < 0:
        raise InputError(f"--depth: expected 0 or more, found {args.depth}")
    found = find_runs(args.list, args.depth)
    from wiseft_jax.reporting.run_table import HEADS, run_cells, sorted_runs

    runs = sorted_runs(found.summaries, args.sort)
    if args.common.json:
        print_json({"runs": [each.to_json() for each in runs], "not_looked_into": found.deeper})
        return EXIT_DONE
    ours = [each for each in runs if each.state != "foreign"]
    if ours:
        print_table(_title(args.list, found), HEADS, run_cells(ours))
        print("accuracies in %: zero-shot / at the chosen alpha / fine-tuned; (how many shifts)")
    else:
        print(f"{args.list}: no run, down to a depth of {args.depth}")
    if others := [each.path for each in runs if each.state == "foreign"]:
        print(f"left out, as nothing of this program is there: {few(others, _MOST_NAMED)}")
    if found.deeper:
        print(
            f"deeper than --depth {args.depth}, and not looked into:"
            f" {few(found.deeper, _MOST_NAMED)}"
        )
    return EXIT_DONE


def _title(root: Path, found: Found) -> str:
    states = collections.Counter(each.state for each in found.summaries)
    counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"{root}: {counted}"
