"""``wiseft report``: the stored report of a run, or its numbers against the paper's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table
from wiseft_jax.cli.parse import parse
from wiseft_jax.cli.presets import all_presets
from wiseft_jax.core.config_io import read_json, to_dict
from wiseft_jax.core.errors import EXIT_DONE, InputError, missing_path, unknown_name
from wiseft_jax.core.results import read_rows
from wiseft_jax.core.run_directory import RunDirectory

if TYPE_CHECKING:
    from wiseft_jax.reporting.against_paper import AgainstPaper

USAGE = "usage: wiseft report RUN [--against-paper [PRESET]] [--json]   |   wiseft report --help"
OPTION = "--against-paper"
THE_RUNS_OWN = "the run's own"


@dataclasses.dataclass(frozen=True)
class ReportArgs:
    """Print the report of a finished run, or compare its numbers with the paper's.

    Nothing is evaluated: the stored rows are read.
    """

    run: tyro.conf.Positional[Path]
    """The run directory."""
    against_paper: str | None = None
    """Compare with what the paper reports of this preset; without a name, of the run's own."""
    common: Common = CommonOptions()


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    if not argv:
        raise InputError(f"no run is named\n{USAGE}")
    args = parse(ReportArgs, _with_preset(argv), "report")
    args.common.apply()
    directory = RunDirectory(args.run)
    if not directory.path.is_dir():
        raise missing_path(directory.path, "run directory")
    if args.against_paper is not None:
        return _compare(directory, args.against_paper, as_json=args.common.json)
    rows = read_rows(directory.path)
    if args.common.json:
        print_json({"selection": read_json(directory.selection_file), "rows": rows})
        return EXIT_DONE
    if not directory.report_file.is_file():
        raise InputError(
            f"{directory.report_file}: missing; make it again: wiseft sweep {args.run}"
        )
    print(directory.report_file.read_text(encoding="utf-8"), end="")
    return EXIT_DONE


def _with_preset(argv: Sequence[str]) -> list[str]:
    """Return the arguments with a value for ``--against-paper`` where none follows it."""
    given = list(argv)
    if OPTION in given:
        place = given.index(OPTION) + 1
        if place == len(given) or given[place].startswith("-"):
            given.insert(place, THE_RUNS_OWN)
    return given


def _compare(directory: RunDirectory, preset: str, *, as_json: bool) -> int:
    from wiseft_jax.reporting.against_paper import against_paper
    from wiseft_jax.reporting.paper_numbers import numbers_of, presets_with_numbers

    config = read_json(directory.config_file)["config"]
    if preset == THE_RUNS_OWN:
        preset = str(config["name"])
        if not numbers_of(preset):
            raise InputError(
                f"{directory.path}: no numbers of the paper are recorded for a run called"
                f" {preset!r}; name a preset: {OPTION} {'|'.join(presets_with_numbers())}"
            )
    elif preset not in all_presets():
        raise unknown_name("preset", preset, all_presets())
    found = against_paper(read_rows(directory.path), preset)
    differs = [*_differences(config, preset), *found.other_sizes]
    if as_json:
        print_json(
            {
                "run": str(directory.path),
                "preset": preset,
                "differs": differs,
                "compared": [each.to_json() for each in found.compared],
                "missing": [dataclasses.asdict(each) for each in found.missing],
            }
        )
    else:
        _print(found, differs)
    return EXIT_DONE


def _print(found: AgainstPaper, differs: Sequence[str]) -> None:
    rows = [
        (
            each.paper.dataset,
            f"{each.paper.alpha:g}",
            f"{each.n}",
            f"{100 * each.value:.1f}",
            f"{100 * each.paper.value:.1f}",
            f"{_points(each.difference)} [{', '.join(map(_points, each.interval))}]",
            each.verdict,
        )
        for each in found.compared
    ]
    header = ("set", "alpha", "n", "run", "paper", "difference [95 %]", "")
    print_table(f"against the paper's {found.preset}, in %", header, rows)
    for what in differs:
        print(f"not the paper's experiment: {what}")
    for what in found.missing:
        print(f"missing: {what}")
    print(
        "The interval is the run's (Clopper-Pearson; of the mean, as if the sets were independent),"
        " minus the paper's number; consistent: that holds 0, the paper's rounding allowed for."
    )
    print(f"source: {'; '.join(dict.fromkeys(each.paper.source for each in found.compared))}")


def _differences(config: Mapping[str, Any], preset: str) -> list[str]:
    """Return in what a run isn't the preset's experiment: model, recipe, training options."""
    wanted = to_dict(all_presets()[preset].load())
    model = [("model", "name"), ("model", "templates"), ("data", "train")]
    fields = [*model, *(("training", field) for field in wanted["training"])]
    return [
        f"{part}.{field} is {_short(config[part].get(field))}, the preset's is"
        f" {_short(wanted[part][field])}"
        for part, field in fields
        if config[part].get(field) != wanted[part][field]
    ]


def _short(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _points(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:+.1f}"
