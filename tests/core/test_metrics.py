from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.metrics import Accuracy, clopper_pearson


def at_least(hits: int, n: int, p: float) -> float:
    """P(X >= hits) of a binomial, term by term."""
    return math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(hits, n + 1))


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_where_the_tails_have_two_and_a_half_percent(counts: tuple[int, int]):
    hits, n = counts
    low, high = clopper_pearson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    if hits:
        assert at_least(hits, n, low) == pytest.approx(0.025, rel=1e-6)
    else:
        assert low == 0
    if hits < n:
        assert 1 - at_least(hits + 1, n, high) == pytest.approx(0.025, rel=1e-6)
    else:
        assert high == 1


def test_published_interval():
    """Newcombe (1998), Statistics in Medicine 17:857-872, table I: 81 of 263, exact method."""
    low, high = clopper_pearson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2527, 0.3676)


def test_no_trials_and_another_confidence():
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    wide, narrow = clopper_pearson(5, 10, 0.99), clopper_pearson(5, 10, 0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@given(st.lists(st.booleans(), max_size=50), st.integers(0, 50))
def test_merging_equals_counting_together(values: list[bool], cut: int):
    correct = np.array(values, bool)
    whole = Accuracy.of(correct)
    assert Accuracy.of(correct[:cut]).merge(Accuracy.of(correct[cut:])) == whole
    assert (whole.hits, whole.n) == (sum(values), len(values))


def test_unequal_batches_are_not_averaged():
    merged = Accuracy(1, 1).merge(Accuracy(0, 3))
    assert merged.compute() == 0.25
    assert merged.interval() == clopper_pearson(1, 4)


def test_the_empty_accuracy_is_neutral_and_not_a_number():
    assert Accuracy().merge(Accuracy(2, 3)) == Accuracy(2, 3)
    assert math.isnan(Accuracy().compute())


def test_of_counts_integers_too():
    assert Accuracy.of(np.array([1, 0, 1], np.int32)) == Accuracy(2, 3)
