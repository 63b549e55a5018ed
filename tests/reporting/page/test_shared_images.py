"""The interval of the mean of shifts that show the same images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.reporting.page.page_facts import ALPHAS, SHIFTS, facts
from wiseft_jax.core.paired_intervals import interval_of_mean
from wiseft_jax.reporting.page.build import run_page
from wiseft_jax.reporting.page.shared_images import with_correlations
from wiseft_jax.reporting.series import Curves

NAMES = [name for name, *_ in SHIFTS]


def test_the_interval_at_each_alpha_by_hand():
    run = facts()
    plain = Curves.of(run.rows)
    found = with_correlations(plain, run.predictions, dict.fromkeys(NAMES, "digits"))
    assert (found.reference, found.shifts, found.others) == (
        plain.reference, plain.shifts, plain.others,
    )  # fmt: skip
    for place, alpha in enumerate(ALPHAS):
        right = [run.predictions[name].correct[place] for name in NAMES]
        points = [shift.points[alpha] for shift in plain.shifts]
        low, high = interval_of_mean(
            [point.value for point in points],
            [(point.low, point.high) for point in points],
            np.corrcoef(np.stack(right).astype(float)),
        )
        mean = found.mean.at(alpha)
        assert mean.value == plain.mean.at(alpha).value
        assert (mean.low, mean.high) == pytest.approx((low, min(1.0, high)))
        assert mean.low != pytest.approx(plain.mean.at(alpha).low, abs=1e-4)


def test_two_sets_that_are_one_have_its_interval():
    run = facts()
    one = run.predictions[NAMES[0]]
    rows = [row for row in run.rows if row["dataset"] == NAMES[0]]
    rows += [{**row, "dataset": "copy"} for row in rows]
    copies = {NAMES[0]: one, "copy": one}
    curves = with_correlations(Curves.of(rows), copies, {NAMES[0]: NAMES[0], "copy": NAMES[0]})
    for alpha in ALPHAS:
        own, mean = curves.shifts[0].at(alpha), curves.mean.at(alpha)
        assert (mean.low, mean.high) == pytest.approx((own.low, own.high))


@pytest.mark.parametrize("lacking", ["images", "predictions"])
def test_without_what_is_needed_the_sets_count_as_independent(lacking: str):
    run = facts()
    images = {} if lacking == "images" else dict.fromkeys(NAMES, "digits")
    stored = dict(run.predictions)
    if lacking == "predictions":
        del stored[NAMES[1]]
    found = with_correlations(Curves.of(run.rows), stored, images)
    assert found.mean == Curves.of(run.rows).mean


def test_the_page_shows_it():
    run = facts()
    shared = dataclasses.replace(run, images=dict.fromkeys(NAMES, "digits"))
    means = [
        next(line for line in run_page(each).lines if line.kind == "mean") for each in (run, shared)
    ]
    assert means[0].values == means[1].values
    assert means[0].low != means[1].low
