"""Two runs on the same images: paired by id, tested, or told why not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.helpers.stored_runs import SETS, predictions
from wiseft_jax.core.paired import holm
from wiseft_jax.core.paired_intervals import correlations_of, interval_of_mean, newcombe
from wiseft_jax.evaluation.paired_runs import MEAN_OF_SHIFTS, compare_runs, matched
from wiseft_jax.evaluation.predictions import Predictions

FIRST = {name: predictions(name, seed=1) for name in SETS}
SECOND = {name: predictions(name, seed=2) for name in SETS}


def shuffled(each: Predictions) -> Predictions:
    order = np.random.default_rng(0).permutation(len(each))
    return dataclasses.replace(
        each,
        top1=each.top1[:, order],
        correct=each.correct[:, order],
        labels=each.labels[order],
        ids=tuple(each.ids[place] for place in order),
    )


def test_each_set_by_an_independent_computation():
    rows, reasons = compare_runs(FIRST, SECOND, (0.5, 1.0))
    assert reasons == {}
    assert [row.at for row in rows] == ["zero_shot"] * 4 + ["chosen"] * 4 + ["fine_tuned"] * 4
    chosen = [row for row in rows if row.at == "chosen" and row.dataset != MEAN_OF_SHIFTS]
    expected = []
    for row in chosen:
        one, other = FIRST[row.dataset].correct[1], SECOND[row.dataset].correct[2]
        assert row.alphas == (0.5, 1.0)
        assert row.values == pytest.approx((one.mean(), other.mean()))
        assert row.difference == pytest.approx(other.mean() - one.mean())
        assert (row.low, row.high) == newcombe(one, other)
        only = int((one & ~other).sum()), int((other & ~one).sum())
        expected.append(binomtest(min(only), sum(only), 0.5).pvalue)
        assert row.p_value == pytest.approx(expected[-1])
    assert [row.p_holm for row in chosen] == pytest.approx(holm(expected))
    (mean,) = [row for row in rows if row.at == "chosen" and row.dataset == MEAN_OF_SHIFTS]
    shifts = [row for row in chosen if row.role == "shift"]
    assert mean.difference == pytest.approx(np.mean([row.difference for row in shifts]))
    assert (mean.n, mean.p_value, mean.p_holm) == (80, None, None)
    assert mean.low < mean.difference < mean.high


@pytest.mark.parametrize("shared", [True, False])
def test_shifts_of_the_same_images_correlate_in_the_mean(shared: bool):
    names = [name for name, role in SETS.items() if role == "shift"]
    both = [
        {
            name: dataclasses.replace(
                run[name],
                ids=tuple(f"{name}[{i + (0 if shared else len(name))}]" for i in range(40)),
            )
            for name in names
        }
        for run in (FIRST, SECOND)
    ]
    rows, reasons = compare_runs(both[0], both[1], (0.5, 0.5))
    assert reasons == {}
    *shifts, mean = [row for row in rows if row.at == "chosen"]
    gains = [SECOND[name].correct[1].astype(float) - FIRST[name].correct[1] for name in names]
    known = correlations_of(gains, ["one"] * 2)
    assert abs(known[0, 1]) > 0.05  # else nothing is told by this
    assert (mean.low, mean.high) == interval_of_mean(
        [row.difference for row in shifts],
        [(row.low, row.high) for row in shifts],
        known if shared else None,
    )


def test_two_models_that_never_differ_have_an_interval_with_a_width():
    rows, _ = compare_runs(FIRST, FIRST, (0.5, 0.5))
    assert all(row.low < row.difference == 0 < row.high for row in rows)


def test_the_order_of_images_does_not_matter():
    other = {name: shuffled(each) for name, each in SECOND.items()}
    assert compare_runs(FIRST, other, (0.5, 0.5)) == compare_runs(FIRST, SECOND, (0.5, 0.5))


def test_an_alpha_that_was_not_measured_has_no_row():
    rows, _ = compare_runs(FIRST, SECOND, (0.5, 0.25))
    assert {row.at for row in rows} == {"zero_shot", "fine_tuned"}


def test_images_without_a_label_do_not_count():
    hidden = {
        name: dataclasses.replace(each, labels=np.where(np.arange(40) < 10, -1, each.labels))
        for name, each in {**FIRST}.items()
    }
    other = {
        name: dataclasses.replace(each, labels=hidden[name].labels) for name, each in SECOND.items()
    }
    rows, _ = compare_runs(hidden, other, (0.5, 0.5))
    assert rows[0].n == 30
    assert rows[0].values[0] == pytest.approx(FIRST["test"].correct[0, 10:].mean())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ids": ("x",) * 40}, "ids repeat"),
        ({"ids": tuple(map(str, range(40)))}, "other images (40 and 40, 0 in common)"),
        ({"labels": 1 - FIRST["test"].labels}, "the same ids have other labels"),
    ],
)
def test_what_is_not_paired_and_why(change: dict, why: str):
    order, said = matched(FIRST["test"], dataclasses.replace(FIRST["test"], **change))
    assert order is None
    assert said.startswith(why)


def test_labels_of_other_classes_needn_t_agree_but_who_has_one():
    swapped = dataclasses.replace(FIRST["test"], labels=1 - FIRST["test"].labels)
    assert matched(FIRST["test"], swapped, same_classes=False)[0] is not None
    none = dataclasses.replace(FIRST["test"], labels=np.full(40, -1, np.int32))
    assert matched(FIRST["test"], none, same_classes=False)[1] == "other images have labels"
    assert matched(none, none)[1] == "no image has a label"


def test_a_set_that_one_run_has_is_named():
    rows, reasons = compare_runs({"test": FIRST["test"]}, SECOND, (0.5, 0.5))
    assert reasons == dict.fromkeys(["sketch", "50%_off & more"], "only the second run has it")
    assert {row.dataset for row in rows} == {"test"}
