"""Matched references: which sets are one, and which shift is set against which.

Of a shift with fewer classes than the reference, effective robustness compares the accuracy with
that on the reference's images of the same classes (Taori et al. 2020, arXiv 2007.00644). Such
images are of the reference distribution, so they are no shift.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from wiseft_jax.core.errors import few
from wiseft_jax.core.typing import Role
from wiseft_jax.data.catalog import DATASETS
from wiseft_jax.data.catalog_objects import MATCHED_DATASETS
from wiseft_jax.data.source import Dataset, Source

logger = logging.getLogger(__name__)

_SHOWN = 5


def role_of(source: Source, role: Role) -> Role:
    """Return the role of a set that is given as ``role``: a shift may be a matched reference.

    Args:
      source: It is one by what the catalog says of it, whatever it is called.
      role: What it is given as.
    """
    if role == "shift" and _catalog_id(source) in MATCHED_DATASETS:
        return "matched_reference"
    return role


def published_reference(catalog_id: str) -> str:
    """Return the id of the matched reference of a published set; empty where that has none.

    Args:
      catalog_id: The set's; may be empty.
    """
    entry = DATASETS.get(catalog_id)
    wanted = None if entry is None else entry.reference
    return wanted if wanted in MATCHED_DATASETS else ""


def with_references(
    shifts: Sequence[Dataset], references: Sequence[Dataset]
) -> tuple[Dataset, ...]:
    """Return shifts with the names of the matched references that they are set against.

    A published shift goes with the set that the catalog names; any other with the first that has
    the same classes, predicted among the same. What goes with nothing is logged.

    Args:
      shifts: Shifted test sets.
      references: Matched references.
    """
    found = tuple(
        dataclasses.replace(shift, matched_reference=_reference_of(shift, references))
        for shift in shifts
    )
    for shift in found:
        wanted = published_reference(_catalog_id(shift.source))
        if wanted and not shift.matched_reference:
            logger.info(
                "%s: effective robustness sets it against the reference's images of its classes"
                " alone; add them: --data.matched_references published:%s:val",
                shift.name, wanted,
            )  # fmt: skip
    for reference in references:
        if reference.name not in {shift.matched_reference for shift in found}:
            logger.warning(
                "%s: no shift is set against this matched reference: %s",
                reference.name, _why_not(reference, found),
            )  # fmt: skip
    return found


def _reference_of(shift: Dataset, references: Sequence[Dataset]) -> str:
    wanted = published_reference(_catalog_id(shift.source))
    named = (each for each in references if wanted and _catalog_id(each.source) == wanted)
    alike = (each for each in references if _is_alike(shift, each))
    found = next(named, None) or next(alike, None)
    return "" if found is None else found.name


def _is_alike(one: Dataset, other: Dataset) -> bool:
    return one.class_names == other.class_names and _labels(one) == _labels(other)


def _labels(dataset: Dataset) -> set[int]:
    """Return the classes that a set has images of."""
    return {*dataset.labels[dataset.labels >= 0].tolist()}


def _why_not(reference: Dataset, shifts: Sequence[Dataset]) -> str:
    own = _catalog_id(reference.source)
    if own in MATCHED_DATASETS:
        wanted = [f"published:{name}" for name in DATASETS if published_reference(name) == own]
        return f"expected {' or '.join(wanted)} among the shifts"
    alike = [each for each in shifts if each.class_names == reference.class_names]
    if not alike:
        return "no shift is predicted among the same classes"
    classes = _labels(reference)
    closest = min(alike, key=lambda shift: len(classes ^ _labels(shift)))
    differs = [
        f"{verb} {few([reference.class_names[label] for label in sorted(labels)], _SHOWN)}"
        for verb, labels in (
            ("lacks", _labels(closest) - classes),
            ("has beside them", classes - _labels(closest)),
        )
        if labels
    ]
    if not differs:
        return f"{closest.name} is set against {closest.matched_reference}"
    return f"expected the classes of a shift; of those of {closest.name} it {' and '.join(differs)}"


def _catalog_id(source: Source) -> str:
    return getattr(source, "catalog_id", "")
