"""Matching the classes of a data set to the classifier's BY NAME, and looking for typing errors."""

from __future__ import annotations

import collections
import dataclasses
import logging
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int, Int32, Integer

from wiseft_jax.core.errors import InputError, counted, did_you_mean, few

logger = logging.getLogger(__name__)

_LISTED = 20
_TYPO_MIN_LENGTH = 5


def normalise_name(name: str) -> str:
    """Return a name without case, and with ``_``, ``-`` and runs of spaces as one space."""
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


@dataclasses.dataclass(frozen=True)
class ClassMatch:
    """Which of the classifier's classes each of a source's classes is.

    Attributes:
      indices: int32[K of the source]; -1 for a class without images that has no counterpart.
      classes: How many classes the classifier has.
    """

    indices: Int[np.ndarray, "K"]
    classes: int

    def apply(self, labels: Integer[np.ndarray, "N"]) -> Int32[np.ndarray, "N"]:
        """Return the labels in the classifier's order; -1 stays -1."""
        table = np.append(self.indices, -1).astype(np.int32)
        return table[labels]


def match_class_names(
    source_names: Sequence[str],
    classifier_names: Sequence[str],
    *,
    counts: Integer[np.ndarray, "K"] | None = None,
    where: str = "data",
) -> ClassMatch:
    """Match classes by name: exactly, else without case, underscores and hyphens (logged).

    A subset, and another order, are fine; the mapping is logged.

    Args:
      source_names: The data's classes.
      classifier_names: The classifier's.
      counts: Images of each source class; a class without any need not match.
      where: What to call the data in messages.

    Raises:
      InputError: Lists the classes that have images and no counterpart, with suggestions.
    """
    exact: dict[str, list[int]] = collections.defaultdict(list)
    for index, name in enumerate(classifier_names):
        exact[name].append(index)
    loose: dict[str, list[int]] = collections.defaultdict(list)
    for index, name in enumerate(classifier_names):
        loose[normalise_name(name)].append(index)
    indices = np.full(len(source_names), -1, np.int32)
    unmatched = []
    same = tuple(source_names) == tuple(classifier_names)  # the same list may repeat a name
    for position, name in enumerate(source_names):
        candidates = exact[name] if name in exact else loose.get(normalise_name(name), [])
        candidates = [position] if same else candidates
        if len(candidates) == 1:
            indices[position] = candidates[0]
        elif counts is None or counts[position] > 0:
            unmatched.append(name)
    if unmatched:
        raise InputError(
            f"{where}: {len(unmatched)} of {counted(len(source_names), 'class', 'classes')}"
            f" {'is' if len(unmatched) == 1 else 'are'} none of the "
            f"classifier's {len(classifier_names)}:"
            f"{describe_unmatched(unmatched, classifier_names)}"
            f"\nThe classifier's: {few(classifier_names)}"
            "\nRename them, or give a JSON object from all the old names to the classifier's "
            "(--class-names)"
        )
    _log_match(source_names, classifier_names, indices, where)
    return ClassMatch(indices, len(classifier_names))


def describe_unmatched(names: Sequence[str], options: Iterable[str]) -> str:
    """Return one line for each name with the closest option, at most twenty."""
    options = list(options)
    lines = [f"\n  {name!r}{did_you_mean(name, options)}" for name in names[:_LISTED]]
    more = f"\n  and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return "".join(lines) + more


def _log_match(
    source_names: Sequence[str],
    classifier_names: Sequence[str],
    indices: np.ndarray,
    where: str,
) -> None:
    if list(source_names) == list(classifier_names):
        logger.info("%s: the classifier's %d classes, in its order", where, len(source_names))
        return
    found = sorted({int(index) for index in indices if index >= 0})
    logger.info(
        "%s: classes matched by name: %d of the classifier's %d", where, len(found),
        len(classifier_names),
    )  # fmt: skip
    pairs = [
        f"{name} -> {classifier_names[index]} ({index})"
        for name, index in zip(source_names, indices, strict=True)
        if index >= 0
    ]
    logger.info("%s: %s", where, _listed(pairs))
    changed = [
        f"{name} -> {classifier_names[index]}"
        for name, index in zip(source_names, indices, strict=True)
        if index >= 0 and name != classifier_names[index]
    ]
    if changed:
        logger.warning("%s: names matched though written differently: %s", where, _listed(changed))
    without = [name for name, index in zip(source_names, indices, strict=True) if index < 0]
    if without:
        logger.info("%s: classes without images, left out: %s", where, _listed(without))
    times = collections.Counter(int(index) for index in indices if index >= 0)
    merged = [classifier_names[index] for index, count in times.items() if count > 1]
    if merged:
        logger.warning("%s: several classes were merged into: %s", where, _listed(merged))


def _listed(items: Sequence[str]) -> str:
    more = f", ... ({len(items) - _LISTED} more)" if len(items) > _LISTED else ""
    return ", ".join(items[:_LISTED]) + more


def similar_names(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of names that may be one class misspelt.

    Names of at least five letters that are equal but for case and separators, or that differ by one
    letter, or by two neighbours swapped. Names that differ in a digit are not similar.

    Example:
      >>> similar_names(["daisy", "dasiy", "tulip"])
      [('daisy', 'dasiy')]
    """
    pairs: set[tuple[int, int]] = set()
    by_key: dict[str, list[int]] = collections.defaultdict(list)
    plain = [normalise_name(name).replace(" ", "") for name in names]
    for index, name in enumerate(plain):
        if len(name) >= _TYPO_MIN_LENGTH:
            for key in {name, *(name[:cut] + name[cut + 1 :] for cut in range(len(name)))}:
                by_key[key].append(index)
    for group in by_key.values():
        for first in group:
            for second in group:
                if first < second and _near(plain[first], plain[second]):
                    pairs.add((first, second))
    return [(names[first], names[second]) for first, second in sorted(pairs)]


def _near(first: str, second: str) -> bool:
    if first == second:
        return True
    low = 0
    while low < min(len(first), len(second)) and first[low] == second[low]:
        low += 1
    high = 0
    while high < min(len(first), len(second)) - low and first[-1 - high] == second[-1 - high]:
        high += 1
    left, right = first[low : len(first) - high], second[low : len(second) - high]
    if any(character.isdigit() for character in left + right):
        return False
    swapped = len(left) == 2 and left == right[::-1]
    return swapped or (len(left) <= 1 and len(right) <= 1)
