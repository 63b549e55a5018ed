"""Where along alpha each prediction changes: the roots of the difference of the two top logits.

The predictions of an interpolated model are a piecewise constant function of alpha. Its breaks give
the accuracy at every real alpha at once: a step function that changes where an example flips, whose
highest steps are the exact arg max over the continuum.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Float64, Int, Int32, Int64

from wiseft_jax.core.lobatto import barycentric_matrix

_RESOLUTION = 2.0**-40
"""How closely a crossing is located, relative to the interval."""


@dataclasses.dataclass(frozen=True)
class Crossings:
    """Changes of predictions, ordered by alpha.

    Attributes:
      alpha: Where.
      example: Whose.
      before: The class below it.
      after: The class above it.
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


@dataclasses.dataclass(frozen=True)
class LogitPolynomial:
    """Logits of some examples at any alpha, up to a positive factor of each example.

    ``f(alpha) . w_c(alpha) + |f(alpha)| b_c(alpha)`` for features, which has the sign of a
    difference of logits; ``z_c(alpha)`` itself for interpolated logits.

    Attributes:
      nodes: float64[K].
      values: float64[K, B, D], features, or logits where there are no heads.
      heads: ``(kernel_0, bias_0, kernel_1, bias_1)``, float64.
    """

    nodes: Float64[np.ndarray, " K"]
    values: Float64[np.ndarray, "K B D"]
    heads: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None

    def logits(
        self, rows: Int[np.ndarray, " M"], alpha: Float64[np.ndarray, " M"]
    ) -> Float64[np.ndarray, "M C"]:
        """Return the logits of examples ``rows``, each at an alpha of its own."""
        matrix = barycentric_matrix(alpha, self.nodes)
        values = np.einsum("mk,kmd->md", matrix, self.values[:, rows])
        if self.heads is None:
            return values
        kernel_0, bias_0, kernel_1, bias_1 = self.heads
        low, high = (1 - alpha)[:, None], alpha[:, None]
        norm = np.linalg.norm(values, axis=1, keepdims=True)
        bias = low * bias_0[None] + high * bias_1[None]
        return low * (values @ kernel_0) + high * (values @ kernel_1) + norm * bias


def find_crossings(
    polynomial: LogitPolynomial,
    alphas: Float64[np.ndarray, " P"],
    top1: Int[np.ndarray, "P B"],
) -> Crossings:
    """Return where the predictions of the polynomial change.

    An interval between two neighbours of ``alphas`` is searched where they disagree, by bisection
    on the class itself, so that a third class in between is found too. A prediction that changes
    and changes back between two neighbours is missed.

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
    before = _classes(polynomial, example, low)
    after = _classes(polynomial, example, high)
    found = []
    width = (alphas[-1] - alphas[0]) * _RESOLUTION
    while len(example):
        differ = before != after
        low, high, example, before, after = (
            array[differ] for array in (low, high, example, before, after)
        )
        done = high - low <= width
        if done.any():
            where = (low + high)[done] / 2
            found.append(Crossings.of(where, example[done], before[done], after[done]))
        low, high, example, before, after = (
            array[~done] for array in (low, high, example, before, after)
        )
        middle = (low + high) / 2
        between = _classes(polynomial, example, middle)
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        before, after = np.concatenate([before, between]), np.concatenate([between, after])
        example = np.concatenate([example, example])
    return Crossings.join(found) if found else Crossings.none()


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
      top1: The predictions there that count.
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


def _classes(
    polynomial: LogitPolynomial, rows: Int[np.ndarray, " M"], alpha: Float[np.ndarray, " M"]
) -> np.ndarray:
    if not len(rows):
        return np.zeros(0, np.int64)
    return np.argmax(polynomial.logits(rows, alpha), axis=1)
