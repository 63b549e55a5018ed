"""Bands over all alphas: against loops, their coverage, and where nothing moves."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.analysis.landscape_bands import (
    interval_of_barrier,
    interval_of_best,
    interval_of_least,
    simultaneous_band,
    single_intervals,
    unmoved_intervals,
)
from wiseft_jax.core.paired import bootstrap_hits
from wiseft_jax.core.paired_intervals import newcombe

ALPHAS = np.array([0.25, 0.5, 0.75])


def path(seed: int, count: int, shares: tuple[float, ...]) -> np.ndarray:
    """Return which examples are right at five alphas: neighbours share what decides it."""
    level = np.random.default_rng(seed).random(count)
    noise = np.random.default_rng([seed, 1]).random((5, count))
    own = np.where(noise < 0.3, np.random.default_rng([seed, 2]).random((5, count)), level)
    return own < np.array(shares)[:, None]


def gains_of(right: np.ndarray) -> np.ndarray:
    accuracy = right.mean(axis=1)
    return accuracy[1:-1] - ((1 - ALPHAS) * accuracy[0] + ALPHAS * accuracy[-1])


def drawn_gains(right: np.ndarray, samples: int) -> np.ndarray:
    drawn = bootstrap_hits(right, samples, 0, "test") / right.shape[1]
    return drawn[:, 1:-1] - (drawn[:, :1] * (1 - ALPHAS) + drawn[:, -1:] * ALPHAS)


def test_the_best_is_the_largest_of_the_smaller_ends():
    right = path(0, 80, (0.5, 0.6, 0.7, 0.6, 0.4))
    confidence = 1 - 0.05 / 6  # two ends, three alphas
    lows, highs = [], []
    for own in right[1:-1]:
        ends = [newcombe(right[end], own, confidence) for end in (0, -1)]
        lows.append(min(low for low, _ in ends))
        highs.append(min(high for _, high in ends))
    assert interval_of_best(right) == pytest.approx((max(lows), max(highs)))


def test_intervals_of_what_is_picked_cover_it():
    """Of equal accuracies the best seen alpha is always above the truth, and the worst below."""
    shares, best, least, barrier = (0.6,) * 5, 0, 0, 0
    for seed in range(250):
        right = path(seed, 60, shares)
        low, high = interval_of_best(right)
        best += low <= 0 <= high
        band = simultaneous_band(gains_of(right), drawn_gains(right, 200))
        low, high = interval_of_least(band)
        least += low <= 0 <= high
        low, high = interval_of_barrier(band)
        barrier += low <= 0 <= high
        assert low <= max(0.0, -gains_of(right).min()) <= high
    assert min(best, least, barrier) / 250 > 0.92


def test_the_band_is_the_quantile_of_the_largest_step():
    right = path(7, 100, (0.5, 0.6, 0.7, 0.6, 0.4))
    gains, drawn = gains_of(right), drawn_gains(right, 400)
    largest = []
    for sample in drawn:
        steps = [
            abs(step) / spread
            for step, spread in zip(sample - gains, drawn.std(axis=0), strict=True)
        ]
        largest.append(max(steps))
    wanted = np.quantile(largest, 0.95) * drawn.std(axis=0)
    found = simultaneous_band(gains, drawn)
    assert found == pytest.approx(np.stack([gains - wanted, gains + wanted], axis=1))
    single = single_intervals(gains, drawn)
    assert (np.diff(found, axis=1) > np.diff(single, axis=1)).all()
    assert single[1] == pytest.approx(np.quantile(drawn[:, 1], [0.025, 0.975]))


def test_where_no_prediction_differs_there_is_a_width_all_the_same():
    right = np.tile(np.arange(50) < 40, (5, 1))
    gains, drawn = gains_of(right), drawn_gains(right, 50)
    one, every = unmoved_intervals(right, ALPHAS), unmoved_intervals(right, ALPHAS, at_once=3)
    np.testing.assert_array_equal(single_intervals(gains, drawn, one), one)
    np.testing.assert_array_equal(simultaneous_band(gains, drawn, every), every)
    low, high = newcombe(right[0], right[1], 0.975)
    assert one == pytest.approx(np.tile([low, high], (3, 1)))
    assert (every[:, 1] > one[:, 1]).all()
    low, high = interval_of_best(right)
    assert low < 0 < high
    assert interval_of_barrier(every)[0] == 0 < interval_of_barrier(every)[1]
    moved = right.copy()
    moved[1, :5] = False
    gains, drawn = gains_of(moved), drawn_gains(moved, 50)
    found = single_intervals(gains, drawn, one)
    assert found[0] == pytest.approx(single_intervals(gains, drawn)[0])
    np.testing.assert_array_equal(found[1:], one[1:])
