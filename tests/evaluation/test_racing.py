"""Races over made-up results: the right winner, no result asked twice, honest accounts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.packing import Packing
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.evaluation.race_facts import race_facts
from wiseft_jax.evaluation.racing import race, random_order, replay


def alphas(n: int, seed: int, *, size: int = 21, blips: float = 0.0) -> np.ndarray:
    """Draw examples that are right on an interval of alphas, with a share of flipped results."""
    rng = np.random.default_rng(seed)
    low, high = rng.normal(-0.4, 0.4, n), rng.normal(1.4, 0.5, n)
    grid = np.linspace(0, 1, size)[:, None]
    return ((low < grid) & (grid < high)) ^ (rng.random((size, n)) < blips)


def models(n: int, seed: int) -> np.ndarray:
    """Draw candidates that have nothing in common; the last two are 2 points apart."""
    rng = np.random.default_rng(seed)
    rates = np.array([0.5, 0.6, 0.7, 0.75, 0.8, 0.88, 0.9])[:, None]
    hard = rng.random(n)
    return np.where(rng.random((7, n)) < 0.8, hard, rng.random((7, n))) < rates


class Counted:
    """Results that may be asked for once only, of a bounded number of examples at once."""

    def __init__(self, correct: np.ndarray, at_most: int, packing: Packing) -> None:
        self.correct = correct
        self.asked = np.zeros(correct.shape, int)
        self.packing = packing
        self.forwards = 0
        self._at_most = at_most

    def __call__(
        self, candidates: np.ndarray, examples: np.ndarray, wanted: np.ndarray
    ) -> np.ndarray:
        assert 0 < len(examples) <= self._at_most, "all images in memory at once"
        cells = np.ix_(candidates, examples)
        self.asked[cells] += wanted
        assert (self.asked <= 1).all(), "a forward pass was paid for twice"
        self.forwards += sum(map(self.packing.forwards_of, self.packing.calls(wanted)))
        return self.correct[cells] ^ ~wanted  # what wasn't asked for is nonsense


@given(
    st.integers(0, 2**16),
    st.integers(1, 9),
    st.integers(1, 90),
    st.booleans(),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([0.0, 0.05]),
)
def test_accounts_are_right_whatever_the_results(seed, size, n, neighbours, audit, tolerance):
    correct = alphas(n, seed, size=size, blips=0.1)
    packing = Packing((16, 8, 2), chunk_size=1 + seed % 3)
    counted = Counted(correct, 16, packing)
    config = RaceConfig(
        batch_size=16, neighbours=neighbours, audit=audit, tolerance=tolerance, seed=seed
    )
    result = race(counted, size, random_order(n, seed), config)
    assert result.evaluations == counted.asked.sum()
    assert result.forwards == counted.forwards >= result.evaluations
    assert result.share == counted.forwards / correct.size
    assert result.winner in result.left
    assert result.complete
    seen = random_order(n, seed)[: result.seen[result.winner]]
    assert (counted.asked[result.winner, seen] == 1).all()
    assert result.hits[result.winner] == correct[result.winner, seen].sum()
    assert result.hits[result.winner] == result.hits[list(result.left)].max()
    assert result.filled >= 0
    assert 0 <= result.wrong <= result.audited <= result.evaluations
    if not neighbours or audit == 1:
        assert result.filled == 0
        assert result.wrong_bound == 0
        for each in range(size):
            mine = random_order(n, seed)[: result.seen[each]]
            assert result.hits[each] == correct[each, mine].sum()


def test_unrelated_models_race_by_elimination_alone():
    """The best of the set wins in at least 95 % of 100 orders, with far fewer forward passes."""
    correct = models(2000, 0)
    hits = correct.sum(axis=1)
    config = RaceConfig(neighbours=False)
    results = [race(replay(correct), 7, random_order(2000, seed), config) for seed in range(100)]
    assert sum(hits[each.winner] == hits.max() for each in results) >= 95
    assert np.mean([each.share for each in results]) < 0.5
    assert all(each.filled == each.audited == 0 for each in results)


def test_neighbours_save_most_of_the_passes():
    correct = alphas(1000, 3)
    hits = correct.sum(axis=1)
    results = [race(replay(correct), 21, random_order(1000, seed)) for seed in range(40)]
    # Of equals the first, as the full sweep chooses.
    assert sum(each.winner == hits.argmax() for each in results) >= 38
    assert np.mean([each.share for each in results]) < 0.25
    assert all(each.hits[each.winner] == hits[each.winner] for each in results)


def test_an_alpha_that_is_right_where_its_neighbours_are_wrong_is_found():
    """Nothing between the ends and the middle is evaluated at first: all look alike there."""
    correct = np.ones((21, 300), bool)
    correct[:, :100] = False
    correct[7, :10] = True
    for seed in range(5):
        result = race(replay(correct), 21, random_order(300, seed), RaceConfig(audit=0.0))
        assert (result.winner, result.hits[7]) == (7, 210)


def test_wrongly_filled_results_are_found_and_told():
    """2 % of the results are flipped: about as many of the audited ones are wrong."""
    correct = alphas(2000, 5, blips=0.02)
    result = race(replay(correct), 21, random_order(2000, 0), RaceConfig(audit=0.2))
    assert result.audited > 2000
    assert 0.01 < result.wrong / result.audited < 0.04
    assert result.wrong / result.audited < result.wrong_bound < 0.05
    blind = race(replay(correct), 21, random_order(2000, 0), RaceConfig(audit=0.0))
    assert (blind.audited, blind.wrong_bound) == (0, 1.0)


def test_a_tolerance_stops_early_and_is_kept():
    correct = alphas(20_000, 2)
    accuracy = correct.mean(axis=1)
    config = RaceConfig(tolerance=0.02)
    results = [race(replay(correct), 21, random_order(20_000, seed), config) for seed in range(20)]
    assert all(accuracy[each.winner] >= accuracy.max() - 0.02 for each in results)
    assert max(each.share for each in results) < 0.1
    assert all(each.seen[each.winner] < 10_000 for each in results)


@pytest.mark.parametrize("packing", [Packing(), Packing((64, 16, 8))])
@pytest.mark.parametrize("budget", [0.1, 0.15])
def test_a_budget_is_kept_with_the_padding(packing, budget):
    correct = alphas(1000, 4)
    full = race(replay(correct, packing), 21, random_order(1000))
    result = race(replay(correct, packing), 21, random_order(1000), RaceConfig(budget=budget))
    assert budget - 0.03 < result.share <= budget < full.share
    assert result.stopped == "budget"
    assert result.seen.max() < 1000
    assert result.hits[result.winner] == result.hits.max()


@pytest.mark.parametrize("budget", [0.05, 0.1, 0.15, 0.2])
@pytest.mark.parametrize("count", [60, 200])
def test_a_small_budget_is_kept_and_used(count, budget):
    for seed in range(10):
        config = RaceConfig(budget=budget, batch_size=16 if seed % 2 else 64, seed=seed)
        result = race(replay(alphas(count, seed)), 21, random_order(count, seed), config)
        assert 0.85 * budget < result.share <= budget
        assert "passed" not in " ".join(race_facts(result, range(21), config)["empirical"])


def test_a_budget_that_padding_passes_is_said():
    config = RaceConfig(budget=0.1)
    result = race(replay(alphas(60, 4), Packing((64,))), 21, random_order(60), config)
    assert result.share > 0.1
    said = race_facts(result, range(21), config)["empirical"]
    assert "the budget of 10 % was passed" in " ".join(said)


@pytest.mark.parametrize("neighbours", [True, False])
def test_images_whose_batch_is_paid_for_are_looked_at(neighbours):
    config = RaceConfig(budget=0.05, batch_size=48, neighbours=neighbours)
    result = race(replay(models(400, 0)[:2], Packing((64,))), 2, random_order(400), config)
    assert result.seen.tolist() == [48, 48]
    assert result.forwards == 2 * 64
    bare = race(replay(models(400, 0)[:2]), 2, random_order(400), config)
    assert bare.share <= 0.05


def test_padding_is_paid_for():
    """The same race, with the same winner; each question rounds up to what is run for it."""
    correct = alphas(1000, 4)
    bare = race(replay(correct), 21, random_order(1000))
    padded = race(replay(correct, Packing((64, 8, 2))), 21, random_order(1000))
    wasteful = race(replay(correct, Packing((64,))), 21, random_order(1000))
    assert bare.forwards == bare.evaluations == padded.evaluations == wasteful.evaluations
    assert bare.winner == padded.winner == wasteful.winner
    assert 1.005 * bare.share < padded.share < 1.1 * bare.share
    assert padded.share < 0.25 < 2 * bare.share < wasteful.share


def test_what_differs_by_less_than_filled_results_may_be_wrong_stays():
    """All alphas but the first are alike, and one example of 100 better: nobody may leave."""
    correct = np.ones((5, 100), bool)
    correct[0, 3] = False
    kept = race(replay(correct), 5, random_order(100), RaceConfig(fill_error=0.02))
    assert kept.left == (0, 1, 2, 3, 4)
    alone = race(replay(correct), 5, random_order(100), RaceConfig(neighbours=False))
    assert alone.left == (1, 2, 3, 4)
    assert kept.winner != 0 != alone.winner


def test_the_order_is_seeded_and_named():
    first = random_order(50, 3)
    np.testing.assert_array_equal(first, random_order(50, 3))
    assert sorted(first.tolist()) == list(range(50))
    assert not np.array_equal(first, random_order(50, 4))


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="0 candidates on 3 examples"):
        race(replay(np.ones((0, 3), bool)), 0, np.arange(3))
    with pytest.raises(InputError, match="some twice"):
        race(replay(np.ones((2, 3), bool)), 2, np.array([0, 1, 1]))
    for name, value in (("batch_size", 0), ("confidence", 1.0), ("audit", -0.1), ("budget", 0.0)):
        with pytest.raises(InputError, match=f"{name}: expected"):
            RaceConfig(**{name: value})
