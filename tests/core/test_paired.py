"""Paired comparisons: against published values, brute force, and simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.paired import (
    best_set,
    bootstrap_differences,
    discordant_counts,
    drawn_differences,
    holm,
    mcnemar,
    mcnemar_of_counts,
    mcnemar_p_values,
)

METHODS = ("exact", "bootstrap")


def pair(a_only: int, b_only: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.ones(n, bool), np.ones(n, bool)
    b[:a_only] = False
    a[a_only : a_only + b_only] = False
    return a, b


def alphas(n: int, seed: int, num_alphas: int = 7) -> np.ndarray:
    """Draw examples that are right on an interval of alphas: neighbours are alike."""
    rng = np.random.default_rng(seed)
    low, high = rng.normal(-0.1, 0.4, n), rng.normal(1.0, 0.5, n)
    grid = np.linspace(0, 1, num_alphas)[:, None]
    return (low < grid) & (grid < high)


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_a_fair_coin_on_the_discordant_examples(a_only: int, b_only: int):
    found = mcnemar(*pair(a_only, b_only, 70))
    discordant = a_only + b_only
    weights = [math.comb(discordant, k) / 2**discordant for k in range(discordant + 1)]
    as_uneven = [
        weight
        for k, weight in enumerate(weights)
        if abs(2 * k - discordant) >= abs(a_only - b_only)
    ]
    assert found.p_value == pytest.approx(min(1.0, math.fsum(as_uneven)), rel=1e-10)
    assert found.mid_p == pytest.approx(
        math.fsum(as_uneven)
        - (weights[a_only] if a_only != b_only else 0),  # half of it on either side
        rel=1e-10,
    )
    assert found.difference == (b_only - a_only) / 70
    assert (found.a_only, found.b_only, found.n) == (a_only, b_only, 70)


def test_published_p_values():
    """Fagerland et al. (2013), table 1 (Bentur et al.): 1 and 7 of 21 discordant pairs."""
    found = mcnemar(*pair(1, 7, 21))
    assert round(found.p_value, 4) == 0.0703
    assert round(found.mid_p, 4) == 0.0391


def test_discordant_counts_are_those_of_each_pair():
    correct = alphas(60, 0, 5)
    counts = discordant_counts(correct)
    for i, a in enumerate(correct):
        for j, b in enumerate(correct):
            assert counts[i, j] == np.sum(a & ~b)


def test_the_bootstrap_of_patterns_has_the_law_of_drawing_examples(
    monkeypatch: pytest.MonkeyPatch,
):
    """Against plain resampling of indices, with other random numbers; in several batches."""
    monkeypatch.setattr("wiseft_jax.core.resampling._DRAWS_AT_ONCE", 1000)
    correct = alphas(80, 1, 4)
    found = bootstrap_differences(correct, 1, samples=20_000, confidence=0.9)
    rng = np.random.default_rng(7)
    hits = np.stack([correct[:, rng.integers(0, 80, 80)].sum(axis=1) for _ in range(20_000)])
    low, high = np.quantile((hits - hits[:, [1]]) / 80, [0.05, 0.95], axis=0)
    np.testing.assert_allclose(found.low, low, atol=1 / 80 + 1e-12)
    np.testing.assert_allclose(found.high, high, atol=1 / 80 + 1e-12)
    np.testing.assert_array_equal(found.difference, (correct.sum(axis=1) - correct[1].sum()) / 80)
    assert found.low[1] == found.difference[1] == found.high[1] == 0
    again = bootstrap_differences(correct, 1, samples=20_000, confidence=0.9)
    np.testing.assert_array_equal(found.low, again.low)
    other = bootstrap_differences(correct, 1, samples=500, confidence=0.9, seed=1)
    assert not np.array_equal(found.low, other.low)


@pytest.mark.parametrize("method", METHODS)
def test_the_set_holds_the_best_as_often_as_it_says(method):
    """400 samples of 150 examples: the truly best of 7 alphas is missed in at most 5 %."""
    truth = alphas(400_000, 99).mean(axis=1)
    best = int(truth.argmax())
    assert np.sort(truth)[-2] > truth[best] - 0.02  # close enough to be missed
    sets = [best_set(alphas(150, seed), method=method, samples=300) for seed in range(400)]
    covered = sum(best in found.members for found in sets)
    assert covered >= 0.95 * 400
    # And it says something: the worse end is ruled out nearly always.
    assert np.mean([0 in found.members for found in sets]) < 0.05


@pytest.mark.parametrize("method", METHODS)
def test_of_equal_models_each_is_a_member_as_often_as_it_says(method):
    """The hardest case: all are the best. The misses in 400 samples fit 5 %, and aren't none."""
    rng = np.random.default_rng(5)
    sets = [best_set(rng.random((3, 200)) < 0.7, method=method, samples=300) for _ in range(400)]
    for model in range(3):
        missed = sum(model not in found.members for found in sets)
        assert binom.sf(missed - 1, 400, 0.05) > 0.001
        assert missed > 0


@pytest.mark.parametrize("method", METHODS)
def test_all_of_equals_are_members_and_a_clear_loser_is_not(method):
    rng = np.random.default_rng(0)
    good = rng.random(300) < 0.9
    found = best_set(np.stack([good, good, rng.random(300) < 0.5]), method=method)
    assert found.members == (0, 1)
    assert found.p_values[2] < 0.01
    assert found.hits[0] == found.hits[1] == good.sum()
    assert (found.n, found.method, found.confidence) == (300, method, 0.95)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 40), st.sampled_from(METHODS))
def test_the_empirical_best_is_always_a_member(seed: int, models: int, n: int, method):
    correct = np.random.default_rng(seed).random((models, n)) < 0.6
    found = best_set(correct, method=method, samples=50)
    assert int(correct.sum(axis=1).argmax()) in found.members
    assert ((found.p_values > 0) & (found.p_values <= 1)).all()
    wider = best_set(correct, method=method, samples=50, confidence=0.99)
    assert set(found.members) <= set(wider.members)


def test_the_exact_set_by_hand():
    """The second beats the first by 8 to 0: 2**-8, once for each of 2 rivals."""
    a, b = pair(0, 8, 20)
    found = best_set(np.stack([a, b, b]))
    assert found.p_values[0] == pytest.approx(2 * 2.0**-8)
    assert found.members == (1, 2)
    assert best_set(np.stack([a, b, b]), confidence=0.995).members == (0, 1, 2)


def test_the_bootstrap_set_is_smaller_where_neighbours_are_alike():
    sizes = {
        method: np.mean(
            [len(best_set(alphas(300, seed, 21), method=method).members) for seed in range(8)]
        )
        for method in METHODS
    }
    assert sizes["bootstrap"] < sizes["exact"]


def test_bad_input_is_refused():
    correct = alphas(10, 0, 3)
    with pytest.raises(InputError, match=r"shape \(0, 10\)"):
        best_set(correct[:0])
    with pytest.raises(InputError, match="expected a fraction between 0 and 1, found 95"):
        best_set(correct, confidence=95)
    with pytest.raises(InputError, match="at least 1"):
        bootstrap_differences(correct, 0, samples=0)
    with pytest.raises(InputError, match="expected 0 to 2, found 3"):
        bootstrap_differences(correct, 3)


@pytest.mark.usefixtures("no_type_checks")
def test_an_unknown_method_has_a_suggestion():
    with pytest.raises(InputError, match="Did you mean 'bootstrap'"):
        best_set(alphas(10, 0), method="bootstap")  # type: ignore[arg-type]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_the_step_down_test(p_values: list[float]):
    """Brute force: at each level the smallest p-values are rejected one after another."""
    corrected = holm(p_values)
    for level in (0.01, 0.05, 0.2, 0.9, *corrected):
        rejected, left = set(), len(p_values)
        for place in sorted(range(left), key=lambda each: p_values[each]):
            if p_values[place] * left > level:
                break
            rejected.add(place)
            left -= 1
        assert set(np.flatnonzero(corrected <= level)) == (
            rejected if level < 1 else set(range(len(p_values)))
        )


def test_holm_knows_how_many_tests_there_are():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.6, 0.02, 0.9]), [1.0, 0.06, 1.0])
    assert holm([0.03]).tolist() == [0.03]
    assert holm([]).tolist() == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("confidence", [0.01, 0.3, 0.49])
def test_the_best_of_the_sample_is_always_a_member(method: str, confidence: float):
    """At a low confidence its own p-value may be too small as well, and the set was empty."""
    a, b = pair(10, 10, 100)
    even = best_set(np.stack([a, b]), method=method, samples=50, confidence=confidence)
    assert even.members == (0, 1)
    for seed in range(20):
        correct = np.random.default_rng(seed).random((4, 60)) < 0.5
        found = best_set(correct, method=method, samples=50, confidence=confidence)
        assert set(np.flatnonzero(found.hits == found.hits.max())) <= set(found.members)
    assert min(found.p_values) <= 1 - confidence


def test_draws_are_those_of_the_intervals_and_independent_between_streams():
    correct = alphas(200, 3)
    drawn = drawn_differences(correct, 2, samples=500, seed=4)
    whole = bootstrap_differences(correct, 2, samples=500, seed=4)
    np.testing.assert_allclose(np.quantile(drawn, 0.025, axis=0), whole.low, atol=1e-12)
    assert not drawn[:, 2].any()
    first, second = (
        drawn_differences(correct, 2, samples=500, seed=4, stream=name)[:, 0] for name in "ab"
    )
    again = drawn_differences(correct, 2, samples=500, seed=4, stream="a")[:, 0]
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15


@given(counts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=5))
def test_many_tests_of_mcnemar_are_the_single_ones(counts: list[tuple[int, int]]):
    a_only, b_only = np.array(counts).T
    single = [mcnemar_of_counts(a, b, 200).p_value for a, b in counts]
    assert mcnemar_p_values(a_only, b_only) == pytest.approx(single)
