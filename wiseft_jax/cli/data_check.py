"""``wiseft data check``: is a copy of a published data set there, whole, as its authors ship it."""

from __future__ import annotations

import dataclasses
import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from wiseft_jax.cli.common import Common, CommonOptions, print_json, print_table, table_console
from wiseft_jax.cli.parse import parse
from wiseft_jax.core.errors import EXIT_DONE, EXIT_FAULTS_FOUND, InputError
from wiseft_jax.data.catalog import dataset_entry
from wiseft_jax.data.catalog_facts import images_text
from wiseft_jax.data.doctor_report import SAMPLE, Finding, Report, SplitReport
from wiseft_jax.data.published_split import ROOT_VARIABLE

_SHOWN = 3
_INDENT = 9


@dataclasses.dataclass(frozen=True)
class CheckArgs:
    """Check a copy of a published data set, and say how to mend what is wrong.

    Counts images and classes, opens a sample, looks for half downloads, archives that aren't
    unpacked, folders in the wrong place, the same image twice, and images in two splits. Exits
    with 3 when it finds a fault; notes are none.
    """

    name: Annotated[str, tyro.conf.Positional]
    """Its id: `wiseft data list` has them."""
    root: Path | None = None
    """The folder that has the data set's folder, or that folder; by default `WISEFT_DATA_ROOT`."""
    split: tuple[str, ...] = ()
    """Check these splits; by default all that are there."""
    deep: bool = False
    """Open every image, and read compressed archives to their end."""
    sample: int = SAMPLE
    """Open so many images of each split; of corruptions, of all together."""
    seed: int = 0
    """Of the sample."""
    common: Common = CommonOptions()

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.sample < 0:
            raise InputError(f"--sample: expected at least 0, found {self.sample}")
        if self.deep and self.sample != SAMPLE:
            raise InputError("--sample: has no meaning with --deep, which opens every image")


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    args = parse(CheckArgs, argv, "data check")
    args.common.apply()
    entry = dataset_entry(args.name)
    root = args.root or Path(os.environ.get(ROOT_VARIABLE, ""))
    if args.root is None and not os.environ.get(ROOT_VARIABLE):
        raise InputError(
            f"where does it lie? Give --root ROOT, or set {ROOT_VARIABLE}; ROOT has the folder"
            f" {entry.layout.folder}, or is it"
        )
    from wiseft_jax.data.doctor import check_dataset

    report = check_dataset(
        args.name,
        root.expanduser(),
        splits=args.split,
        deep=args.deep,
        sample=args.sample,
        seed=args.seed,
    )
    if args.common.json:
        print_json(report.facts())
    else:
        _print_report(report)
    return EXIT_FAULTS_FOUND if report.faults else EXIT_DONE


def _print_report(report: Report) -> None:
    print(f"{report.id}: {report.title}")
    print(f"root: {report.root}")
    header = ("split", "images", "published", "classes", "of", "opened", "unreadable")
    print_table("", header, _rows(report.splits))
    for finding in report.findings:
        print()
        _print_finding(finding, report)
    print()
    if report.findings:
        print(_wrapped("get it", report.obtain))
    print(_verdict(report))


def _rows(splits: Sequence[SplitReport]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each split; variants that look alike share one."""
    groups: dict[tuple[str, ...], list[SplitReport]] = {}
    for split in splits:
        alike = dataclasses.replace(split, variant="" if split.variant else split.name, opened=0)
        groups.setdefault(tuple(map(str, dataclasses.astuple(alike))), []).append(split)
    for group in groups.values():
        first = group[0]
        name = first.name
        if first.variant:
            name += f" {first.variant}" if len(group) == 1 else f", {len(group)} variants"
        published = images_text(first.expected_images)
        if first.state != "checked":
            yield name, first.state, published, "", f"{first.expected_classes:,}", "", ""
            continue
        yield (
            name,
            f"{first.images or 0:,}",
            published,
            "not checked" if first.classes is None else f"{first.classes:,}",
            f"{first.expected_classes:,}",
            f"{sum(split.opened for split in group):,}",
            f"{first.bad:,}",
        )


def _print_finding(finding: Finding, report: Report) -> None:
    split = _shortened((finding.split or "").split(", "))
    of = f"{split}: " if split else ""
    print(_wrapped(finding.severity, f"{of}{finding.what} [{finding.kind}]"))
    for path in _few([_below(path, report.root) for path in finding.where]):
        print(f"{'':<{_INDENT}}{path}")
    if finding.expected:
        root = re.escape(f"{report.root}{os.sep}")
        found = re.sub(rf"(?<![\w./-]){root}", "", finding.found)
        print(_wrapped("", f"expected: {finding.expected}; found: {found or 'none'}"))
    prose, *commands = finding.fix.replace(report.obtain, "see below").split("\n")
    print(_wrapped("  fix", prose))
    for command in commands:  # in one piece, to be copied
        print(f"{'':<{_INDENT}}{command}")


def _below(path: str, root: Path) -> str:
    return path.removeprefix(f"{root}{os.sep}")


def _few(items: Sequence[str]) -> list[str]:
    more = [f"and {len(items) - _SHOWN:,} more"] if len(items) > _SHOWN else []
    return [*items[:_SHOWN], *more]


def _shortened(items: Sequence[str]) -> str:
    return ", ".join(_few(items))


def _wrapped(head: str, text: str) -> str:
    """Return a text beside its head, as wide as the terminal; in a pipe it is one line."""
    return textwrap.fill(
        f"{head:<{_INDENT}}{text}",
        max(table_console().width, 2 * _INDENT),
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _verdict(report: Report) -> str:
    counts = report.counts()
    parts = [
        f"{counts[severity]} {severity}{'s' * (counts[severity] != 1)}"
        for severity in counts
        if counts[severity]
    ]
    checked = [split for split in report.splits if split.state == "checked"]
    opened = ""
    if checked:
        whole = all(split.opened + split.bad >= (split.images or 0) for split in checked)
        opened = "every image was opened" if whole else "a sample was opened: --deep opens all"
    said = parts if report.faults else ["nothing is wrong", *parts]
    return "; ".join(filter(None, [", ".join(said), opened]))
