"""The rules for alpha: the table's contract, ties, and what may not choose."""

from __future__ import annotations

import json
import logging
from typing import get_args, get_type_hints

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.results import accuracy_row
from wiseft_jax.evaluation.select import RULES, Point, select_alpha, smallest_within
from wiseft_jax.experiment import SweepConfig


def rows(hits, *, name="val", split="validation", role="reference", n=100, method="direct"):
    return [
        accuracy_row(
            Accuracy(count, n),
            dataset=name,
            split=split,
            role=role,
            alpha=index / (len(hits) - 1),
            config_hash="",
            method=method,
        )
        for index, count in enumerate(hits)
    ]


VALIDATION = rows([60, 80, 89, 90, 90])
TEST = rows([99, 10, 10, 10, 10], name="test", split="test")
SHIFT = rows([10, 99, 10, 10, 10], name="sketch", split="test", role="shift")


@pytest.mark.parametrize("name", RULES)
def test_contract_of_every_rule(name):
    """A name chooses an alpha, by validation alone, with its cost, in words and as JSON."""
    spec = RULES[name]
    assert spec.summary
    assert not spec.summary.endswith(".")
    selection = select_alpha(VALIDATION + TEST + SHIFT, name)
    assert selection == select_alpha(VALIDATION, name)
    assert selection.alpha in {row["alpha"] for row in VALIDATION}
    assert (selection.dataset, selection.split, selection.role) == (
        "val",
        "validation",
        "reference",
    )
    assert selection.held_out
    assert selection.best == 0.9
    assert selection.best_alpha == 0.75
    assert selection.cost == pytest.approx(0.9 - selection.value)
    assert 0 <= selection.cost < 1
    assert f"alpha = {selection.alpha:g}: {spec.summary}" in selection.sentence
    facts = selection.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["rule"] == name
    # Scaling n changes nothing: accuracies choose, not counts.
    twice = rows([2 * round(row["value"] * row["n"]) for row in VALIDATION], n=200)
    assert select_alpha(twice, name).alpha == selection.alpha


def test_the_configuration_offers_exactly_the_rules():
    assert set(get_args(get_type_hints(SweepConfig)["rule"])) == set(RULES)


def test_what_each_rule_chooses():
    chosen = {name: select_alpha(VALIDATION, name).alpha for name in RULES}
    assert chosen == {
        "constant": 0.5,
        "validation_best": 0.75,  # of 0.75 and 1, which tie, the smaller
        "smallest_within_one_point": 0.5,  # exactly one point below counts
    }


@pytest.mark.parametrize(("n", "below", "alpha"), [(700, 7, 0.0), (700, 8, 1.0), (99, 1, 1.0)])
def test_one_point_is_counted_in_whole_numbers(n, below, alpha):
    curve = rows([n - below, n], n=n)
    assert select_alpha(curve, "smallest_within_one_point").alpha == alpha


def test_smallest_within_takes_an_epsilon():
    points = [Point(alpha, hits, 100) for alpha, hits in enumerate((60, 80, 88, 90, 89))]
    chosen = [smallest_within(points, epsilon) for epsilon in (0.0, 0.01, 0.02, 0.1, 0.3)]
    assert chosen == [3, 3, 2, 1, 0]


def test_constant_stands_without_rows_or_off_the_grid(caplog):
    alone = select_alpha(TEST + SHIFT)
    assert (alone.alpha, alone.dataset, alone.value, alone.cost) == (0.5, None, None, None)
    assert alone.sentence == "alpha = 0.5: the paper's default, 0.5."
    off_grid = select_alpha(rows([50, 60, 70, 80]))
    assert (off_grid.alpha, off_grid.value, off_grid.best) == (0.5, None, 0.8)
    assert "was not measured" in off_grid.sentence
    assert "alpha = 0.5 is not on the grid" in caplog.text
    two = VALIDATION + rows([1, 1, 1, 1, 1], name="val 2")
    assert select_alpha(two).dataset is None


def test_unknown_rule_has_a_suggestion():
    with pytest.raises(InputError, match="Did you mean 'validation_best'"):
        select_alpha(VALIDATION, "validation-best")


@pytest.mark.parametrize("rule", [name for name in RULES if RULES[name].needs_rows])
def test_test_sets_and_shifts_are_refused_unless_named(rule, caplog):
    with pytest.raises(InputError, match=r"none.*select_on=NAME.*sketch, test"):
        select_alpha(TEST + SHIFT, rule)
    with pytest.raises(InputError, match="chooses on a validation set"):
        select_alpha(rows([1, 2], name="sketch val", role="shift"), rule)
    with caplog.at_level(logging.WARNING):
        oracle = select_alpha(VALIDATION + TEST + SHIFT, rule, select_on="sketch")
    assert oracle.alpha == 0.25
    assert oracle.named
    assert not oracle.held_out
    assert "chosen ON sketch (test, shift)" in oracle.sentence
    assert "optimistic" in caplog.text


def test_constant_may_be_judged_on_a_test_set_without_a_warning(caplog):
    selection = select_alpha(TEST, select_on="test")
    assert selection.held_out
    assert selection.value == 0.1
    assert not caplog.text


def test_several_validation_sets_must_be_told_apart():
    both = VALIDATION + rows([9, 8, 7, 6, 5], name="val 2")
    with pytest.raises(InputError, match=r"several validation sets \(val, val 2\)"):
        select_alpha(both, "validation_best")
    assert select_alpha(both, "validation_best", select_on="val 2").alpha == 0


def test_unknown_dataset_and_mixed_splits():
    with pytest.raises(InputError, match=r"'skech'\. Did you mean 'sketch'"):
        select_alpha(SHIFT, "validation_best", select_on="skech")
    mixed = VALIDATION + rows([1, 2], name="val", split="test")
    with pytest.raises(InputError, match="several splits: test, validation"):
        select_alpha(mixed, "validation_best", select_on="val")


def test_rows_without_examples_and_other_metrics_do_not_choose():
    nothing = rows([0, 0], n=0)
    with pytest.raises(InputError, match="no labelled examples"):
        select_alpha(nothing, "validation_best")
    other = [{**row, "metric": "worst_region", "value": 1 - row["value"]} for row in VALIDATION]
    assert select_alpha(VALIDATION + other, "validation_best").alpha == 0.75


def test_direct_measurements_replace_those_of_the_curve():
    curve = rows([100, 0, 0, 0, 0], method="curve")
    assert select_alpha(VALIDATION + curve, "validation_best").alpha == 0.75


def test_point_is_a_fraction():
    assert Point(0.5, 3, 4).value == 0.75
