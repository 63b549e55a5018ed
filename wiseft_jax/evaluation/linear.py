"""Logits that are linear in alpha (only the head differs): everything exact, without a grid.

``z(alpha) = (1 - alpha) z_0 + alpha z_1``. Against each other class the margin of the label is a
line in alpha, so an example is right on one interval, the intersection of half-lines. Sorting the
ends of these intervals gives the accuracy at every real alpha. The prediction follows the upper
envelope of K lines. Cross-entropy is convex in alpha.

"Exact" means: up to the rounding of one division in float64, in rows of float32 logits.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int32, Int64

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.softmax import softmax_entropy
from wiseft_jax.evaluation.envelope import walk

logger = logging.getLogger(__name__)

_CHUNK_ELEMENTS = 2**18  # 2 MiB of float64: the intermediates stay in the second-level cache
_NEWTON_STEPS = 100


@dataclasses.dataclass(frozen=True)
class Interval:
    """A set ``low..high`` of alphas; an end that is not closed doesn't belong to it."""

    low: float
    high: float
    low_closed: bool = True
    high_closed: bool = True

    @property
    def middle(self) -> float:
        """The centre."""
        return (self.low + self.high) / 2


@dataclasses.dataclass(frozen=True)
class BestAlphas:
    """The alphas with the most hits on a range.

    Attributes:
      hits: Examples that are right there.
      n: Labelled examples.
      intervals: All such alphas, rising and disjoint.
    """

    hits: int
    n: int
    intervals: tuple[Interval, ...]

    @property
    def alpha(self) -> float:
        """The middle of the widest interval (of equals the first): the one furthest from a fall."""
        return max(self.intervals, key=lambda interval: interval.high - interval.low).middle


@dataclasses.dataclass(frozen=True)
class Crossings:
    """Where predictions change, by rising alpha in each example, on ``low..high``.

    Attributes:
      example: int64[C], the example's position.
      alpha: float64[C], where it changes.
      before: int32[C], the class on the left of it.
      after: int32[C], the class on the right of it.
      at: int32[C], the class exactly there: of all that tie, the first.
    """

    example: Int64[np.ndarray, " C"]
    alpha: Float64[np.ndarray, " C"]
    before: Int32[np.ndarray, " C"]
    after: Int32[np.ndarray, " C"]
    at: Int32[np.ndarray, " C"]

    def __len__(self) -> int:
        return len(self.example)


@dataclasses.dataclass(frozen=True)
class LinearCurve:
    """The accuracy at every real alpha: example i is right on ``low[i]..high[i]``.

    Attributes:
      low: float64[N], lower ends, -inf included.
      high: float64[N], upper ends, inf included.
      low_closed: bool[N], whether the lower end itself is right.
      high_closed: bool[N], the same of the upper end.
      right: bool[N], whether there is any alpha at which the example is right.
      n: Labelled examples, the denominator.
    """

    low: Float64[np.ndarray, " N"]
    high: Float64[np.ndarray, " N"]
    low_closed: Bool[np.ndarray, " N"]
    high_closed: Bool[np.ndarray, " N"]
    right: Bool[np.ndarray, " N"]
    n: int

    @functools.cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        kept = self.right
        return (
            np.sort(self.low[kept & self.low_closed]),
            np.sort(self.low[kept & ~self.low_closed]),
            np.sort(self.high[kept & self.high_closed]),
            np.sort(self.high[kept & ~self.high_closed]),
        )

    def hits(self, alphas: Float[np.ndarray, " A"]) -> Int64[np.ndarray, " A"]:
        """Return how many examples are right at each alpha: four binary searches an alpha."""
        low_closed, low_open, high_closed, high_open = self._sorted
        begun = low_closed.searchsorted(alphas, "right") + low_open.searchsorted(alphas, "left")
        ended = high_closed.searchsorted(alphas, "left") + high_open.searchsorted(alphas, "right")
        return begun - ended

    def accuracy(self, alphas: Float[np.ndarray, " A"]) -> Float64[np.ndarray, " A"]:
        """Return the accuracy at each alpha, a fraction."""
        return self.hits(alphas) / self.n

    def correct(self, alphas: Float[np.ndarray, " A"]) -> Bool[np.ndarray, "A N"]:
        """Return which examples are right at each alpha."""
        at = np.asarray(alphas, np.float64)[:, None]
        low, high = self.low[None], self.high[None]
        begun = (at > low) | (self.low_closed[None] & (at == low))
        ended = (at > high) | (~self.high_closed[None] & (at == high))
        return begun & ~ended & self.right[None]

    def breakpoints(self, low: float = 0.0, high: float = 1.0) -> Float64[np.ndarray, " P"]:
        """Return the alphas in ``[low, high]`` where an example becomes right or wrong."""
        ends = np.unique(np.concatenate(self._sorted))
        return ends[np.isfinite(ends) & (ends >= low) & (ends <= high)]

    def best(self, low: float = 0.0, high: float = 1.0) -> BestAlphas:
        """Return the exact set of the best alphas in ``[low, high]``.

        Between two breakpoints nothing changes, so the points and the gaps between them are all.

        Raises:
          InputError: If the range is empty or not finite.
        """
        _check_range(low, high)
        points = np.unique(np.concatenate([[low], self.breakpoints(low, high), [high]]))
        low_closed, low_open, high_closed, high_open = self._sorted
        begun = low_closed.searchsorted(points, "right") + low_open.searchsorted(points, "right")
        ended = high_closed.searchsorted(points, "right") + high_open.searchsorted(points, "right")
        pieces = np.empty(2 * len(points) - 1, np.int64)  # point, gap, point, ..., point
        pieces[0::2] = self.hits(points)
        pieces[1::2] = (begun - ended)[:-1]
        most = int(pieces.max())
        edges = np.flatnonzero(np.diff(np.concatenate([[False], pieces == most, [False]])))
        intervals = tuple(
            Interval(
                float(points[first // 2]),
                float(points[(last + 1) // 2]),
                low_closed=bool(first % 2 == 0),
                high_closed=bool(last % 2 == 0),
            )
            for first, last in zip(edges[0::2], edges[1::2] - 1, strict=True)
        )
        return BestAlphas(most, self.n, intervals)


def summary_of(z: Float[np.ndarray, "M K"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the class, the margin (inf with one class) and the entropy of rows of logits."""
    best = z.argmax(axis=1)
    top = np.take_along_axis(z, best[:, None], 1)[:, 0]
    second = np.where(np.arange(z.shape[1])[None] == best[:, None], -np.inf, z)
    return best, top - second.max(axis=1), softmax_entropy(z)


Summary: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""What ``summary_of`` is."""


@dataclasses.dataclass(frozen=True)
class LinearLogits:
    """The logits of both ends; between them (and beyond) they are linear in alpha.

    An example with a logit that is not finite at either end is invalid: it counts as wrong at
    every alpha but the other end, if its logits are finite there, and cross-entropy leaves it out;
    a warning says how many there are.

    Attributes:
      logits_0: float[N, K] at alpha = 0.
      logits_1: float[N, K] at alpha = 1.
      labels: int[N]; -1 marks an example that doesn't count.
    """

    logits_0: Float[np.ndarray, "N K"]
    logits_1: Float[np.ndarray, "N K"]
    labels: Int[np.ndarray, " N"]

    def __post_init__(self) -> None:
        shapes = (self.logits_0.shape, self.logits_1.shape, self.labels.shape)
        if len(shapes[0]) != 2 or shapes[0] != shapes[1] or shapes[0][:1] != shapes[2]:
            raise InputError(
                "linear logits: expected two arrays [N, K] and labels [N], found"
                f" {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )
        num_classes = shapes[0][1]
        if not ((self.labels >= -1) & (self.labels < num_classes)).all():
            raise InputError(f"labels: expected -1 to {num_classes - 1}, found others")
        if not (self.labels >= 0).any():
            raise InputError("labels: none is given, so there is no accuracy")
        if invalid := int(np.sum(~self.valid)):
            logger.warning(
                "the logits of %d examples are not finite at one end at least, so not between the"
                " ends; they count as wrong but at an end where they are finite (%d examples)",
                invalid,
                int(np.sum(self.finite_at(0.0) ^ self.finite_at(1.0))),
            )

    @functools.cached_property
    def valid(self) -> Bool[np.ndarray, " N"]:
        """Whether all logits of an example are finite."""
        return self.finite_at(0.0) & self.finite_at(1.0)

    def finite_at(self, end: float) -> Bool[np.ndarray, " N"]:
        """Return whether all logits of an example are finite at one end, 0 or 1."""
        logits = self.logits_1 if end else self.logits_0
        return np.asarray(np.isfinite(logits).all(axis=1))

    def at_one_end(self) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
        """Yield ``(end, rows, classes)`` of the examples that are finite at that end alone."""
        for end, logits in ((0.0, self.logits_0), (1.0, self.logits_1)):
            rows = np.flatnonzero(self.finite_at(end) & ~self.valid)
            yield end, rows, logits[rows].argmax(axis=1)

    def curve(self) -> LinearCurve:
        """Return the accuracy at every real alpha."""
        size = len(self.labels)
        low, high = np.full(size, -np.inf), np.full(size, np.inf)
        low_closed, high_closed, right = (np.ones(size, bool) for _ in range(3))
        for rows, z_0, slope in self._chunks(self.valid & (self.labels >= 0)):
            label = self.labels[rows][:, None]
            # The margin against class c is gap + alpha * rate. Class c must lose, and may tie when
            # it comes after the label: argmax takes the first.
            gap = np.take_along_axis(z_0, label, 1) - z_0
            rate = np.take_along_axis(slope, label, 1) - slope
            with np.errstate(divide="ignore", invalid="ignore"):
                zero = -gap / rate
            earlier = np.arange(z_0.shape[1])[None] < label
            never = (rate == 0) & ((gap < 0) | (earlier & (gap == 0)))
            from_below = np.where(rate > 0, zero, -np.inf)
            from_above = np.where(rate < 0, zero, np.inf)
            # The first of equal ends belongs to the smallest class: if that one comes after the
            # label, so do all, and the label wins the tie.
            for ends, closed, bounds, first in (
                (low, low_closed, from_below, from_below.argmax(axis=1)),
                (high, high_closed, from_above, from_above.argmin(axis=1)),
            ):
                ends[rows] = np.take_along_axis(bounds, first[:, None], 1)[:, 0]
                closed[rows] = (first >= label[:, 0]) & np.isfinite(ends[rows])
            right[rows] = ~never.any(axis=1)
        right &= self.valid & (self.labels >= 0)
        for end, rows, classes in self.at_one_end():
            low[rows] = high[rows] = end
            right[rows] = classes == self.labels[rows]
        right &= (low < high) | ((low == high) & low_closed & high_closed)
        return LinearCurve(low, high, low_closed, high_closed, right, int(np.sum(self.labels >= 0)))

    def predict(
        self,
        alphas: Sequence[float] | Float[np.ndarray, " A"],
        summary: Summary = summary_of,
    ) -> tuple[Int32[np.ndarray, "A N"], Float32[np.ndarray, "A N"], Float32[np.ndarray, "A N"]]:
        """Return the class, the margin and the entropy of each example at each alpha.

        Args:
          alphas: Mixing coefficients, finite.
          summary: From logits float64[M, K] to class, margin and entropy.

        Returns:
          ``(top1, margin, entropy)`` as in ``Predictions``: of equal logits the first; the margin
          is inf with one class. Where the logits of an end are not finite the class is 0, the
          margin NaN and the entropy log K, at every alpha but the other end, where they may be.
        """
        shape = (len(alphas), len(self.labels))
        top1, margin = np.zeros(shape, np.int32), np.full(shape, np.nan, np.float32)
        entropy = np.full(shape, np.log(self.logits_0.shape[1]), np.float32)
        for rows, z_0, slope in self._chunks(self.valid):
            z_1 = self.logits_1[rows].astype(np.float64)
            for index, alpha in enumerate(alphas):
                # Exact at both ends, which z_0 + alpha * slope is not.
                z = z_1 if alpha == 1 else z_0 + alpha * slope
                top1[index, rows], margin[index, rows], entropy[index, rows] = summary(z)
        for end, rows, _ in self.at_one_end():
            z = (self.logits_1 if end else self.logits_0)[rows].astype(np.float64)
            for index in [index for index, alpha in enumerate(alphas) if alpha == end]:
                top1[index, rows], margin[index, rows], entropy[index, rows] = summary(z)
        return top1, margin, entropy

    def crossings(self, low: float = 0.0, high: float = 1.0) -> Crossings:
        """Return every change of a prediction on ``[low, high]``: the upper envelope of the lines.

        Of the valid examples; see ``at_one_end`` for what else has predictions.

        It walks from ``low`` to the right: among the lines that rise faster than the present one,
        the first to meet it takes over (of several at one point, the steepest). The slope only
        grows, so the walk ends after at most K - 1 steps; each step is one pass over the examples
        that still change. Three lines that meet within rounding may come out as two crossings.

        Args:
          low: Where to start; the prediction at ``low`` itself counts.
          high: Where to stop, included.

        Raises:
          InputError: If the range is empty or not finite.
        """
        _check_range(low, high)
        found = [
            step
            for rows, z_0, slope in self._chunks(self.valid)
            for step in walk(rows, z_0, slope, low, high)
        ]
        columns = [np.concatenate(column) for column in zip(*found, strict=True)] if found else []
        example, alpha, before, after, at = columns or [np.zeros(0)] * 5
        order = np.lexsort((alpha, example))
        classes = (column[order].astype(np.int32) for column in (before, after, at))
        return Crossings(example[order].astype(np.int64), alpha[order], *classes)

    def cross_entropy(self, alpha: float) -> tuple[float, float, float]:
        """Return the mean cross-entropy at ``alpha`` (nats), its slope and its curvature.

        With p the softmax and d = z_1 - z_0: the slope of an example is ``E_p[d] - d_label``, the
        curvature ``Var_p[d] >= 0``. Over the labelled examples whose logits are finite.
        """
        sums, count = np.zeros(3), 0
        for rows, z_0, slope in self._chunks(self.valid & (self.labels >= 0)):
            label = self.labels[rows][:, None]
            z = z_0 + alpha * slope
            z -= z.max(axis=1, keepdims=True)
            p = np.exp(z)
            total = p.sum(axis=1, keepdims=True)
            p /= total
            centred = slope - np.sum(p * slope, axis=1, keepdims=True)
            loss = np.log(total) - np.take_along_axis(z, label, 1)
            sums += loss.sum(), -np.take_along_axis(centred, label, 1).sum(), (p * centred**2).sum()
            count += len(rows)
        if count == 0:
            raise InputError("cross-entropy: no labelled example has finite logits")
        loss, gradient, curvature = sums / count
        return float(loss), float(gradient), float(curvature)

    def least_cross_entropy(self, low: float = 0.0, high: float = 1.0) -> tuple[float, float]:
        """Return ``(alpha, loss)`` of the least mean cross-entropy on ``[low, high]``.

        Newton's method between bounds that the sign of the slope tightens; a step that leaves them
        is replaced by their middle. The loss is convex, so this is the only minimum.

        Raises:
          InputError: If the range is empty or not finite.
        """
        _check_range(low, high)
        for end, uphill in ((low, 1.0), (high, -1.0)):
            loss, gradient, _ = self.cross_entropy(end)
            if uphill * gradient >= 0 or low == high:
                return end, loss
        alpha = (low + high) / 2
        for _ in range(_NEWTON_STEPS):
            loss, gradient, curvature = self.cross_entropy(alpha)
            low, high = (alpha, high) if gradient < 0 else (low, alpha)
            step = -gradient / curvature if curvature > 0 else np.inf
            following = alpha + step if low < alpha + step < high else (low + high) / 2
            if gradient == 0 or abs(following - alpha) <= 1e-13 * max(1.0, abs(alpha)):
                break
            alpha = following
        return alpha, loss

    def _chunks(
        self, wanted: Bool[np.ndarray, " N"]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield ``(rows, z_0, z_1 - z_0)`` in float64, some of the wanted rows at a time."""
        positions = np.flatnonzero(wanted)
        size = max(1, _CHUNK_ELEMENTS // self.logits_0.shape[1])
        for start in range(0, len(positions), size):
            rows = positions[start : start + size]
            z_0 = self.logits_0[rows].astype(np.float64)
            yield rows, z_0, self.logits_1[rows].astype(np.float64) - z_0


def _check_range(low: float, high: float) -> None:
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise InputError(f"range of alpha: expected finite low <= high, found {low} and {high}")
