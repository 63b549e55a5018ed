"""Rows as curves: who is the reference, the mean of the shifts and its interval."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.reporting.rows import REFERENCE, SHIFTS, set_rows, sweep_rows
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import mean_over_shifts, with_matched_references
from wiseft_jax.reporting.series import Curves, all_series, mean_of


def test_sorts_sets_by_purpose():
    curves = Curves.of(sweep_rows())
    assert curves.reference.name == "mnist"
    assert [each.name for each in curves.shifts] == list(SHIFTS)
    assert [each.name for each in curves.others] == ["mnist-val"]
    names = ["mnist", "mean of shifts", *SHIFTS, "mnist-val"]
    assert [each.name for each in curves.all] == names
    np.testing.assert_allclose(curves.reference.values, REFERENCE)
    assert curves.alphas == [round(i / 10, 6) for i in range(11)]


def test_mean_is_the_unweighted_one_of_the_rows():
    rows = sweep_rows()
    mean = Curves.of(rows).mean
    for alpha, value in mean_over_shifts(rows).items():
        assert mean.at(alpha).value == pytest.approx(value)
    assert mean.n == 3000


def test_interval_of_the_mean_matches_a_simulation():
    """Against the spread of means of simulated counts, for sets of unlike sizes."""
    rng, truth, sizes = np.random.default_rng(0), (0.9, 0.6, 0.75), (200, 400, 1000)
    draws = [rng.binomial(n, p, 20000) / n for n, p in zip(sizes, truth, strict=True)]
    spread = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    rows = [
        row
        for i, (n, p) in enumerate(zip(sizes, truth, strict=True))
        for row in set_rows(f"s{i}", [p], role="shift", n=n)
    ]
    point = Curves.of(rows).mean.at(0.0)
    np.testing.assert_allclose([point.low, point.high], spread, atol=0.004)


def test_interval_of_one_shift_is_its_own_and_stays_inside():
    rows = set_rows("s", [0.0, 1.0], role="shift", n=5)
    curves = Curves.of(rows)
    for alpha in (0.0, 1.0):
        own, mean = curves.shifts[0].at(alpha), curves.mean.at(alpha)
        assert (mean.low, mean.high) == pytest.approx((own.low, own.high))
    assert curves.all == list(curves.shifts)  # the mean of one isn't shown


def test_mean_takes_the_alphas_that_all_shifts_have():
    rows = set_rows("a", [0.1, 0.2, 0.3], role="shift")
    rows += set_rows("b", [0.3, 0.5], role="shift", alphas=[0.5, 1.0])
    mean = Curves.of(rows).mean
    assert mean.alphas == [0.5, 1.0]
    assert mean.values == [pytest.approx(0.25), pytest.approx(0.4)]


def test_without_a_test_set_validation_is_the_reference():
    curves = Curves.of(set_rows("val", [0.5], split="validation"))
    assert curves.reference.name == "val"
    assert curves.mean is None
    assert mean_of(()) is None


def test_shifts_alone_have_no_reference():
    assert Curves.of(set_rows("s", [0.5], role="shift")).reference is None


def test_same_name_in_two_splits_is_two_sets():
    rows = set_rows("a", [0.5]) + set_rows("a", [0.6], split="train")
    assert [(each.name, each.split) for each in all_series(rows)] == [("a", "test"), ("a", "train")]


def test_no_top1_rows_is_an_error():
    rows = [{**row, "metric": "f1"} for row in sweep_rows()]
    with pytest.raises(InputError, match="no top-1 rows"):
        Curves.of(rows)
    with pytest.raises(InputError, match="no top-1 rows"):
        Curves.of([{**row, "n": 0, "value": math.nan} for row in sweep_rows()])


def test_at_an_alpha_that_was_not_measured():
    series = Curves.of(sweep_rows()).reference
    assert series.at(0.55) is None
    assert series.at(None) is None


def test_a_single_shift_is_set_against_its_matched_reference():
    rows = sweep_rows() + set_rows("mnist, some classes", [0.7, 0.8], role="matched_reference")
    only = [row for row in rows if row["dataset"] not in ("coloured", "inverted")]
    named = {"optical digits": "mnist, some classes"}
    curves = Curves.of(with_matched_references(only, named))
    assert curves.axis.name == "mnist, some classes"
    assert "mnist, some classes" in [each.name for each in curves.others]
    assert Curves.of(only).axis.name == "mnist"
    several = Curves.of(with_matched_references(rows, named))
    assert several.axis.name == "mnist"
    assert several.mean.values == Curves.of(sweep_rows()).mean.values
