"""Bets on random orders: how often a false claim is believed, how soon a true one is."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.core.betting import PairedBets
from wiseft_jax.core.errors import InputError

BOTH = np.array([0, 1])


def two_models(total: int, first_only: int, second_only: int) -> np.ndarray:
    correct = np.ones((2, total), bool)
    correct[1, :first_only] = False
    correct[0, first_only : first_only + second_only] = False
    return correct


def most_wealth(correct: np.ndarray, seed: int, tolerance: float = 0.0, batch: int = 40):
    """Return the largest log wealth at any look, [i, j], and the looks until [0, 1] has 3."""
    total = correct.shape[1]
    order = np.random.default_rng(seed).permutation(total)
    bets = PairedBets(2, total, tolerance)
    most, looks = np.full((2, 2), -np.inf), None
    for start in range(0, total, batch):
        bets.add(BOTH, correct[:, order[start : start + batch]])
        wealth = bets.log_wealth()
        most = np.maximum(most, wealth)
        if looks is None and wealth[0, 1] > 3:
            looks = start // batch + 1
    return most, looks


@pytest.mark.parametrize(("first_only", "second_only"), [(20, 20), (3, 3), (0, 0), (60, 60)])
def test_equals_are_told_apart_as_rarely_as_promised(first_only, second_only):
    """At most 10 % of 250 random orders reach a wealth of 10, though one looks all the time."""
    correct = two_models(400, first_only, second_only)
    false_claims = sum(most_wealth(correct, seed)[0][0, 1] > np.log(10) for seed in range(250))
    assert false_claims <= 0.1 * 250


def test_the_edge_of_the_tolerance_is_kept_too():
    """The first is better by exactly the tolerance: "not by so much" is claimed in <= 10 %."""
    correct = two_models(400, 30, 10)
    wealth = [most_wealth(correct, seed, tolerance=0.05)[0][0, 1] for seed in range(250)]
    assert np.mean(np.array(wealth) > np.log(10)) <= 0.1
    # Of equals it is claimed soon.
    equal = two_models(400, 4, 4)
    assert all(most_wealth(equal, seed, tolerance=0.05)[1] <= 8 for seed in range(20))


def test_a_better_model_is_found_before_all_is_seen():
    correct = two_models(1000, 5, 60)
    looks = [most_wealth(correct, seed)[1] for seed in range(50)]
    assert np.median(looks) < 13  # of 25
    assert most_wealth(correct, 0)[0][1, 0] < np.log(20)


def test_at_the_end_everything_is_certain():
    """The set is finite: after its last example the better one is known, however close it was."""
    most, _ = most_wealth(two_models(101, 4, 5), 0)
    assert most[0, 1] == np.inf
    assert most[1, 0] < np.inf
    tie, _ = most_wealth(two_models(101, 5, 5), 0)
    assert (tie < np.inf).all()


def test_certainty_comes_when_the_rest_cannot_change_it():
    bets = PairedBets(2, 10)
    correct = np.stack([np.zeros(5, bool), np.ones(5, bool)])
    bets.add(BOTH, correct)
    assert bets.log_wealth()[0, 1] < np.inf  # 5 ahead, 5 to come: it may be a tie yet
    bets.add(BOTH, correct[:, :1])
    assert bets.log_wealth()[0, 1] == np.inf


def test_batches_and_other_models_change_nothing():
    rng = np.random.default_rng(0)
    correct = rng.random((4, 90)) < np.array([[0.5], [0.6], [0.7], [0.8]])
    whole, parts = PairedBets(4, 100), PairedBets(4, 100)
    whole.add(np.arange(4), correct)
    for start, models in ((0, [0, 1, 2, 3]), (30, [1, 3]), (70, [1, 3])):
        stop = {0: 30, 30: 70, 70: 90}[start]
        parts.add(np.array(models), correct[models, start:stop])
    kept = np.ix_([1, 3], [1, 3])
    np.testing.assert_allclose(whole.log_wealth()[kept], parts.log_wealth()[kept], rtol=1e-12)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="0 models and 5 examples"):
        PairedBets(0, 5)
    bets = PairedBets(2, 5)
    with pytest.raises(InputError, match="6 examples of a set of 5"):
        bets.add(BOTH, np.ones((2, 6), bool))
