"""The same image twice in a data set: in a split, under two labels, or to train and to test on."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator, Sequence

from wiseft_jax.data.doctor_report import Finding, Severity
from wiseft_jax.data.overlap import same_content
from wiseft_jax.data.source import ArraySource, Dataset

_WHOLE = "all"
_TRAINED_ON = ("train", "train_online", "extra")

_AS_PUBLISHED = "nothing: the number of images is the published one, so its authors ship them so"


def content_findings(
    datasets: Sequence[Dataset], complete: dict[str, bool | None]
) -> list[Finding]:
    """Return which images, by the hash of their content, are there more than once.

    What a data set has twice though its count is the published one is how its authors ship it, and
    a note.

    Args:
      datasets: The splits, named after them.
      complete: Split -> whether its count is the published one; None: that isn't recorded.
    """
    groups = same_content(datasets) if datasets else []
    assert groups is not None  # files, or arrays: their sizes are known
    twins = [[(datasets[which], position) for which, position in group] for group in groups]
    return [
        *_within(twins, complete),
        *_listed_twice(datasets),
        *_across(twins, complete),
    ]


def _within(
    twins: Sequence[Sequence[tuple[Dataset, int]]], complete: dict[str, bool | None]
) -> Iterator[Finding]:
    same: dict[str, list[list[str]]] = collections.defaultdict(list)
    conflicts: dict[str, list[list[str]]] = collections.defaultdict(list)
    for group in twins:
        for name, members in itertools.groupby(group, key=lambda member: member[0].name):
            here = list(members)
            if len(here) > 1:
                labels = {int(dataset.labels[position]) for dataset, position in here}
                kind = conflicts if len(labels) > 1 else same
                kind[name].append([dataset.id(position) for dataset, position in here])
    for name, groups in same.items():
        severity, fix = _verdict(complete[name], "warning")
        yield Finding(
            "duplicate",
            f"{_images(groups)} there more than once, {_copies(groups)} too many",
            _paths(groups),
            fix or "remove all but one of each",
            "each image once",
            " = ".join(groups[0]),
            severity,
            name,
        )
    for name, groups in conflicts.items():
        severity, fix = _verdict(complete[name], "error")
        yield Finding(
            "label_conflict",
            f"{_images(groups)} there with more than one label",
            _paths(groups),
            fix or "keep the one whose label is right; or unpack it again",
            "one label for each image",
            " = ".join(groups[0]),
            severity,
            name,
        )


def _across(
    twins: Sequence[Sequence[tuple[Dataset, int]]], complete: dict[str, bool | None]
) -> Iterator[Finding]:
    shared: dict[tuple[str, str], list[list[str]]] = collections.defaultdict(list)
    for group in twins:
        first: dict[str, list[str]] = collections.defaultdict(list)
        for dataset, position in group:
            first[dataset.name].append(dataset.id(position))
        for one, other in itertools.combinations(first, 2):
            if _held_apart(one, other) and not {*first[one]} & {*first[other]}:
                shared[one, other].append([first[one][0], first[other][0]])
    for (one, other), groups in shared.items():
        both = None if None in (complete[one], complete[other]) else True
        both = False if False in (complete[one], complete[other]) else both
        severity, fix = _verdict(both, "error")
        yield Finding(
            "overlap",
            f"{_images(groups)} in {one} and in {other}",
            _paths(groups),
            fix or f"remove the copies from the one that doesn't ship them, {one} or {other}",
            "splits without a common image",
            " = ".join(groups[0]),
            severity,
            f"{one}, {other}",
        )


def _listed_twice(datasets: Sequence[Dataset]) -> Iterator[Finding]:
    for one, other in itertools.combinations(datasets, 2):
        if isinstance(one.source, ArraySource) or not _held_apart(one.name, other.name):
            continue
        paths = sorted({*one.source.ids} & {*other.source.ids})
        if paths:
            verb = "image is" if len(paths) == 1 else "images are"
            yield Finding(
                "overlap",
                f"{len(paths):,} {verb} listed in {one.name} and in {other.name}",
                tuple(paths),
                "get the lists of the splits again; see wiseft data info for where they lie",
                "splits without a common image",
                paths[0],
                split=f"{one.name}, {other.name}",
            )


def _held_apart(one: str, other: str) -> bool:
    """Return whether two splits must not have an image in common."""
    if _WHOLE in (one, other):
        return False
    return not (one in _TRAINED_ON and other in _TRAINED_ON)


def _verdict(complete: bool | None, severity: Severity) -> tuple[Severity, str]:
    """Return how bad a copy is, and what to do if that is nothing."""
    return ("note", _AS_PUBLISHED) if complete else (severity, "")


def _images(groups: Sequence[Sequence[str]]) -> str:
    return "1 image is" if len(groups) == 1 else f"{len(groups):,} images are"


def _copies(groups: Sequence[Sequence[str]]) -> str:
    return f"{sum(map(len, groups)) - len(groups):,}"


def _paths(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(path for group in groups for path in group)
