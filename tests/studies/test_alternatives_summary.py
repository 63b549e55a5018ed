"""Facts and rows of the study of alternatives against counting, from answers made of numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.studies.grids import predictions
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import clopper_pearson
from wiseft_jax.core.paired import holm, mcnemar
from wiseft_jax.core.paired_intervals import interval_of_mean, newcombe
from wiseft_jax.studies.alternatives_summary import (
    Answers,
    answers_of,
    check_same_images,
    summarise,
)

SIZES = {"validation": 40, "test": 80, "a": 60, "b": 50}
SPLITS = {"validation": "validation"}
ROLES = {"a": "shift", "b": "shift"}
VALUES = [("wise_ft", 0.0, 0.5), ("wise_ft", 0.5, 0.8), ("wise_ft", 1.0, 0.7)]
VALUES += [("ema", 0.99, 0.75), ("bernoulli", 0.5, 0.4), ("bernoulli", 0.5, 0.6)]


def sets() -> list[Any]:
    return [
        predictions(
            np.ones((1, n), bool),
            (0.0,),
            name,
            SPLITS.get(name, "test"),
            ROLES.get(name, "reference"),
        )
        for name, n in SIZES.items()
    ]


def answers() -> list[Answers]:
    rng = np.random.default_rng(0)
    return [
        Answers(method, value, {name: rng.random(n) < p for name, n in SIZES.items()}, "h" + method)
        for method, value, p in VALUES
    ]


def point(facts: dict[str, Any], method: str, value: float) -> dict[str, Any]:
    return next(p for p in facts["points"] if (p["method"], p["value"]) == (method, value))


def test_points_against_counting():
    models = answers()
    facts, _ = summarise(models, sets(), seed=0)
    assert facts["reference"] == {"dataset": "test", "n": 80}
    assert facts["shifts"] == {"a": 60, "b": 50}
    for model in models[:4]:
        found = point(facts, model.method, model.value)
        test, a, b = (float(np.mean(model.right[name])) for name in ("test", "a", "b"))
        assert found["reference"]["value"] == pytest.approx(test)
        assert found["shifts"]["value"] == pytest.approx((a + b) / 2)
        assert found["models"] == 1
        for axis in ("reference", "shifts"):
            assert found[axis]["low"] < found[axis]["value"] < found[axis]["high"]
        half = found["reference"]["high"] - found["reference"]["low"]
        assert half == pytest.approx(2 * 1.96 * np.sqrt(test * (1 - test) / 80), rel=0.15)
    draws = [np.mean(model.right["test"]) for model in models[4:]]
    found = point(facts, "bernoulli", 0.5)
    assert found["models"] == 2
    assert found["reference"]["value"] == pytest.approx(np.mean(draws))
    assert found["reference"]["sd"] == pytest.approx(np.std(draws, ddof=1))


def test_differences_are_paired_and_against_the_middle_of_the_curve():
    models = answers()
    same = Answers("ema", 0.5, models[1].right, "x")
    facts, _ = summarise([*models, same], sets(), seed=0)
    nothing = {"difference": 0.0, "low": 0.0, "high": 0.0}
    assert point(facts, "wise_ft", 0.5)["against"] == {"reference": nothing, "shifts": nothing}
    for alike in point(facts, "ema", 0.5)["against"].values():  # here; of other images who knows
        assert alike["difference"] == 0
        assert -0.05 < alike["low"] < 0 < alike["high"] < 0.05
    found = point(facts, "wise_ft", 0.0)["against"]["reference"]
    wanted = np.mean(models[0].right["test"]) - np.mean(models[1].right["test"])
    assert found["difference"] == pytest.approx(wanted)
    assert found["low"] < wanted < found["high"] < 0


def test_two_shifts_that_show_the_same_images_are_no_surer_than_one():
    models = [
        dataclasses.replace(each, right=each.right | {"b": each.right["a"]}) for each in answers()
    ]
    twice = [*sets()[:-1], predictions(np.ones((1, 60), bool), (0.0,), "b", "test", "shift")]
    facts, rows = summarise(models, twice, seed=0)
    for group in ("ema decay 0.99", "bernoulli alpha 0.5"):  # Newcombe's, and the bootstrap's
        ends = {
            row["dataset"]: (row["ci_low"], row["ci_high"])
            for row in rows
            if (row["group"], row["metric"]) == (group, "gain") and row["role"] == "shift"
        }
        assert ends["mean of shifts"] == pytest.approx(ends["a"])
        assert ends["b"] == pytest.approx(ends["a"])
    assert facts["shifts"] == {"a": 60, "b": 60}


def test_beaten_are_points_that_an_alpha_is_at_least_as_good_as_on_both():
    models = answers()
    facts, _ = summarise(models, sets(), seed=0)
    curve = [point(facts, "wise_ft", at) for at in (0.0, 0.5, 1.0)]
    for each in facts["points"]:
        wanted = [
            c["value"]
            for c in curve
            if all(c[axis]["value"] >= each[axis]["value"] for axis in ("reference", "shifts"))
            and any(c[axis]["value"] > each[axis]["value"] for axis in ("reference", "shifts"))
        ]
        assert each["beaten_at"] == wanted
    assert point(facts, "bernoulli", 0.5)["beaten_at"]
    best = {each["method"]: each for each in facts["best"]}
    assert best["wise_ft"]["value"] == max(curve, key=lambda c: c["shifts"]["value"])["value"]
    assert best["wise_ft"]["difference"] == 0.0


def test_rows_have_their_intervals_tests_and_hashes():
    models = answers()
    _, rows = summarise(models, sets(), seed=3)
    ema = {(r["dataset"], r["metric"]): r for r in rows if r["group"] == "ema decay 0.99"}
    right, base = models[3].right["a"], models[1].right["a"]
    row = ema["a", "top1"]
    assert (row["value"], row["n"], row["config_hash"]) == (float(right.mean()), 60, "hema")
    assert (row["ci_low"], row["ci_high"]) == clopper_pearson(int(right.sum()), 60)
    assert (row["alpha"], row["seed"], row["role"]) == (None, None, "shift")
    gain = ema["a", "gain"]
    assert gain["value"] == pytest.approx(right.mean() - base.mean())
    assert gain["p_value"] == mcnemar(base, right).p_value
    family = [r for r in rows if r["dataset"] == "a" and r["p_value"] is not None]
    assert len(family) == 3  # both ends of the curve, and the average
    assert [r["p_holm"] for r in family] == holm([r["p_value"] or 0 for r in family]).tolist()
    assert (gain["other"], gain["seed"]) == ("wise_ft alpha 0.5", None)
    ends = {name: newcombe(models[1].right[name], models[3].right[name]) for name in "ab"}
    assert (gain["ci_low"], gain["ci_high"]) == pytest.approx(ends["a"])
    values = [ema[name, "gain"]["value"] for name in "ab"]
    mean = ema["mean of shifts", "gain"]
    wanted = interval_of_mean(values, [ends["a"], ends["b"]])
    assert (mean["ci_low"], mean["ci_high"]) == pytest.approx(wanted)
    assert ema["mean of shifts", "top1"]["n"] == 110
    middle = [r for r in rows if r["group"] == "wise_ft alpha 0.5"]
    assert {r["metric"] for r in middle} == {"top1"}  # nothing is compared with itself
    assert {r["alpha"] for r in middle} == {0.5}
    drawn = [r for r in rows if r["group"] == "bernoulli alpha 0.5" and r["metric"] == "gain"]
    assert {r["p_value"] for r in drawn} == {None}  # of a mean over draws there is no such test


def test_without_a_shift_there_is_no_chart():
    with pytest.raises(InputError, match=r"there is no shifted test set; give --data.shifts"):
        summarise(answers(), sets()[:2], seed=0)


def test_answers_leave_out_examples_without_a_label_and_other_images_are_refused():
    own = predictions(np.eye(4, dtype=bool), (0.0, 0.3, 0.6, 1.0), "test", "test", "reference")
    own.labels[0] = -1
    found = answers_of("ema", 0.9, {"test": own}, 1.0, "x")
    assert found.right["test"].tolist() == [False, False, True]
    other = predictions(np.ones((1, 3), bool), (1.0,), "test", "test", "reference")
    check_same_images({"test": own}, {"test": own}, "here")
    with pytest.raises(InputError, match=r"^here: its predictions on test are not of the same"):
        check_same_images({"test": own}, {"test": other}, "here")
