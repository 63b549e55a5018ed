"""The jackknife against closed forms and a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.jackknife import jackknife

numbers = st.lists(st.floats(-10, 10), min_size=2, max_size=12)


@given(numbers)
def test_of_a_mean_it_is_the_usual_interval(values: list[float]) -> None:
    x = np.array(values)
    found = jackknife(lambda places: float(x[places].mean()), len(x))
    error = x.std(ddof=1) / np.sqrt(len(x))
    assert found.value == pytest.approx(x.mean())
    assert found.standard_error == pytest.approx(error, abs=1e-9)
    low, high = x.mean() + error * stats.t.ppf([0.025, 0.975], len(x) - 1)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-8)


@given(numbers)
def test_of_any_statistic_it_is_the_spread_of_what_leaves_one_out(values: list[float]) -> None:
    x = np.array(values)
    found = jackknife(lambda places: float(np.median(x[places]) ** 2), len(x), 0.9)
    without = [np.median([v for j, v in enumerate(values) if j != i]) ** 2 for i in range(len(x))]
    error = np.sqrt((len(x) - 1) * np.var(without))
    assert found.standard_error == pytest.approx(error, abs=1e-9)
    assert found.high is not None
    width = stats.t.ppf(0.95, len(x) - 1) * error
    assert found.high - found.value == pytest.approx(width, abs=1e-8)


def test_of_one_group_there_is_no_interval() -> None:
    found = jackknife(lambda places: 3.0, 1)
    assert (found.value, found.standard_error, found.low, found.high) == (3.0, None, None, None)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="groups: expected at least 1, found 0"):
        jackknife(lambda places: 0.0, 0)
    for confidence in (0.0, 1.0):
        with pytest.raises(InputError, match="confidence"):
            jackknife(lambda places: 0.0, 2, confidence)
