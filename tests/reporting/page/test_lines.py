"""The curves of a page, and how they compare with both ends."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.reporting.page.page_facts import ALPHAS, SETS, SHIFTS, facts
from wiseft_jax.core.paired import mcnemar
from wiseft_jax.core.paired_intervals import correlations_of, interval_of_mean, newcombe
from wiseft_jax.core.results import with_matched_references
from wiseft_jax.reporting.page.lines import lines_of
from wiseft_jax.reporting.series import Curves


def test_each_set_has_a_line_in_the_order_of_the_report():
    run = facts()
    lines = lines_of(Curves.of(run.rows), run.predictions)
    assert [(line.name, line.kind) for line in lines] == [
        ("prints", "reference"),
        ("mean of shifts", "mean"),
        ("sketches", "shift"),
        ("<b>fog</b> & rain", "shift"),
        ("photos", "other"),
    ]
    assert all(line.alphas == list(ALPHAS) for line in lines)


def test_comparisons_are_the_paired_ones_of_the_images():
    run = facts()
    line = lines_of(Curves.of(run.rows), run.predictions)[0]
    right = run.predictions["prints"].correct
    zero, one = line.against
    assert (zero.end, one.end) == (0.0, 1.0)
    for place in range(1, len(ALPHAS)):
        test = mcnemar(right[0], right[place])
        assert zero.difference[place] == pytest.approx(test.difference, abs=1e-5)
        assert (zero.won[place], zero.lost[place]) == (test.b_only, test.a_only)
        assert zero.p_value[place] == pytest.approx(test.p_value, rel=1e-2)
        assert (zero.low[place], zero.high[place]) == pytest.approx(
            newcombe(right[0], right[place]), abs=1e-6
        )
    assert (zero.difference[0], zero.low[0], zero.high[0]) == (0.0, 0.0, 0.0)


def test_the_mean_has_an_interval_at_the_chosen_alpha_alone():
    run = facts()
    mean = lines_of(Curves.of(run.rows), run.predictions, alpha=0.5)[1]
    zero = mean.against[0]
    place = ALPHAS.index(0.5)
    assert zero.low[place] < zero.difference[place] < zero.high[place]
    assert zero.low[1] == zero.high[1] == zero.difference[1]
    assert zero.p_value == []


@pytest.mark.parametrize("shared", [True, False])
def test_the_interval_of_the_mean_is_put_together_from_those_of_the_sets(shared: bool):
    run = facts()
    names = [name for name, *_ in SHIFTS]
    images = dict.fromkeys(names, "digits") if shared else {}
    mean = lines_of(Curves.of(run.rows), run.predictions, alpha=0.5, images=images)[1]
    place = ALPHAS.index(0.5)
    for against, end in zip(mean.against, (0, -1), strict=True):
        pairs = [run.predictions[name].correct[[end, place]] for name in names]
        gains = [pair[1].astype(float) - pair[0] for pair in pairs]
        one = float(np.corrcoef(gains[0], gains[1])[0, 1])
        known = correlations_of(gains, ["digits"] * 2)
        assert known[0, 1] == pytest.approx(one)
        assert abs(one) > 0.05  # else nothing is told by this
        low, high = interval_of_mean(
            [float(gain.mean()) for gain in gains],
            [newcombe(*pair) for pair in pairs],
            known if shared else None,
        )
        assert (against.low[place], against.high[place]) == pytest.approx((low, high), abs=1e-6)


def test_predictions_that_are_the_same_have_an_interval_with_a_width():
    run = facts()
    stored = run.predictions["prints"]
    same = type(stored)(**{**vars(stored), "correct": stored.correct[[0] * len(ALPHAS)]})
    (zero, one) = lines_of(Curves.of(run.rows), {"prints": same})[0].against
    assert zero.difference == [0.0] * 5
    assert (zero.low[0], zero.high[0], one.low[-1], one.high[-1]) == (0.0,) * 4  # the end itself
    assert all(low < 0 < high for low, high in zip(zero.low[1:], zero.high[1:], strict=True))


def test_without_predictions_there_are_no_tests():
    run = facts()
    lines = lines_of(Curves.of(run.rows), {}, alpha=0.5)
    assert [line.against for line in lines if line.kind != "mean"] == [[]] * 4
    assert lines[1].against[0].low == lines[1].against[0].difference


def test_unlabelled_images_do_not_count():
    run = facts()
    stored = run.predictions["prints"]
    labels = np.where(np.arange(40) < 20, stored.labels, -1).astype(np.int32)
    half = type(stored)(**{**vars(stored), "labels": labels})
    line = lines_of(Curves.of(run.rows), {"prints": half})[0]
    assert line.against[0].won[2] == mcnemar(stored.correct[0, :20], stored.correct[2, :20]).b_only


def test_the_continuous_curve_comes_as_fractions():
    run = facts()
    row = {
        "schema": 1, "dataset": "prints", "split": "test", "role": "reference", "n": 40,
        "alphas": [0.0, 0.1], "hits": [20, 30], "low": [20, 29], "high": [20, 31], "lost": [],
        "won": [], "summary": {}, "config_hash": "x",
    }  # fmt: skip
    lines = lines_of(Curves.of(run.rows), {}, [row])
    assert lines[0].between == {
        "alphas": [0.0, 0.1], "values": [0.5, 0.75], "low": [0.5, 0.725], "high": [0.5, 0.775],
    }  # fmt: skip
    assert dataclasses.asdict(lines[1])["between"] is None


def test_a_matched_reference_is_shown_as_that_and_named_by_its_shift():
    own = ("its classes", "test", "matched_reference")
    run = facts(sets=(*SETS, *SHIFTS, own))
    rows = with_matched_references(run.rows, {"sketches": "its classes"})
    lines = {line.name: line for line in lines_of(Curves.of(rows), run.predictions)}
    assert lines["its classes"].kind == "matched"
    assert lines["sketches"].matched_reference == "its classes"
    assert lines["prints"].matched_reference == ""
    assert {line.classes for line in lines.values() if line.kind != "mean"} == {4}
    assert lines_of(Curves.of(rows), {})[0].classes == 0
