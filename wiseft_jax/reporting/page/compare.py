"""Several runs side by side: key numbers, paired tests where they share images, what differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from wiseft_jax.core.errors import few
from wiseft_jax.core.paired import mcnemar
from wiseft_jax.core.paired_intervals import newcombe
from wiseft_jax.reporting.page.facts import RunFacts
from wiseft_jax.reporting.page.settings import differing

_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two runs at their chosen alphas on the same images; fractions.

    Attributes:
      name: The set.
      first: The first run.
      second: The second one.
      n: Images.
      difference: Accuracy of the second minus that of the first.
      low: The lower end of its 95 % interval (Newcombe's).
      high: The upper end.
      p_value: Of McNemar's exact test.
    """

    name: str
    first: str
    second: str
    n: int
    difference: float
    low: float
    high: float
    p_value: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What runs have in common and what not.

    Attributes:
      pairs: Each later run against the first.
      config: Field -> its value in each run, of the fields that differ.
      notes: What can't be compared, and why.
    """

    pairs: list[Pair]
    config: list[tuple[str, list[str]]]
    notes: list[str]


def compare(runs: Sequence[RunFacts]) -> Comparison | None:
    """Return the comparison of several runs; None of one."""
    if len(runs) < 2:
        return None
    first, *others = runs
    pairs, notes = [], []
    for other in others:
        found, said = _compare(first, other)
        pairs += found
        notes += said
    return Comparison(pairs, differing([run.config for run in runs]), notes)


def _compare(first: RunFacts, second: RunFacts) -> tuple[list[Pair], list[str]]:
    names = f"{first.name} and {second.name}"
    ours, theirs = (dict.fromkeys(row["dataset"] for row in run.rows) for run in (first, second))
    shared = [name for name in ours if name in theirs]
    notes = []
    if not shared:
        notes.append(f"{names} have no set in common; their numbers aren't comparable.")
    elif alone := [*(n for n in ours if n not in theirs), *(n for n in theirs if n not in ours)]:
        notes.append(f"Of {names} only one has {few(alone, _SHOWN)}; means of shifts may differ.")
    pairs = []
    for name in shared:
        a, b = first.predictions.get(name), second.predictions.get(name)
        if a is None or b is None:
            notes.append(f"{name}: no paired test of {names}, without stored predictions of both.")
        elif (problem := _unlike(a, b, first, second, name)) is not None:
            notes.append(f"{name}: no paired test of {names}, {problem}.")
        else:
            pairs.append(_pair(a, b, first, second))
    return pairs, notes


def _unlike(a: Any, b: Any, first: RunFacts, second: RunFacts, name: str) -> str | None:
    if first.alpha not in a.alphas or second.alpha not in b.alphas:
        return "whose chosen alpha wasn't evaluated there"
    if tuple(first.class_names.get(name, ())) != tuple(second.class_names.get(name, ())):
        return "which have other classes"
    if a.ids != b.ids or not np.array_equal(a.labels, b.labels):
        return "which were evaluated on other images"
    if not (np.asarray(a.labels) >= 0).any():
        return "which has no labels"
    return None


def _pair(a: Any, b: Any, first: RunFacts, second: RunFacts) -> Pair:
    labelled = np.asarray(a.labels) >= 0
    one, other = (
        np.asarray(each.correct)[each.alphas.index(run.alpha)][labelled]
        for each, run in ((a, first), (b, second))
    )
    test, (low, high) = mcnemar(one, other), newcombe(one, other)
    return Pair(
        a.dataset, first.name, second.name, test.n, test.difference, low, high, test.p_value
    )
