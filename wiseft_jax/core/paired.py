"""Compare models on the same examples: McNemar, Holm, the paired bootstrap, the possible best.

Only the examples on which two models differ say anything about which is better. ``correct`` is
bool[A, N] throughout: which of the N labelled examples each of A models (or alphas) gets right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.resampling import drawn_sums, multinomial_counts
from wiseft_jax.core.rng import numpy_stream

BestSetMethod: TypeAlias = Literal["exact", "bootstrap"]


@dataclasses.dataclass(frozen=True)
class McNemar:
    """Two models on the same examples.

    Attributes:
      a_only: Examples that only the first gets right.
      b_only: Examples that only the second gets right.
      n: All examples.
      p_value: Exact, two-sided: how likely is a split of the ``a_only + b_only`` examples that is
        at least as uneven, were both models equally accurate.
      mid_p: The same with half the probability of the split itself. Less conservative; in rare
        cases slightly above its level.
    """

    a_only: int
    b_only: int
    n: int
    p_value: float
    mid_p: float

    @property
    def difference(self) -> float:
        """Accuracy of the second minus that of the first, a fraction."""
        return (self.b_only - self.a_only) / self.n


def mcnemar(a: Bool[np.ndarray, " N"], b: Bool[np.ndarray, " N"]) -> McNemar:
    """Compare two models by McNemar's exact test.

    Args:
      a: Which examples the first gets right.
      b: Which the second gets right.

    Source: McNemar (1947), Psychometrika 12:153; mid-p: Fagerland, Lydersen, Laake (2013), BMC
    Medical Research Methodology 13:91.

    Example:
      >>> mcnemar(predictions.correct[0], predictions.correct[10]).p_value
      0.0021
    """
    return mcnemar_of_counts(int(np.sum(a & ~b)), int(np.sum(b & ~a)), len(a))


def mcnemar_of_counts(a_only: int, b_only: int, n: int) -> McNemar:
    """Return ``mcnemar`` of two models of which only the counts are at hand.

    Args:
      a_only: Examples that only the first gets right.
      b_only: Examples that only the second gets right.
      n: All examples.
    """
    (tail,), (at,) = _tails(np.array([a_only]), np.array([b_only]))
    return McNemar(a_only, b_only, n, min(1.0, 2 * float(tail)), float(2 * tail - at))


def mcnemar_p_values(
    a_only: Int[np.ndarray, " T"], b_only: Int[np.ndarray, " T"]
) -> Float64[np.ndarray, " T"]:
    """Return the exact two-sided p-values of ``mcnemar``, of T tests at once.

    Args:
      a_only: Examples that only the first gets right.
      b_only: Examples that only the second gets right.
    """
    return np.minimum(1.0, 2 * _tails(a_only, b_only)[0])


def _tails(a_only: np.ndarray, b_only: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how likely it is that as few or fewer are on the smaller side, and just as few."""
    from scipy.stats import binom

    fewer, discordant = np.minimum(a_only, b_only), a_only + b_only
    return binom.cdf(fewer, discordant, 0.5), binom.pmf(fewer, discordant, 0.5)


def discordant_counts(correct: Bool[np.ndarray, "A N"]) -> Int64[np.ndarray, "A A"]:
    """Return ``[i, j]`` -> the number of examples that i gets right and j gets wrong."""
    # Whole numbers below 2**53 are exact in float64, whose matrix product is the fast one.
    right = correct.astype(np.float64)
    both = right @ right.T
    return np.rint(np.diag(both)[:, None] - both).astype(np.int64)


def holm(p_values: Sequence[float] | Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
    """Return p-values corrected for their number: whichever is at most 0.05 may be believed.

    The probability that any true hypothesis has a corrected p-value of at most ``p`` is at most
    ``p``, however the tests depend on each other. Of the sorted p-values the k-th smallest is
    multiplied by ``T - k + 1``; none is below an earlier one, none above 1. Source: Holm (1979),
    Scandinavian Journal of Statistics 6:65.

    Args:
      p_values: Of T tests.

    Example:
      >>> holm([0.01, 0.04, 0.03])
      array([0.03, 0.06, 0.06])
    """
    raw = np.asarray(p_values, np.float64)
    order = np.argsort(raw, kind="stable")
    factors = np.arange(len(raw), 0, -1)
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * factors))
    return corrected


@dataclasses.dataclass(frozen=True)
class Differences:
    """Accuracies against that of one model, with intervals of the paired bootstrap.

    Attributes:
      reference: The index of that model.
      difference: float64[A], accuracy minus the reference's, a fraction.
      low: float64[A], the lower end of the interval.
      high: float64[A], the upper end.
    """

    reference: int
    difference: Float64[np.ndarray, " A"]
    low: Float64[np.ndarray, " A"]
    high: Float64[np.ndarray, " A"]


def bootstrap_differences(
    correct: Bool[np.ndarray, "A N"],
    reference: int,
    *,
    samples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Differences:
    """Return each model's accuracy minus that of ``reference``, with percentile intervals.

    Examples are drawn again with replacement, each with all its models, so what the models share
    cancels. Source: Efron, Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    Args:
      correct: Which examples each model gets right.
      reference: Index of the model to compare with.
      samples: Bootstrap samples.
      seed: Seed of the draws.
      confidence: Coverage of each interval (not of all at once).

    Raises:
      InputError: No such model, no examples, no samples, or a confidence outside (0, 1).
    """
    _check(correct, confidence, samples)
    drawn = drawn_differences(correct, reference, samples=samples, seed=seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    observed = correct.sum(axis=1)
    return Differences(reference, (observed - observed[reference]) / correct.shape[1], low, high)


def drawn_differences(
    correct: Bool[np.ndarray, "A N"],
    reference: int,
    *,
    samples: int = 10_000,
    seed: int = 0,
    stream: str = "",
) -> Float64[np.ndarray, "S A"]:
    """Return each model's accuracy minus that of ``reference`` in each bootstrap sample.

    What ``bootstrap_differences`` takes its intervals from; means over sets are made of it.

    Args:
      correct: Which examples each model gets right.
      reference: Index of the model to compare with.
      samples: Bootstrap samples.
      seed: Seed of the draws.
      stream: A name, such as the set's: draws of other names are independent.

    Raises:
      InputError: No such model, no examples, or no samples.
    """
    _check(correct, 0.5, samples)
    if not 0 <= reference < len(correct):
        raise InputError(f"reference: expected 0 to {len(correct) - 1}, found {reference}")
    hits = bootstrap_hits(correct, samples, seed, stream)
    return (hits - hits[:, [reference]]) / correct.shape[1]


def bootstrap_hits(
    correct: Bool[np.ndarray, "A N"], samples: int, seed: int, stream: str = ""
) -> Int64[np.ndarray, "S A"]:
    """Return the hits of each model in each bootstrap sample.

    Examples with the same pattern of right and wrong are alike, and along alpha there are few
    patterns: multinomial counts of them have the law of N draws, at a fraction of the cost.

    Args:
      correct: Which examples each model gets right.
      samples: S.
      seed: Of the draws.
      stream: A name, such as the set's: draws of other names are independent.
    """
    n = correct.shape[1]
    patterns, counts = np.unique(correct, axis=1, return_counts=True)
    rng = numpy_stream(seed, f"paired bootstrap {stream}".rstrip())
    blocks = multinomial_counts(rng, n, counts / n, samples)
    return np.rint(drawn_sums(blocks, patterns.T.astype(np.float64))).astype(np.int64)


@dataclasses.dataclass(frozen=True)
class BestSet:
    """The models that may be the best, as far as the examples tell.

    Attributes:
      members: Indices that are not rejected, and those with the most hits, rising; never empty.
      p_values: float64[A], of "this one is as accurate as every other".
      hits: int64[A], the examples that each gets right.
      n: All examples.
      confidence: The best model is a member with at least this probability.
      method: How the p-values were computed.
    """

    members: tuple[int, ...]
    p_values: Float64[np.ndarray, " A"]
    hits: Int64[np.ndarray, " A"]
    n: int
    confidence: float
    method: BestSetMethod


def best_set(
    correct: Bool[np.ndarray, "A N"],
    *,
    confidence: float = 0.95,
    method: BestSetMethod = "exact",
    samples: int = 2_000,
    seed: int = 0,
) -> BestSet:
    """Return a confidence set for the most accurate of A models.

    A model is out when some other one beats it. That the other one was picked because it does well
    here is paid for: each model is compared with all others, and the whole comparison has the
    error ``1 - confidence``. As only the best one's own comparison can go wrong for it, nothing
    more is needed (multiple comparisons with the best: Hsu 1984, Annals of Statistics 12:1136).
    Every model that is exactly as accurate as the best is covered likewise.

    Args:
      correct: Which examples each model gets right.
      confidence: Wanted coverage of the best model.
      method: ``"exact"``: one-sided exact McNemar tests against each other model, the smallest
        p-value times their number (Bonferroni); holds for every n. ``"bootstrap"``: the largest of
        McNemar's ``(b - c) / sqrt(b + c)`` over the other models, against its bootstrap law (as
        in White 2000, Econometrica 68:1097); it knows that neighbours along alpha are alike, so
        the set is smaller; its coverage is asymptotic.
      samples: Bootstrap samples.
      seed: Seed of the bootstrap.

    Raises:
      InputError: Unknown method, no examples, no samples, or a confidence outside (0, 1).
    """
    _check(correct, confidence, samples)
    if method not in get_args(BestSetMethod):
        raise unknown_name("method", method, get_args(BestSetMethod))
    only = discordant_counts(correct)
    if method == "exact":
        p_values = _exact_p_values(only)
    else:
        p_values = _bootstrap_p_values(only, bootstrap_hits(correct, samples, seed))
    hits = correct.sum(axis=1, dtype=np.int64)
    # At a confidence below a half the best of the sample may be rejected too: it stays.
    kept = (p_values > 1 - confidence) | (hits == hits.max())
    members = tuple(np.flatnonzero(kept).tolist())
    return BestSet(members, p_values, hits, correct.shape[1], confidence, method)


def _exact_p_values(only: Int[np.ndarray, "A A"]) -> Float64[np.ndarray, " A"]:
    from scipy.stats import binom

    # At least this many of the discordant examples for the other one: P(X >= its share).
    one_sided = binom.sf(only.T - 1, only + only.T, 0.5)
    np.fill_diagonal(one_sided, 1.0)
    return np.minimum(1.0, one_sided.min(axis=1) * max(1, len(only) - 1))


def _bootstrap_p_values(
    only: Int[np.ndarray, "A A"], hits: Int[np.ndarray, "S A"]
) -> Float64[np.ndarray, " A"]:
    lead = (only.T - only).astype(np.float64)  # [i, j]: hits of j minus hits of i
    # Pairs that never differ tie: 0 / 1. The scale is the one of equal accuracies.
    scale = np.sqrt(np.maximum(only + only.T, 1))
    p_values = np.empty(len(only))
    for i in range(len(only)):
        drawn = ((hits - hits[:, [i]] - lead[i]) / scale[i]).max(axis=1)
        # The sample at hand counts as one of the draws, so no p-value is 0.
        p_values[i] = (1 + np.sum(drawn >= (lead[i] / scale[i]).max())) / (1 + len(hits))
    return p_values


def _check(correct: np.ndarray, confidence: float, samples: int) -> None:
    if correct.size == 0:
        raise InputError(f"expected models and examples, found an array of shape {correct.shape}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence: expected a fraction between 0 and 1, found {confidence}")
    if samples < 1:
        raise InputError(f"samples: expected at least 1, found {samples}")
