"""Where along alpha each prediction changes: the roots of the difference of the two top logits.

The predictions of an interpolated model are a piecewise constant function of alpha. Its breaks give
the accuracy at every real alpha at once: a step function that changes where an example flips, whose
highest steps are the exact arg max over the continuum.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int, Int32, Int64

from wiseft_jax.evaluation.logit_polynomial import LogitPolynomial, PairDifference

_RESOLUTION = 2.0**-40
"""How closely a crossing is located, relative to the interval."""
_MAX_HALVINGS = 64


@dataclasses.dataclass(frozen=True)
class Crossings:
    """Changes of predictions, ordered by alpha.

    Attributes:
      alpha: Where.
      example: Whose.
      before: The class below it; ``NO_CLASS`` where logits are not finite.
      after: The class above it; likewise.
    """

    alpha: Float64[np.ndarray, " C"]
    example: Int32[np.ndarray, " C"]
    before: Int32[np.ndarray, " C"]
    after: Int32[np.ndarray, " C"]

    def __len__(self) -> int:
        return len(self.alpha)

    @classmethod
    def of(
        cls, alpha: np.ndarray, example: np.ndarray, before: np.ndarray, after: np.ndarray
    ) -> Crossings:
        """Return crossings from arrays of any integer type, in the order that they have."""
        return cls(alpha, *(array.astype(np.int32) for array in (example, before, after)))

    @classmethod
    def join(cls, parts: list[Crossings]) -> Crossings:
        """Return all crossings of several sets of examples."""
        arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES]
        order = np.lexsort((arrays[1], arrays[0]))
        return cls(*(array[order] for array in arrays))

    @classmethod
    def none(cls) -> Crossings:
        """Return no crossing at all."""
        return cls(np.zeros(0), *(np.zeros(0, np.int32) for _ in range(3)))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in _NAMES}

    def projected(self, classes: Int[np.ndarray, " R"]) -> Crossings:
        """Return the changes between classes, of changes between rows; a swap in one class is none.

        Args:
          classes: The class that each row stands for.
        """

        def of(rows: np.ndarray) -> np.ndarray:  # NO_CLASS, as rows, stays
            return np.where(rows < 0, rows, classes[np.maximum(rows, 0)]).astype(np.int32)

        return dataclasses.replace(self, before=of(self.before), after=of(self.after)).changes()

    def relabelled(self, relabel: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Crossings:
        """Return the changes that are left when some classes count as others.

        Args:
          relabel: ``(classes, examples) -> classes``, as ``Dataset.as_labelled``.
        """
        before, after = (relabel(each, self.example) for each in (self.before, self.after))
        return dataclasses.replace(self, before=before, after=after).changes()

    def changes(self) -> Crossings:
        """Return those at which the class is another one."""
        differ = self.before != self.after
        return Crossings(*(array[differ] for array in self.arrays().values()))

    def flips(self, labels: Int[np.ndarray, " N"]) -> tuple[np.ndarray, np.ndarray]:
        """Return where examples turn from right to wrong, and where from wrong to right.

        Args:
          labels: Of all examples; -1 for none.

        Returns:
          ``(lost, won)``, float64, each rising.
        """
        label = labels[self.example]
        return self.alpha[self.before == label], self.alpha[self.after == label]

    def steps(
        self, hits_at_start: int, labels: Int[np.ndarray, " N"]
    ) -> tuple[Float64[np.ndarray, " S"], Int64[np.ndarray, " S"]]:
        """Return the accuracy as a step function: where it changes, and the hits from there on.

        Args:
          hits_at_start: Right answers below the first crossing.
          labels: Of all examples; -1 for none.
        """
        lost, won = self.flips(labels)
        where = np.concatenate([lost, won])
        change = np.concatenate([-np.ones(len(lost), np.int64), np.ones(len(won), np.int64)])
        places, inverse = np.unique(where, return_inverse=True)
        sums = np.zeros(len(places), np.int64)
        np.add.at(sums, inverse, change)
        return places, hits_at_start + np.cumsum(sums)


_NAMES = tuple(field.name for field in dataclasses.fields(Crossings))


def find_crossings(
    polynomial: LogitPolynomial,
    alphas: Float64[np.ndarray, " P"],
    top1: Int[np.ndarray, "P B"],
) -> Crossings:
    """Return where the predictions of the polynomial change.

    An interval between two neighbours of ``alphas`` is searched where they disagree: for the root
    of the difference of the two classes' logits, then on both sides of it where a third class wins
    there. A prediction that changes and changes back between two neighbours is missed.

    Args:
      polynomial: The logits of B examples.
      alphas: Places, rising.
      top1: Predictions there, to say which intervals are searched.

    Returns:
      Crossings, with ``example`` counting from 0 to B - 1.
    """
    cell, example = np.nonzero(top1[:-1] != top1[1:])
    low, high = alphas[cell], alphas[cell + 1]
    # Predictions are made again here: rounding may call a tie at a grid point otherwise.
    before, after = (polynomial.classes(example, at) for at in (low, high))
    width = (alphas[-1] - alphas[0]) * _RESOLUTION
    found = []
    while len(example):
        differ = before != after
        low, high, example, before, after = (
            array[differ] for array in (low, high, example, before, after)
        )
        left, right = _root(polynomial.difference(example, before, after), low, high, width)
        at_left, at_right = (polynomial.classes(example, at) for at in (left, right))
        changed = at_left != at_right
        where = (left + right)[changed] / 2
        found.append(Crossings.of(where, example[changed], at_left[changed], at_right[changed]))
        low, high = np.concatenate([low, right]), np.concatenate([left, high])
        before, after = np.concatenate([before, at_right]), np.concatenate([at_left, after])
        example = np.concatenate([example, example])
        narrow = (high - low <= width) & (before != after)
        where = (low + high)[narrow] / 2
        found.append(Crossings.of(where, example[narrow], before[narrow], after[narrow]))
        after[narrow] = before[narrow]
    return Crossings.join(found) if found else Crossings.none()


def _root(
    difference: PairDifference, low: np.ndarray, high: np.ndarray, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return intervals of at most that width with a root, by bisection from + to -."""
    for _ in range(_MAX_HALVINGS):
        if not (high - low > width).any():
            break
        middle = (low + high) / 2
        ahead = difference(middle) > 0
        low, high = np.where(ahead, middle, low), np.where(ahead, high, middle)
    return low, high


def reconcile(
    crossings: Crossings, grid: Float64[np.ndarray, " W"], top1: Int[np.ndarray, "W N"]
) -> Crossings:
    """Return crossings that agree with the predictions at the grid's points.

    In each cell of the grid the classes along an example's crossings must lead from its prediction
    on the left to that on the right. Where they don't (a prediction was replaced by the model's
    own, or a tie fell otherwise) they are dropped, and a change lies in the middle of the cell.

    Args:
      crossings: As found on a polynomial.
      grid: Places, rising.
      top1: The predictions there that count; ``NO_CLASS`` where logits are not finite.
    """
    cell = np.clip(np.searchsorted(grid, crossings.alpha, side="right") - 1, 0, len(grid) - 2)
    order = np.lexsort((crossings.alpha, cell, crossings.example))
    cell, example = cell[order], crossings.example[order]
    before, after = crossings.before[order], crossings.after[order]
    new = np.ones(len(order), bool)
    new[1:] = (cell[1:] != cell[:-1]) | (example[1:] != example[:-1])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(order))[: len(first)] - 1
    cells, examples = cell[first], example[first]
    agree = (before[first] == top1[cells, examples]) & (after[last] == top1[cells + 1, examples])
    covered = np.zeros((len(grid) - 1, top1.shape[1]), bool)
    covered[cells[agree], examples[agree]] = True
    kept = order[agree[np.cumsum(new) - 1]] if len(order) else order
    cell, example = np.nonzero((top1[:-1] != top1[1:]) & ~covered)
    middle = (grid[cell] + grid[cell + 1]) / 2
    return Crossings.join(
        [
            Crossings(*(values[kept] for values in crossings.arrays().values())),
            Crossings.of(middle, example, top1[cell, example], top1[cell + 1, example]),
        ]
    )
