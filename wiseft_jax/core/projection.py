"""From the logits of a head to the classes of a data set that has fewer: which rows stand for each.

The logit of a class is the greatest of its rows', so the prediction is the class of the row that is
the greatest of all: ``argmax_c max_(r of c) z_r = class_of[argmax_r z_r]``. So every way of
evaluating a head serves a projected set too: rows, and the class of each. Plain NumPy.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Float, Int, Int32

NO_CLASS = -2
"""In place of a class where there is none: a logit isn't finite, or the greatest one stands for no
class of the set. No label is that, not even a missing one."""
ZERO_ROW = -1
"""In place of a row of the head: a logit that is 0 whatever the head."""
NEVER = -1e10
"""The logit of a class that is never predicted."""


@dataclasses.dataclass(frozen=True, eq=False)
class Projection:
    """Which rows of a head stand for each class of a data set.

    Attributes:
      head_names: The K classes of the head.
      class_names: The C classes of the set.
      rows: int32[R], rows of the head, or ``ZERO_ROW``; those that aren't here are never predicted.
      classes: int32[R], the class that each stands for, rising; ``NO_CLASS``, which come last, for
        rows that are predicted, and always wrong.
    """

    head_names: tuple[str, ...]
    class_names: tuple[str, ...]
    rows: Int32[np.ndarray, " R"]
    classes: Int32[np.ndarray, " R"]

    @classmethod
    def of(
        cls,
        members: Sequence[Sequence[int]],
        class_names: Sequence[str],
        head_names: Sequence[str],
        *,
        never: Collection[int] = (),
        all_rows: bool = False,
    ) -> Projection:
        """Return the projection that takes the greatest logit of each class's rows.

        Args:
          members: The rows of each of the C classes; the logit of a class without any is 0.
          class_names: The set's C classes.
          head_names: The head's K classes.
          never: Classes that are never predicted.
          all_rows: Whether the prediction is made among all rows of the head; one that stands for
            no class is wrong then.
        """
        pairs: list[tuple[int, int]] = []
        for label, own in enumerate(members):
            if label not in never:
                pairs += [(row, label) for row in (own or [ZERO_ROW])]
        if all_rows:
            mapped = {row for row, _ in pairs}
            rest = [row for row in range(len(head_names)) if row not in mapped]
            pairs += [(row, NO_CLASS) for row in rest]
        rows, classes = (np.asarray(column, np.int32) for column in zip(*pairs, strict=True))
        return cls(tuple(head_names), tuple(class_names), rows, classes)

    @functools.cached_property
    def slots(self) -> Int32[np.ndarray, " S"]:
        """Where each logit counts: int32[K + Z], for K rows of the head and Z logits that are 0.

        A class; ``K + Z`` for no class; ``K + Z + 1`` for what is never predicted. The length of
        most sets' is K, so that they share a compiled program.
        """
        zeros = self.classes[self.rows == ZERO_ROW]
        size = len(self.head_names) + len(zeros)
        found = np.full(size, size + 1, np.int32)
        own = self.rows != ZERO_ROW
        found[self.rows[own]] = np.where(self.classes[own] == NO_CLASS, size, self.classes[own])
        found[len(self.head_names) :] = zeros
        return found

    def chosen(self, values: Float[np.ndarray, "*n K"]) -> Float[np.ndarray, "*n R"]:
        """Return the columns of ``rows``: of logits, or of a head's kernel or bias."""
        own = self.rows != ZERO_ROW
        found = np.zeros((*values.shape[:-1], len(self.rows)), values.dtype)
        found[..., own] = values[..., self.rows[own]]
        return found

    def by_class(self, logits: Float[np.ndarray, "N R"]) -> Float[np.ndarray, "N C"]:
        """Return the greatest logit of each of the C classes, ``NEVER`` where there is none.

        NaN for an example of which a logit isn't finite.

        Args:
          logits: Those of ``rows``.
        """
        found = np.full((len(logits), len(self.class_names)), NEVER, logits.dtype)
        names = np.unique(self.classes[self.classes != NO_CLASS])
        found[:, names] = class_maxima(logits, self.classes)[:, : len(names)]
        found[~np.isfinite(logits).all(axis=1)] = np.nan
        return found


def class_maxima(
    logits: Float[np.ndarray, "N R"], classes: Int[np.ndarray, " R"]
) -> Float[np.ndarray, "N G"]:
    """Return the greatest logit of each class that has rows, and of ``NO_CLASS``, in their order.

    Args:
      logits: Those of a projection's rows.
      classes: Of the rows, equal ones together.
    """
    first = np.flatnonzero(np.append(True, classes[1:] != classes[:-1]))
    return np.maximum.reduceat(logits, first, axis=1)
