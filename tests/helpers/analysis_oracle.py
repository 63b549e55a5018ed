"""The analyses' numbers computed again, in plain NumPy and SciPy: nothing of the package is used.

Values, counts and closed-form intervals must agree to rounding. Where an interval is made of draws
these are others, so it must agree to the spread of the draws.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import optimize, special, stats

DRAWS = 4_000


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """A set, of its labelled examples: by alpha logits, answers and which of them are right."""

    name: str
    labels: np.ndarray
    logits: dict[float, np.ndarray]
    all_logits: dict[float, np.ndarray]

    @classmethod
    def of(cls, name: str, alphas: Sequence[float], arrays: dict[str, np.ndarray]) -> Facts:
        """Read a set from the arrays that are stored."""
        labels = arrays[f"{name}/labels"].astype(int)
        every = {
            alpha: arrays[f"{name}/logits"][place].astype(float)
            for place, alpha in enumerate(alphas)
        }
        known = labels >= 0
        return cls(name, labels[known], {at: z[known] for at, z in every.items()}, every)

    def answers(self, alpha: float) -> np.ndarray:
        """Return the answer to each labelled example."""
        return np.array([int(np.argmax(z)) for z in self.logits[alpha]])

    def right(self, alpha: float) -> np.ndarray:
        """Return which labelled examples are right."""
        return self.answers(alpha) == self.labels

    def margins(self, alpha: float) -> np.ndarray:
        """Return the margins of all examples, labelled or not."""
        return np.array([np.subtract(*sorted(z)[:-3:-1]) for z in self.all_logits[alpha]])

    def drawn(self, name: str = "") -> np.ndarray:
        """Return DRAWS bootstrap samples of the labelled examples, as indices."""
        seed = sum(map(ord, self.name + name))
        return np.random.default_rng(seed).integers(
            len(self.labels), size=(DRAWS, len(self.labels))
        )


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a row must say; ``near`` where the interval, or the p-value, is made of draws.

    ``slack`` is how far the ends may then be from these; by default a quarter of the interval.
    """

    value: float
    n: int
    interval: tuple[float, float] | None = None
    p: float | None = None
    near: bool = False
    p_near: bool = False
    slack: float | None = None


def binomial(hits: int, n: int) -> tuple[float, float]:
    """Return the exact interval of a proportion."""
    found = stats.binomtest(int(hits), n).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def sign_test(one: int, other: int) -> float:
    """Return the exact two-sided p-value of two counts that are equally likely."""
    return float(stats.binomtest(int(one), int(one + other)).pvalue) if one + other else 1.0


def paired_p(first: np.ndarray, second: np.ndarray) -> float:
    """Return McNemar's exact p-value."""
    return sign_test(int(np.sum(first & ~second)), int(np.sum(second & ~first)))


def student(x: np.ndarray, low: float = -np.inf, high: float = np.inf) -> tuple[float, float]:
    """Return Student's interval of a mean, cut to what is possible."""
    half = stats.t.ppf(0.975, len(x) - 1) * np.std(x, ddof=1) / math.sqrt(len(x))
    return max(low, np.mean(x) - half), min(high, np.mean(x) + half)


def jackknife(statistic: Callable[[np.ndarray], float], n: int) -> tuple[float, float]:
    """Return the interval by the infinitesimal jackknife, by differences of a little weight.

    Args:
      statistic: Of the examples' weights.
      n: Examples.
    """
    even, little = np.ones(n), 0.01
    value = statistic(even)
    moves = np.array([statistic(even + little * np.eye(n)[k]) - value for k in range(n)])
    influence = n * moves / little
    error = math.sqrt(np.sum((influence - influence.mean()) ** 2) / (n * (n - 1)))
    half = stats.t.ppf(0.975, n - 1) * error
    return value - half, value + half


def quantiles(drawn: np.ndarray, value: float) -> tuple[float, float]:
    """Return the percentile interval, reaching as far as the value."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return min(low, value), max(high, value)


def newcombe(
    before: np.ndarray, after: np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of a paired difference, as in Newcombe 1998 (method 10)."""
    n = len(before)
    e, f, g, h = (
        int(np.sum(x & y)) for x, y in itertools.product((after, ~after), (before, ~before))
    )
    (l1, u1), (l2, u2) = (
        stats.binomtest(int(x.sum()), n).proportion_ci(confidence, "wilson")
        for x in (after, before)
    )
    p1, p2 = after.mean(), before.mean()
    bottom = (e + f) * (g + h) * (e + g) * (f + h)
    top = e * h - f * g
    top = max(top - n / 2, 0) if top > 0 else top
    phi = top / math.sqrt(bottom) if bottom else 0.0

    def together(a: float, b: float) -> float:
        return math.sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))

    return p1 - p2 - together(p1 - l1, u2 - p2), p1 - p2 + together(u1 - p1, p2 - l2)


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's corrected p-values, by his step-down procedure."""
    order, found, running = sorted(range(len(p)), key=lambda k: p[k]), [0.0] * len(p), 0.0
    for rank, k in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[k]))
        found[k] = running
    return found


def kappa(f: np.ndarray, g: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the complement of Cohen's kappa."""
    w = np.ones(len(f)) if weights is None else weights
    w = w / w.sum()
    chance = sum(float((w @ (f == c)) * (w @ (g == c))) for c in {*f, *g})
    return 0.0 if chance == 1 else float(w @ (f != g)) / (1 - chance)


def calibration_error(p: np.ndarray, right: np.ndarray) -> float:
    """Return the calibration error over 15 bins of equal width."""
    total = 0.0
    for b in range(15):
        kept = (p > b / 15) & (p <= (b + 1) / 15)
        if kept.any():
            total += kept.mean() * abs(right[kept].mean() - p[kept].mean())
    return total


def losses(logits: np.ndarray, labels: np.ndarray, t: float = 1.0) -> np.ndarray:
    """Return each example's negative log-likelihood at a temperature."""
    return -special.log_softmax(logits / t, axis=1)[np.arange(len(labels)), labels]


def temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the temperature of the least loss, by a bounded search."""
    w = np.ones(len(labels)) if weights is None else weights
    found = optimize.minimize_scalar(
        lambda u: float(w @ losses(logits, labels, math.exp(u))), bounds=(-4, 4), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    return math.exp(found.x)


def mean_of_differences(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], shown: Sequence[Any]
) -> tuple[float, tuple[float, float]]:
    """Return the mean over sets of paired differences, and its interval from each set's Newcombe's.

    The variance of a mean is the sum of all covariances; half widths stand for standard errors, the
    lower ones for the lower end (Zou and Donner 2008).

    Args:
      pairs: Of each set, which examples are right before and after.
      shown: Of each set what its images are; those of equal sets correlate.
    """
    values = [float(after.mean() - before.mean()) for before, after in pairs]
    ends = [newcombe(*pair) for pair in pairs]
    variance = [0.0, 0.0]
    for k, j in itertools.product(range(len(pairs)), repeat=2):
        r = 1.0 if k == j else 0.0
        if k != j and shown[k] == shown[j]:
            x, y = (pairs[at][1].astype(int) - pairs[at][0] for at in (k, j))
            r = float(np.corrcoef(x, y)[0, 1]) if x.std() * y.std() > 0 else 0.0
        for side in (0, 1):
            variance[side] += r * (ends[k][side] - values[k]) * (ends[j][side] - values[j])
    low, high = (math.sqrt(max(0.0, each)) / len(pairs) for each in variance)
    mean = sum(values) / len(values)
    return mean, (mean - low, mean + high)


def band(value: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper ends that hold at all places at once, by the largest t of the draws.

    Args:
      value: One number a place.
      drawn: Draws of them, ``[S, places]``.
    """
    error = drawn.std(axis=0)
    half = np.quantile(np.max(np.abs(drawn - value) / error, axis=1), 0.95) * error
    return value - half, value + half
