"""``wiseft data check``: whether a published data set is there, whole, and as its authors ship it.

Files are listed by the readers of ``published:``, so that the doctor sees what they would read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from wiseft_jax.core.errors import InputError, missing_path, unknown_name
from wiseft_jax.data.catalog import dataset_entry
from wiseft_jax.data.doctor_content import content_findings
from wiseft_jax.data.doctor_files import belongs_to, download_findings, read_tree
from wiseft_jax.data.doctor_order import class_order_finding
from wiseft_jax.data.doctor_report import SAMPLE, Finding, Report, in_order
from wiseft_jax.data.doctor_split import CheckedSplit, check_split
from wiseft_jax.data.doctor_variants import check_variants
from wiseft_jax.data.entry import DatasetEntry
from wiseft_jax.data.published_split import PublishedSplit, dataset_folder
from wiseft_jax.data.source import Dataset


def check_dataset(
    name: str,
    root: Path,
    *,
    splits: Sequence[str] = (),
    deep: bool = False,
    sample: int = SAMPLE,
    seed: int = 0,
    entry: DatasetEntry | None = None,
) -> Report:
    """Look at a published data set, and return what is wrong with it.

    Args:
      name: Its id in the catalog.
      root: The folder that has the data set's folder, or that folder.
      splits: Which splits; all by default, and then one that isn't there at all is no fault as long
        as another is.
      deep: Whether to decode every image, and to read compressed archives to their end.
      sample: How many images of each split to decode, if not all; of a data set in variants, in all
        of them together.
      seed: Of the sample.
      entry: What is known of it; the catalog's by default.

    Raises:
      InputError: No such data set, split or root.

    Example:
      >>> [finding.fix for finding in check_dataset("dtd", Path("/data")).faults]
    """
    entry = entry or dataset_entry(name)
    known = {split.name: split for split in entry.layout.splits}
    for each in splits:
        if each not in known:
            raise unknown_name(f"split of {name}", each, known)
    if not root.is_dir():
        raise missing_path(root, "folder", "Give the folder that the data sets lie in.")
    folder = dataset_folder(root, entry)
    chosen = [
        PublishedSplit(split.name, name, entry, split, folder, {}, allow_missing=True)
        for split in entry.layout.splits
        if not splits or split.name in splits
    ]
    with _readers_silent():
        check = functools.partial(
            check_split, root=root, seed=seed, tree_of=functools.cache(read_tree)
        )
        checked = [_check(each, root, None if deep else sample, check) for each in chosen]
        findings = [finding for each in checked for finding in each.findings]
        if not splits:
            findings = _excused(findings, checked)
        if (order := class_order_finding(chosen[0])) is not None:
            findings.append(order)
        findings += _same_images(checked)
        findings += _downloads(root, checked, findings, deep)
    reports = tuple(report for each in checked for report in each.reports)
    found = in_order(findings)
    return Report(name, entry.title, entry.obtain, root, folder, reports, found, deep, sample, seed)


def _check(
    found: PublishedSplit, root: Path, sample: int | None, check: Callable[..., CheckedSplit]
) -> CheckedSplit:
    if found.entry.variants is None:
        return check(found, sample=sample)
    return check_variants(found, root, sample, check)


def _excused(findings: Sequence[Finding], checked: Sequence[CheckedSplit]) -> list[Finding]:
    """Return the findings, where a split that nobody asked for may be missing.

    It may be as long as another one is there; and a list of a part may be, as long as the whole is.
    """
    some = not all(each.is_missing for each in checked)
    whole = {
        each.found.split.paths
        for each in checked
        if each.found.split.index is None and not each.is_missing
    }
    optional = {each.found.name for each in checked if each.found.split.paths in whole}
    return [
        dataclasses.replace(finding, severity="note")
        if (some and finding.kind == "missing_split")
        or (finding.kind == "missing_index" and finding.split in optional)
        else finding
        for finding in findings
    ]


def _same_images(checked: Sequence[CheckedSplit]) -> list[Finding]:
    datasets, complete = [], {}
    for each in checked:
        if each.source is not None:
            datasets.append(Dataset(each.found.name, each.source, each.source.labels))
            complete[each.found.name] = each.complete
    return content_findings(datasets, complete)


def _downloads(
    root: Path, checked: Sequence[CheckedSplit], findings: Sequence[Finding], deep: bool
) -> list[Finding]:
    """Return what is wrong with downloads: among the images, in the folder, and beside it."""
    found = checked[0].found
    files = [Path(path) for each in checked for path in each.others]
    folders = {found.folder}
    for each in checked if found.entry.variants is None else ():
        with contextlib.suppress(InputError):
            folders.update(path if path.is_dir() else path.parent for path in each.found.paths())
    own = root.name == Path(found.entry.layout.folder).name
    for folder in {root, *folders}:
        files += [
            path
            for path in folder.iterdir()
            if path.is_file()
            and (folder != root or own or belongs_to(path.name, found.id, found.entry))
        ]
    absent = [each.found.name for each in checked if each.is_missing]
    incomplete = any(finding.severity == "error" for finding in findings)
    return download_findings(files, incomplete=incomplete, absent=absent, deep=deep)


@contextlib.contextmanager
def _readers_silent() -> Iterator[None]:
    """Let the readers say nothing: what they'd warn of is a finding."""
    logger = logging.getLogger("wiseft_jax.data")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
