"""Curves along alpha against loops over foregrounds, and bootstrap intervals against known laws."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm

from wiseft_jax.studies.backgrounds_alphas_measures import (
    challenge_curves,
    changes,
    drawn_gaps,
    drawn_means,
    energy_curves,
    gap_curve,
    mean_curve,
    prediction_curves,
    smallest_gap,
)

SAMPLES = 2000
ALPHAS, COUNT, SEEDS = 3, 60, 2


@pytest.fixture(scope="module")
def correct() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    rates = {
        "original": 0.9,
        "only_bg_t": 0.3,
        "mixed_same/0": 0.8,
        "mixed_same/1": 0.75,
        "mixed_rand/0": 0.6,
        "mixed_rand/1": 0.55,
    }
    return {name: random.random((ALPHAS, COUNT)) < rate for name, rate in rates.items()}


def gap_by_hand(correct: dict[str, np.ndarray], alpha: int, chosen: Any) -> float:
    total = 0.0
    for seed in range(SEEDS):
        for index in chosen:
            total += int(correct[f"mixed_same/{seed}"][alpha, index])
            total -= int(correct[f"mixed_rand/{seed}"][alpha, index])
    return total / SEEDS / len(chosen)


def test_accuracies_and_gaps_are_those_of_loops(correct: dict[str, np.ndarray]):
    curves = prediction_curves(correct, SAMPLES)
    for alpha in range(ALPHAS):
        own = sum(bool(x) for x in correct["original"][alpha]) / COUNT
        assert curves["accuracy/original"]["value"][alpha] == pytest.approx(own)
        expected = gap_by_hand(correct, alpha, range(COUNT))
        assert curves["gap"]["value"][alpha] == pytest.approx(expected)
        rand = [correct[f"mixed_rand/{seed}"][alpha].mean() for seed in range(SEEDS)]
        assert curves["accuracy/mixed_rand"]["value"][alpha] == pytest.approx(np.mean(rand))
        assert [each[alpha] for each in curves["accuracy/mixed_rand"]["per_seed"]] == rand
    assert curves["accuracy/original"]["interval"] == "Clopper-Pearson"
    assert curves["gap"]["n"] == COUNT


def test_an_exact_interval_has_the_tails_of_the_binomial(correct: dict[str, np.ndarray]):
    curve = prediction_curves(correct, 10)["accuracy/original"]
    hits = int(correct["original"][1].sum())
    assert binom.sf(hits - 1, COUNT, curve["low"][1]) == pytest.approx(0.025)
    assert binom.cdf(hits, COUNT, curve["high"][1]) == pytest.approx(0.025)


def test_categories_partition_the_images(correct: dict[str, np.ndarray]):
    curves = prediction_curves(correct, SAMPLES)
    shares = np.sum(
        [each["value"] for name, each in curves.items() if name.startswith("category/")], axis=0
    )
    np.testing.assert_allclose(shares, 1)
    for alpha in range(ALPHAS):
        fools = 0
        for seed, index in itertools.product(range(SEEDS), range(COUNT)):
            right = [
                bool(correct[name][alpha, index])
                for name in ("original", f"mixed_rand/{seed}", "only_bg_t")
            ]
            fools += right == [False, True, False]
        expected = fools / SEEDS / COUNT
        assert curves["category/BG fools"]["value"][alpha] == pytest.approx(expected)


def layers(correct: dict[str, np.ndarray], kind: str) -> np.ndarray:
    return np.stack([correct[f"{kind}/{seed}"] for seed in range(SEEDS)])


def test_the_gap_has_the_interval_of_a_bootstrap_by_hand(correct: dict[str, np.ndarray]):
    random = np.random.default_rng(1)
    by_hand = [
        gap_by_hand(correct, 2, random.integers(0, COUNT, COUNT).tolist()) for _ in range(3000)
    ]
    same, rand = layers(correct, "mixed_same"), layers(correct, "mixed_rand")
    curve = gap_curve(same, rand, 20_000)
    low, high = np.quantile(by_hand, [0.025, 0.975])
    assert curve["low"][2] == pytest.approx(low, abs=0.012)
    assert curve["high"][2] == pytest.approx(high, abs=0.012)


def test_pairing_makes_an_interval_narrow(correct: dict[str, np.ndarray]):
    same, rand = layers(correct, "mixed_same"), layers(correct, "mixed_rand")
    nearly = same.copy()
    nearly[:, :, 0] ^= True  # one foreground differs
    paired = gap_curve(same, nearly, SAMPLES)
    assert np.subtract(paired["high"], paired["low"]).max() < 0.06
    unpaired = gap_curve(same, rand, SAMPLES)
    assert np.subtract(unpaired["high"], unpaired["low"]).min() > 0.15


def test_an_alpha_against_itself_changes_nothing_and_shared_draws_are_paired(
    correct: dict[str, np.ndarray],
):
    nothing = changes(correct, 1, 1, SAMPLES)
    for each in nothing.values():
        assert (each["difference"], each["low"], each["high"]) == (0, 0, 0)
    found = changes(correct, 0, 2, SAMPLES)
    expected = gap_by_hand(correct, 0, range(COUNT)) - gap_by_hand(correct, 2, range(COUNT))
    assert found["gap"]["difference"] == pytest.approx(expected)
    own = correct["original"].mean(1)
    assert found["original"]["difference"] == pytest.approx(own[0] - own[2])
    both = correct["original"][0].astype(float) - correct["original"][2]
    half = norm.ppf(0.975) * both.std() / np.sqrt(COUNT)  # the difference's law is nearly normal
    assert found["original"]["low"] == pytest.approx(both.mean() - half, abs=0.03)
    assert found["original"]["high"] == pytest.approx(both.mean() + half, abs=0.03)
    assert found["gap"]["low"] < found["gap"]["difference"] < found["gap"]["high"]


def test_means_leave_out_what_is_not_known():
    values = np.asarray([[0.2, np.nan, 0.4, 0.6], [np.nan] * 4])
    curve = mean_curve(values, SAMPLES)
    assert curve["value"] == [pytest.approx(0.4), None]
    assert curve["low"][0] == pytest.approx(0.2, abs=0.07)
    assert curve["high"][0] == pytest.approx(0.6, abs=0.07)
    assert (curve["low"][1], curve["n"]) == (None, [3, 0])


def test_drawn_means_have_the_standard_error_of_a_mean():
    values = np.random.default_rng(3).normal(size=(2, 400))
    drawn = drawn_means(values, 4000)
    np.testing.assert_allclose(drawn.mean(0), values.mean(1), atol=0.005)
    np.testing.assert_allclose(drawn.std(0), values.std(1) / 20, rtol=0.06)
    assert np.array_equal(drawn, drawn_means(values, 4000))


def test_the_challenge_is_counted_foreground_by_foreground():
    random = np.random.default_rng(4)
    fronts, backs = random.integers(0, 3, 20), random.integers(0, 3, 5)
    matrices = [
        np.where(random.random((20, 5)) < rate, fronts[:, None], random.integers(0, 3, (20, 5)))
        for rate in (0.5, 0.95)
    ]
    curves = challenge_curves(matrices, fronts, backs, SAMPLES)
    for place, matrix in enumerate(matrices):
        stands = sum(all(answer == fronts[f] for answer in matrix[f]) for f in range(20))
        fooled = sum(
            any(matrix[f, b] == backs[b] != fronts[f] for b in range(5)) for f in range(20)
        )
        assert curves["challenge_accuracy"]["value"][place] == stands / 20
        assert curves["paper_fooled_rate"]["value"][place] == fooled / 20
        assert binom.cdf(stands, 20, curves["challenge_accuracy"]["high"][place]) == pytest.approx(
            0.025
        )
        pairs = list(itertools.combinations(range(5), 2))
        two = [all(matrix[f, b] == fronts[f] for b in pair) for f in range(20) for pair in pairs]
        assert curves["challenge_of/2"]["value"][place] == pytest.approx(np.mean(two))
        assert curves["challenge_of/5"]["value"][place] == pytest.approx(stands / 20)


def test_energies_are_compared_with_the_areas_of_the_same_images():
    energies = {"true": np.asarray([[0.5, 0.3, np.nan], [0.2, 0.2, 0.2]])}
    curves = energy_curves(energies, np.asarray([0.1, 0.3, 0.2]), SAMPLES)
    assert curves["energy/true"]["value"] == pytest.approx([0.4, 0.2])
    assert curves["energy_above_area/true"]["value"] == pytest.approx([0.2, 0.0])
    assert curves["no_map/true"]["value"] == pytest.approx([1 / 3, 0])
    assert curves["mask_area"]["value"] == pytest.approx([0.2, 0.2])


def test_the_smallest_gap_is_nearest_to_zero_and_the_more_accurate_of_equal_ones():
    rand = np.zeros((1, 4, 100), bool)
    same = rand.copy()
    for place, gap in enumerate((20, 5, 5, 30)):
        same[0, place, :gap] = True
    rand[0, 3], same[0, 3] = same[0, 3], False  # a gap of -0.3
    original = np.zeros((4, 100), bool)
    original[2, :50] = True
    correct = {"original": original, "mixed_same/0": same[0], "mixed_rand/0": rand[0]}
    place, shares = smallest_gap(correct, 500)
    assert place == 2
    assert sum(shares) == pytest.approx(1)
    assert shares[2] == 1  # the same foregrounds: equal in each sample, which has the same rule
    drawn = drawn_gaps(same, rand, 500)
    assert drawn.shape == (500, 4)
    assert drawn[:, 3].max() < 0


def test_samples_break_ties_by_their_own_accuracy_on_original():
    """Gaps are all 0; each alpha is right on its half, so a sample has either more of the one."""
    nothing, original = np.zeros((2, 100), bool), np.zeros((2, 100), bool)
    original[0, :50] = original[1, 50:] = True
    correct = {"original": original, "mixed_same/0": nothing, "mixed_rand/0": nothing}
    place, shares = smallest_gap(correct, 2000)
    assert place == 0  # equally accurate: the first
    even = 0.0796  # of 100 drawn, 50 of each half; then the first
    assert shares[1] == pytest.approx((1 - even) / 2, abs=5 * 0.5 / 2000**0.5)
