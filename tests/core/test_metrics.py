from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.metrics import (
    Accuracy,
    clopper_pearson,
    frame_set_accuracy,
    macro_f1,
    macro_f1_score,
    worst_group_accuracy,
)


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


def f1_by_hand(predictions: list[int], labels: list[int]) -> float:
    found = []
    for one in sorted(set(labels)):
        pairs = list(zip(predictions, labels, strict=True))
        hits = sum(p == k == one for p, k in pairs)
        precision = hits / max(1, sum(p == one for p, _ in pairs))
        recall = hits / sum(k == one for _, k in pairs)
        found.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    return math.fsum(found) / len(found)


@given(st.lists(st.tuples(st.integers(-2, 5), st.integers(0, 4)), min_size=1, max_size=40))
def test_macro_f1_is_the_mean_over_classes_that_occur(pairs: list[tuple[int, int]]):
    predictions, labels = map(list, zip(*pairs, strict=True))
    found = macro_f1(np.array(predictions), np.array(labels))
    assert found == pytest.approx(f1_by_hand(predictions, labels))


def test_the_bootstrap_interval_of_macro_f1_is_that_of_resampled_examples():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 300)
    predictions = np.where(rng.random(300) < 0.7, labels, rng.integers(0, 6, 300))
    drawn = [macro_f1(predictions[at], labels[at]) for at in rng.integers(0, 300, (2000, 300))]
    found = macro_f1_score(predictions, labels)
    assert found is not None
    assert found.value == macro_f1(predictions, labels)
    assert found.n == 300
    assert found == macro_f1_score(predictions, labels)
    np.testing.assert_allclose(
        [found.low, found.high], np.quantile(drawn, [0.025, 0.975]), atol=0.01
    )


def test_the_worst_group_is_the_one_of_lowest_accuracy_that_counts():
    groups = np.repeat([0, 1, 2, 3, -1], [10, 20, 5, 4, 3])
    correct = np.concatenate([np.arange(10) < 8, np.arange(20) < 10, np.ones(5), np.zeros(7)]) > 0
    found = worst_group_accuracy(correct, groups, ignored=(3,))
    assert found is not None
    assert (found.value, found.n, found.group) == (0.5, 20, 1)
    low, high = clopper_pearson(10, 20, 1 - 0.05 / 3)
    assert (found.low, found.high) == (low, high)
    assert worst_group_accuracy(correct, np.full(42, -1)) is None


def test_the_interval_of_the_worst_group_covers_a_group_that_only_seems_better():
    correct = np.concatenate([np.arange(1000) < 600, [True]])
    groups = np.repeat([0, 1], [1000, 1])
    found = worst_group_accuracy(correct, groups)
    assert found is not None
    assert found.low == clopper_pearson(1, 1, 0.975)[0] < 0.1  # of the group with one image
    assert found.value == 0.6


def test_an_anchor_counts_for_pm10_when_all_its_frames_are_right():
    correct = np.array([True, True, False, True, True, False])
    sets = [np.array([0, 1]), np.array([3, 2]), np.array([5, 4]), np.array([4])]
    pm0, pm10 = frame_set_accuracy(correct, sets)
    assert (pm0.hits, pm0.n) == (3, 4)
    assert (pm10.hits, pm10.n) == (2, 4)
