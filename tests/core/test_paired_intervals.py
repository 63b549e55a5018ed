"""Newcombe's intervals: published examples, laws, coverage; and those of means of differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.paired_intervals import (
    correlations_of,
    interval_of_mean,
    newcombe,
    newcombe_of_many,
    paired_difference,
)


def test_paired_differences_are_newcombes():
    # Fagerland, Lydersen, Laake (2014), Statistics in Medicine 33:2850: airway
    # hyper-responsiveness before (8 of 21) and after (2 of 21) treatment.
    found = paired_difference(*(np.array([each]) for each in (7, 1, 1, 21)))
    assert found[0] == pytest.approx([-0.507, -0.026], abs=6e-4)


@given(counts=st.lists(st.integers(0, 40), min_size=4, max_size=4).filter(lambda c: sum(c) > 0))
def test_paired_differences_hold_the_difference_and_turn_with_the_order(counts: list[int]):
    a_only, b_only, both, neither = (np.array([count]) for count in counts)
    n = a_only + b_only + both + neither
    (low, high), *_ = paired_difference(a_only, b_only, both, n)
    assert -1 - 1e-9 <= low <= (b_only - a_only)[0] / n[0] + 1e-12
    assert (b_only - a_only)[0] / n[0] - 1e-12 <= high <= 1 + 1e-9
    turned = paired_difference(b_only, a_only, both, n)[0]
    assert turned == pytest.approx([-high, -low])


def test_paired_differences_cover():
    shares = np.array([0.1, 0.05, 0.6, 0.25])
    drawn = np.random.default_rng(0).multinomial(40, shares, size=4000).T
    found = paired_difference(*drawn[:3], np.full(4000, 40))
    covered = (found[:, 0] <= -0.05) & (found[:, 1] >= -0.05)
    assert 0.93 < covered.mean() < 0.98


def test_of_two_models_it_is_that_of_their_counts_at_any_confidence():
    rng = np.random.default_rng(2)
    a, b, c = rng.random((3, 70)) < 0.6
    counts = [np.array([int(each.sum())]) for each in (a & ~b, b & ~a, a & b)]
    for confidence in (0.5, 0.95, 0.999):
        wanted = paired_difference(*counts, np.array([70]), confidence)[0]
        assert newcombe(a, b, confidence) == pytest.approx(tuple(wanted))
        many = newcombe_of_many(a, np.stack([b, c]), confidence)
        assert many[0] == pytest.approx(wanted)
        assert many[1] == pytest.approx(newcombe(a, c, confidence))
    assert newcombe(a, b, 0.5)[1] < newcombe(a, b)[1] < newcombe(a, b, 0.999)[1]


def test_models_that_never_differ_have_an_interval_of_some_width():
    for hits in (0, 37, 60):
        same = np.arange(60) < hits
        low, high = newcombe(same, same)
        assert -0.1 < low < 0 < high < 0.1
        assert low == pytest.approx(-high)


def test_the_mean_of_normal_intervals_is_normals():
    rng = np.random.default_rng(3)
    values, errors = rng.normal(size=4), rng.uniform(0.1, 2, 4)
    z = stats.norm.ppf(0.975)
    ends = [(v - z * e, v + z * e) for v, e in zip(values, errors, strict=True)]
    width = z * np.sqrt(np.sum(errors**2)) / 4
    wanted = values.mean() - width, values.mean() + width
    assert interval_of_mean(values.tolist(), ends) == pytest.approx(wanted)
    assert interval_of_mean([0.3], [(0.1, 0.4)]) == pytest.approx((0.1, 0.4))
    assert interval_of_mean([0.0, 1.0], [(-3.0, 0.0), (-3.0, 1.0)]) == pytest.approx((-2.0, 0.5))


def test_the_mean_of_newcombes_intervals_covers():
    rng = np.random.default_rng(4)
    shares = np.array([[0.08, 0.02, 0.7, 0.2], [0.02, 0.06, 0.9, 0.02], [0.1, 0.1, 0.5, 0.3]])
    truth, sizes, covered = np.mean(shares[:, 1] - shares[:, 0]), (50, 80, 40), 0
    drawn = [rng.multinomial(n, own, size=1500).T for n, own in zip(sizes, shares, strict=True)]
    found = [
        paired_difference(*each[:3], np.full(1500, n)) for each, n in zip(drawn, sizes, strict=True)
    ]
    for place in range(1500):
        values = [
            float(each[1, place] - each[0, place]) / n for each, n in zip(drawn, sizes, strict=True)
        ]
        low, high = interval_of_mean(values, [tuple(each[place]) for each in found])
        covered += low <= truth <= high
    assert 0.93 < covered / 1500 < 0.98


def test_sets_of_the_same_images_correlate_as_these_do_and_others_do_not():
    rng = np.random.default_rng(5)
    shared = rng.normal(size=50)
    moved = [shared + rng.normal(size=50) for _ in range(3)]
    moved += [rng.normal(size=20), np.zeros(50)]
    found = correlations_of(moved, ["a", "b", "a", "c", "a"])
    wanted = np.eye(5)
    wanted[0, 2] = wanted[2, 0] = np.corrcoef(moved[0], moved[2])[0, 1]
    assert found == pytest.approx(wanted)
    assert wanted[0, 2] > 0.3


def test_the_mean_over_sets_of_the_same_images_is_that_of_the_images_means():
    """Of many images Newcombe's interval is the normal one, so the mean's is the mean image's."""
    rng = np.random.default_rng(6)
    level = rng.random(4000)
    before, after = (
        [level + 0.05 * rng.normal(size=4000) < share for _ in range(4)] for share in (0.5, 0.6)
    )
    moved = [two.astype(float) - one for one, two in zip(before, after, strict=True)]
    ends = [newcombe(one, two) for one, two in zip(before, after, strict=True)]
    values = [float(each.mean()) for each in moved]
    low, high = interval_of_mean(values, ends, correlations_of(moved, ["x"] * 4))
    by_image = np.mean(moved, axis=0)
    width = 2 * 1.96 * by_image.std(ddof=1) / np.sqrt(4000)
    assert high - low == pytest.approx(width, rel=0.03)
    apart = interval_of_mean(values, ends)
    assert apart[1] - apart[0] < 0.97 * width


def test_a_mean_of_nothing_is_refused():
    for values, ends in (([], []), ([1.0], [])):
        with pytest.raises(InputError, match="expected one for each of 1 value or more"):
            interval_of_mean(values, ends)
