"""What the doctor of data sets says: a fixed vocabulary of faults, and the report of a check."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeAlias

SCHEMA = 1
"""Of ``Report.facts``; a key or a kind may be added, never changed."""

SAMPLE = 1000
"""How many images of a split are opened by default."""

Severity: TypeAlias = Literal["error", "warning", "note"]
"""``error``: it can't be read, or isn't what was published. ``warning``: it can be read, but look
at it. ``note``: good to know, and no fault."""

State: TypeAlias = Literal["checked", "missing", "unreadable"]

KINDS: dict[str, str] = {
    "pickle": "a file is a pickle, which is never loaded",
    "archive": "an archive isn't unpacked",
    "partial_download": "a download was broken off",
    "lfs_pointer": "a file is a pointer of Git LFS, not its content",
    "missing_split": "nothing of a split lies where its authors put it",
    "missing_variant": "a corruption, or a severity of it, isn't there",
    "missing_index": "the list, table or array that has the labels isn't there",
    "nested_folder": "a folder lies in another one that doesn't belong there, often its namesake",
    "empty_file": "a file has no bytes",
    "truncated_file": "a file is cut off",
    "damaged_file": "a file of arrays can't be read",
    "unreadable_image": "an image can't be decoded",
    "bad_index": "a list or table isn't as its authors ship it",
    "missing_image": "a list or table names images that aren't there",
    "image_count": "there are more or fewer images than were published",
    "missing_class": "a class has no folder, or no image",
    "empty_class": "a class has a folder without images",
    "renamed_class": "a class's folder has another name than its authors gave it",
    "extra_folder": "images lie in a folder that is no class's, and are passed over",
    "flat_images": "images lie beside the folders of classes, and are passed over",
    "cropped_border": "images lack the border that their authors put around them",
    "stray_file": "a file among the images is none, and is passed over",
    "class_order": "labels count the classes in another order, or from another number",
    "bad_label": "a label is no class's",
    "misplaced_image": "an image's name says another class than its folder",
    "label_conflict": "the same image has two labels",
    "duplicate": "the same image is there twice",
    "overlap": "the same image is in a split to train on and in one to test on",
}
"""Kind of finding -> what it means. Kinds are fixed: scripts name them."""

_ORDER = {kind: place for place, kind in enumerate(KINDS)}
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that the doctor found.

    Attributes:
      kind: A key of ``KINDS``.
      what: What is wrong, as a sentence.
      where: The files or folders, all of them; or the classes.
      fix: What to do; a command is a line of its own, the last.
      expected: What there should be.
      found: What there is.
      severity: How bad it is.
      split: Of which split, or splits, and variant, as ``test fog/3``; None: of the data set.
    """

    kind: str
    what: str
    where: tuple[str, ...]
    fix: str
    expected: str = ""
    found: str = ""
    severity: Severity = "error"
    split: str | None = None

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind

    @property
    def order(self) -> tuple[int, int]:
        """The place in a report: the worst first, then as ``KINDS`` has them."""
        return _SEVERITIES.index(self.severity), _ORDER[self.kind]


@dataclasses.dataclass(frozen=True)
class SplitReport:
    """What was seen of a split, or of a variant of it.

    Attributes:
      name: The split.
      variant: ``CORRUPTION/SEVERITY``; empty for a data set that has none.
      state: Whether it could be checked.
      images: How many images it has; None: unknown.
      expected_images: How many were published; None: not recorded.
      classes: How many classes have images; None: unknown.
      expected_classes: How many the class list has.
      opened: How many images were decoded, now or, unchanged since, earlier.
      bad: How many images can't be read, of those looked at.
    """

    name: str
    variant: str
    state: State
    images: int | None
    expected_images: int | None
    classes: int | None
    expected_classes: int
    opened: int = 0
    bad: int = 0


@dataclasses.dataclass(frozen=True)
class Report:
    """The outcome of a check.

    Attributes:
      id: The data set.
      title: What people call it.
      obtain: How to get it.
      root: Where it was looked for.
      folder: The data set's folder there.
      splits: What was seen of each split and variant.
      findings: What was found, the worst first.
      deep: Whether every image was opened.
      sample: How many were opened of each split, if not all.
      seed: Of the sample.
    """

    id: str
    title: str
    obtain: str
    root: Path
    folder: Path
    splits: tuple[SplitReport, ...]
    findings: tuple[Finding, ...]
    deep: bool
    sample: int
    seed: int

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings but the notes."""
        return tuple(found for found in self.findings if found.severity != "note")

    def counts(self) -> dict[Severity, int]:
        """Return how many findings there are of each severity."""
        severities = [finding.severity for finding in self.findings]
        return {severity: severities.count(severity) for severity in _SEVERITIES}

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "title": self.title,
            "obtain": self.obtain,
            "root": str(self.root),
            "folder": str(self.folder),
            "deep": self.deep,
            "sample": None if self.deep else self.sample,
            "seed": self.seed,
            "counts": self.counts(),
            "splits": [dataclasses.asdict(split) for split in self.splits],
            "findings": [
                dataclasses.asdict(finding) | {"where": list(finding.where)}
                for finding in self.findings
            ],
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with the worst first; those of a kind stay as they are.

    Findings that differ in the split alone are one: a file may be of several.
    """
    groups: dict[Finding, list[str]] = {}
    for finding in findings:
        splits = groups.setdefault(dataclasses.replace(finding, split=None), [])
        splits += [finding.split] if finding.split else []
    merged = [
        dataclasses.replace(finding, split=", ".join(dict.fromkeys(splits)) or None)
        for finding, splits in groups.items()
    ]
    return tuple(sorted(merged, key=lambda finding: finding.order))
