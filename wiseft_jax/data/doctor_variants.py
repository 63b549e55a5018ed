"""A data set that comes in corruptions and severities, checked: each of them, and which lack."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from wiseft_jax.core.hashing import hash_bytes, hash_json
from wiseft_jax.data.doctor_content import content_findings
from wiseft_jax.data.doctor_places import missing_split_finding, place_of
from wiseft_jax.data.doctor_report import Finding, Severity, SplitReport
from wiseft_jax.data.doctor_split import CheckedSplit
from wiseft_jax.data.entry import Variants
from wiseft_jax.data.files import FileSource
from wiseft_jax.data.published_folders import folder_of
from wiseft_jax.data.published_split import PublishedSplit
from wiseft_jax.data.source import ArraySource, Dataset


def check_variants(
    found: PublishedSplit,
    root: Path,
    sample: int | None,
    check: Callable[..., CheckedSplit],
) -> CheckedSplit:
    """Return what is wrong with the variants of a split, one after the other.

    Args:
      found: The split, of no variant.
      root: The root that was given.
      sample: How many images to open in all; None: all of them.
      check: Checks one: ``(found, sample=...)``.
    """
    variants = found.entry.variants
    assert variants is not None
    every = list(_every_variant(found, variants))
    there = sum(place_of(each) is not None for each in every)
    each_sample = None if sample is None else min(sample, max(1, sample // max(there, 1)))
    reports: list[SplitReport] = []
    findings: list[Finding] = []
    missing: list[PublishedSplit] = []
    contents: dict[str, list[str]] = {}
    others: list[str] = []
    for each in every:
        checked = check(each, sample=each_sample)
        reports += checked.reports
        others += checked.others
        if checked.is_missing:
            missing.append(each)
            continue
        findings += checked.findings
        if checked.source is not None:
            dataset = Dataset(each.name, checked.source, checked.source.labels)
            findings += content_findings([dataset], {each.name: checked.complete})
            contents.setdefault(_content(checked.source, place_of(each)), []).append(each.name)
    if len(missing) == len(every):
        findings = [dataclasses.replace(missing_split_finding(every[0], root), split=found.name)]
    else:
        findings = [*findings, *_missing_findings(found, variants, missing)]
    findings += _same_variants(names for names in contents.values() if len(names) > 1)
    return CheckedSplit(found, tuple(reports), tuple(findings), others=tuple(others))


def _every_variant(found: PublishedSplit, variants: Variants) -> Iterator[PublishedSplit]:
    corruptions = (*variants.corruptions, *variants.extra)
    for corruption, severity in itertools.product(corruptions, variants.severities):
        yield dataclasses.replace(
            found,
            name=f"{found.name} {corruption}/{severity}",
            variant={"corruption": corruption, "severity": str(severity)},
        )


def _missing_findings(
    found: PublishedSplit, variants: Variants, missing: Sequence[PublishedSplit]
) -> Iterator[Finding]:
    """Yield which variants lack: those of the benchmark are a fault, those beside it aren't."""
    kinds: tuple[tuple[tuple[str, ...], Severity, str], ...] = (
        (variants.corruptions, "error", "of the benchmark"),
        (variants.extra, "note", "beside the benchmark"),
    )
    for corruptions, severity, of in kinds:
        absent = [each for each in missing if each.variant["corruption"] in corruptions]
        if not absent:
            continue
        total = len(corruptions) * len(variants.severities)
        verb = "isn't" if len(absent) == 1 else "aren't"
        names = _whole_corruptions(absent, len(variants.severities))
        yield Finding(
            "missing_variant",
            f"{len(absent)} of the {total} variants {of} {verb} there: {', '.join(names)}",
            tuple(dict.fromkeys(_path(each) for each in absent)),
            f"get it: {found.entry.obtain}"
            if severity == "error"
            else "nothing, unless you want them",
            f"{total} variants",
            str(total - len(absent)),
            severity,
            found.name,
        )


def _path(found: PublishedSplit) -> str:
    return str(found.folder / found.split.paths[0].format(**found.variant))


def _whole_corruptions(missing: Sequence[PublishedSplit], severities: int) -> list[str]:
    """Return ``fog`` where every severity of it lacks, ``fog/3`` where some do."""
    corruptions = [each.variant["corruption"] for each in missing]
    names = [
        each.variant["corruption"]
        if corruptions.count(each.variant["corruption"]) == severities
        else "/".join(each.variant.values())
        for each in missing
    ]
    return list(dict.fromkeys(names))


def _content(source: FileSource | ArraySource, base: Path | None) -> str:
    """Return what two variants have in common only if one is the other's copy."""
    if isinstance(source, ArraySource):
        return hash_bytes(source.images.tobytes())
    assert base is not None
    names = [f"{folder_of(path, base)}/{Path(path).name}" for path in source.ids]
    return hash_json([names, source.stats()[0].tolist()])


def _same_variants(groups: Iterable[Sequence[str]]) -> Iterator[Finding]:
    for names in groups:
        yield Finding(
            "duplicate",
            f"{' and '.join(names)} have the same images: file by file, the same names and sizes",
            tuple(names),
            "unpack all but one of them again",
            "another corruption, or severity, in each",
            names[0],
            "error",
            names[0],
        )
