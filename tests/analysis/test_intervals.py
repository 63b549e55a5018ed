"""Intervals against closed forms, published examples and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wiseft_jax.analysis.intervals import (
    drawn_means,
    jackknifed,
    mean_interval,
    mean_p_value,
    percentile,
    pivotal,
    within,
)
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.jackknife import jackknife


def test_the_mean_is_that_of_the_jackknife_and_of_student():
    values = np.random.default_rng(0).normal(size=17)
    mean, interval = mean_interval(values)
    whole = jackknife(lambda places: float(values[places].mean()), len(values))
    assert interval == pytest.approx((whole.low, whole.high))
    assert interval == pytest.approx(
        stats.t.interval(0.95, 16, loc=values.mean(), scale=stats.sem(values))
    )
    assert mean == values.mean()
    assert mean_p_value(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_few_values_have_no_interval():
    assert mean_interval(np.array([2.0])) == (2.0, None)
    assert jackknifed(1.0, np.zeros(1)) == (1.0, None)
    assert mean_p_value(np.array([2.0])) is None
    assert mean_p_value(np.array([2.0, 2.0])) == 0.0
    assert mean_p_value(np.array([0.0, 0.0])) == 1.0
    with pytest.raises(InputError, match="expected at least one"):
        mean_interval(np.zeros(0))


def test_intervals_are_cut_and_reach_the_value():
    assert within((-1.0, 0.5), 0.0, 1.0) == (0.0, 0.5)
    assert within(None, 0.0, 1.0) is None
    drawn = np.linspace(1, 2, 1001)
    assert percentile(drawn, 1.5) == pytest.approx((1.025, 1.975))
    assert percentile(drawn, 0.9) == pytest.approx((0.9, 1.975))
    assert pivotal(drawn, 1.5) == pytest.approx((1.025, 1.975))
    assert pivotal(drawn, 1.0) == pytest.approx((0.025, 1.0))


def test_drawn_means_have_the_laws_of_the_bootstrap():
    values = np.random.default_rng(1).normal(size=(40, 3))
    drawn = drawn_means(values, samples=4000, seed=0, stream="x")
    assert drawn.shape == (4000, 3)
    assert drawn.mean(axis=0) == pytest.approx(values.mean(axis=0), abs=0.01)
    wanted = np.cov(values.T, bias=True) / 40
    assert np.cov(drawn.T) == pytest.approx(wanted, abs=0.15 * wanted.max())
    same = drawn_means(values, samples=4000, seed=0, stream="x")
    assert np.array_equal(drawn, same)
    assert not np.array_equal(drawn, drawn_means(values, samples=4000, seed=0, stream="y"))


def test_examples_are_drawn_with_all_their_columns():
    values = np.random.default_rng(1).normal(size=(30, 1))
    drawn = drawn_means(np.hstack([values, 2 * values]), samples=50, seed=3, stream="x")
    assert drawn[:, 1] == pytest.approx(2 * drawn[:, 0])
