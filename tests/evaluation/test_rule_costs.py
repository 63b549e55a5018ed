"""What rules cost: points lost, what is missing, and what may choose."""

from __future__ import annotations

import dataclasses
import json
import logging

import numpy as np
import pytest

from tests.evaluation.test_rules import (
    EVIDENCE,
    TARGET,
    VALIDATION,
    predict_at,
    predictions,
    without_entropy,
)
from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.rule_costs import (
    apply_rule,
    benchmark_rules,
    find_validation,
    mean_intervals,
    mean_points_lost,
)
from wiseft_jax.evaluation.rules import ALL_RULES

TEST = predictions("test", seed=2, role="reference")
SETS = {each.dataset: each for each in (VALIDATION, TEST, TARGET)}


def test_every_rule_on_every_test_set():
    costs = benchmark_rules(
        SETS, predict_at={"test": predict_at(TEST), "sketch": predict_at(TARGET)}
    )
    assert [(each.dataset, each.rule) for each in costs] == [
        (name, rule) for name in ("test", "sketch") for rule in ALL_RULES
    ]
    for cost in costs:
        assert cost.missing == ""
        low, high = cost.lost_interval
        assert low <= cost.points_lost + 1e-9
        assert cost.points_lost <= high + 1e-9
        assert 0 <= cost.ci_low <= cost.value <= cost.ci_high <= 1
        assert cost.n == (SETS[cost.dataset].labels >= 0).sum()
        if ALL_RULES[cost.rule].alpha:
            assert cost.points_lost >= 0
            target = SETS[cost.dataset]
            assert cost.value == target.accuracy(target.alphas.index(cost.alpha)).compute()
        else:
            assert cost.alpha is None
        assert json.loads(json.dumps(cost.facts())) == cost.facts()
    by_name = {(each.dataset, each.rule): each for each in costs}
    assert by_name["sketch", "oracle"].points_lost == 0
    assert by_name["sketch", "oracle_by_example"].points_lost <= 0


def test_what_a_rule_cannot_see_is_said():
    bare = {name: without_entropy(each) for name, each in SETS.items() if name != "val"}
    costs = {each.rule: each for each in benchmark_rules(bare, targets=["sketch"])}
    assert costs["constant"].value is not None
    assert costs["agreement"].value is not None
    assert "validation set of the reference" in costs["validation_best"].missing
    assert costs["entropy"].missing == (
        "missing: the entropies of the predictions of the target set (an older version stored none;"
        " sweep again)"
    )
    assert "an alpha of its own" in costs["dawin"].missing
    assert (costs["dawin"].value, costs["dawin"].points_lost, costs["dawin"].ci_low) == (
        None,
        None,
        None,
    )


def test_an_alpha_off_the_grid_has_no_value():
    thirds = predictions("sketch", seed=1, alphas=(0.0, 1 / 3, 2 / 3, 1.0))
    cost = apply_rule("constant", dataclasses.replace(EVIDENCE, target=thirds))
    assert (cost.alpha, cost.value) == (0.5, None)
    assert cost.missing == "alpha = 0.5 was not evaluated"


def test_the_mean_counts_sets_alike():
    second = dataclasses.replace(predictions("photo", seed=5, n=20), dataset="photo")
    costs = benchmark_rules(SETS | {"photo": second}, rules=["constant", "entropy", "dawin"])
    mean = mean_points_lost(costs)
    lost = {(each.dataset, each.rule): each.points_lost for each in costs}
    expected = (lost["sketch", "entropy"] + lost["photo", "entropy"]) / 2
    assert mean["entropy"] == pytest.approx(expected)
    assert mean["dawin"] is None
    assert mean_points_lost(costs, role="reference")["constant"] == lost["test", "constant"]
    assert mean_points_lost([]) == {}


def test_only_a_held_out_reference_chooses_unless_named(caplog):
    assert find_validation(SETS) is VALIDATION
    assert find_validation({"test": TEST}) is None
    with caplog.at_level(logging.WARNING):
        assert find_validation(SETS, "val") is VALIDATION
        assert not caplog.text
        assert find_validation(SETS, "sketch") is TARGET
    assert "rules choose ON sketch: accuracies there are optimistic" in caplog.text
    two = SETS | {"val 2": dataclasses.replace(VALIDATION, dataset="val 2")}
    with pytest.raises(InputError, match=r"several validation sets \(val, val 2\)"):
        find_validation(two)
    with pytest.raises(InputError, match="Did you mean 'sketch'"):
        find_validation(SETS, "skech")


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="Did you mean 'entropy'"):
        benchmark_rules(SETS, rules=["entrpy"])
    with pytest.raises(InputError, match="Did you mean 'sketch'"):
        benchmark_rules(SETS, targets=["skech"])
    with pytest.raises(InputError, match="there is no test set"):
        benchmark_rules({"val": VALIDATION})
    unlabelled = dataclasses.replace(TARGET, labels=np.full_like(TARGET.labels, -1))
    with pytest.raises(InputError, match="sketch: no label"):
        benchmark_rules({"sketch": unlabelled})


def test_intervals_are_seeded_and_those_of_paired_draws():
    cost, again, other = (apply_rule("constant", EVIDENCE, seed=seed) for seed in (0, 0, 1))
    assert cost.facts() == again.facts()
    assert cost.lost_interval != other.lost_interval
    # Brute force: draw images with both results.
    labelled = TARGET.labels >= 0
    correct = TARGET.correct[:, labelled]
    best = correct[correct.sum(axis=1).argmax()]
    mine = correct[TARGET.alphas.index(0.5)]
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(best), (4000, len(best)))
    lost = 100 * (best[drawn].mean(axis=1) - mine[drawn].mean(axis=1))
    one_image = 100 / len(best) + 1e-6
    wanted = np.quantile(lost, [0.025, 0.975])
    np.testing.assert_allclose(cost.lost_interval, wanted, atol=one_image)
    assert wanted[1] - wanted[0] > 10 * one_image
    facts = cost.facts()
    assert (facts["lost_low"], facts["lost_high"]) == cost.lost_interval
    assert "lost" not in facts


def test_the_interval_of_a_mean_is_narrower_than_those_of_its_sets():
    second = dataclasses.replace(predictions("photo", seed=5), dataset="photo")
    costs = benchmark_rules(SETS | {"photo": second}, rules=["constant", "dawin"])
    mean, found = mean_points_lost(costs), mean_intervals(costs)
    assert found["dawin"] is None
    low, high = found["constant"]
    assert low <= mean["constant"] <= high
    widths = [
        each.lost_interval[1] - each.lost_interval[0]
        for each in costs
        if each.rule == "constant" and each.role == "shift"
    ]
    assert 0 < high - low < max(widths)
    assert mean_intervals([]) == {}


def test_a_rule_that_saw_labels_of_the_set_is_in_sample():
    targets = ["val", "test", "sketch"]

    def marked(select_on):
        costs = benchmark_rules(SETS, targets=targets, select_on=select_on)
        return {(each.rule, each.dataset) for each in costs if each.in_sample}

    oracles = {(rule, name) for rule in ("oracle", "oracle_by_example") for name in targets}
    choosing = {"validation_best", "smallest_within_one_point", "atc"}
    assert marked(None) == oracles | {(rule, "val") for rule in choosing}
    assert marked("sketch") == oracles | {(rule, "sketch") for rule in choosing}
