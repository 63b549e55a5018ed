"""The table of rules: what each may see, and what each chooses, against formulas by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.softmax import softmax_entropy
from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.evaluation.rules import (
    ALL_RULES,
    NEEDS,
    Evidence,
    dawin_alphas,
    entropies,
    estimated_accuracy,
)
from wiseft_jax.evaluation.select import RULES, select_alpha

GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


def predictions(name, *, seed, n=80, split="test", role="shift", alphas=GRID, num_classes=4):
    """Draw logits that are linear in alpha; labels that both ends know something about."""
    rng = np.random.default_rng(seed)
    ends = 2 * rng.standard_normal((2, n, num_classes))
    labels = np.where(rng.random(n) < 0.6, ends[1].argmax(axis=1), ends[0].argmax(axis=1))
    labels[rng.random(n) < 0.1] = -1
    logits = np.stack([(1 - a) * ends[0] + a * ends[1] for a in alphas]).astype(np.float32)
    ordered = np.sort(logits, axis=-1)
    top1 = logits.argmax(axis=-1).astype(np.int32)
    return Predictions(
        dataset=name,
        split=split,
        role=role,
        alphas=alphas,
        top1=top1,
        correct=top1 == labels[None],
        margin=ordered[..., -1] - ordered[..., -2],
        labels=labels.astype(np.int32),
        ids=tuple(f"{name}[{i}]" for i in range(n)),
        logits=logits,
        entropy=np.stack([softmax_entropy(each) for each in logits]).astype(np.float32),
    )


def without_entropy(predictions):
    """Return what a version that stored no entropies would have, without logits."""
    return dataclasses.replace(predictions, entropy=None, logits=None)


def predict_at(target):
    """Return the classes at each example's own alpha, of linear logits."""
    z_0, z_1 = target.logits[0], target.logits[-1]
    return lambda alphas: (
        ((1 - alphas[:, None]) * z_0 + alphas[:, None] * z_1).argmax(axis=1).astype(np.int32)
    )


VALIDATION = predictions("val", seed=0, split="validation", role="reference")
TARGET = predictions("sketch", seed=1)
EVIDENCE = Evidence(TARGET, VALIDATION, predict_at(TARGET))
WITHOUT = {
    "validation": lambda evidence: dataclasses.replace(evidence, validation=None),
    "validation_entropy": lambda evidence: dataclasses.replace(
        evidence, validation=without_entropy(VALIDATION)
    ),
    "target_entropy": lambda evidence: dataclasses.replace(
        evidence, target=without_entropy(TARGET)
    ),
    "target_ends": lambda evidence: dataclasses.replace(
        evidence,
        target=dataclasses.replace(TARGET, alphas=(0.1, *GRID[1:])),  # no rule chooses it
        validation=dataclasses.replace(VALIDATION, alphas=(0.1, *GRID[1:])),
    ),
    "target_labels": lambda evidence: dataclasses.replace(
        evidence, target=dataclasses.replace(TARGET, labels=np.full_like(TARGET.labels, -1))
    ),
    "target_model": lambda evidence: dataclasses.replace(evidence, predict_at=None),
}


def outcome(name, evidence):
    rule = ALL_RULES[name]
    return rule.alpha(evidence) if rule.alpha else rule.correct(evidence).tolist()


@pytest.mark.parametrize("name", ALL_RULES)
def test_contract_of_every_rule(name):
    """A rule says what it does and needs; without a need it says what is missing."""
    rule = ALL_RULES[name]
    assert rule.summary
    assert not rule.summary.endswith(".")
    assert (rule.alpha is None) != (rule.correct is None)
    assert set(rule.needs) <= set(NEEDS)
    assert not rule.missing(EVIDENCE)
    found = outcome(name, EVIDENCE)
    if rule.alpha:
        assert found in GRID
    else:
        assert len(found) == len(TARGET)
    assert found == outcome(name, EVIDENCE)
    for need, take_away in WITHOUT.items():
        missing = rule.missing(take_away(EVIDENCE))
        if need in rule.needs:
            assert NEEDS[need] in missing
        elif not missing and rule.alpha:
            assert outcome(name, take_away(EVIDENCE)) == found


@pytest.mark.parametrize("name", [name for name, rule in ALL_RULES.items() if rule.alpha])
def test_no_rule_but_a_bound_reads_labels_of_the_target(name):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, len(TARGET)).astype(np.int32)
    other = dataclasses.replace(TARGET, labels=labels, correct=TARGET.top1 == labels[None])
    same = outcome(name, dataclasses.replace(EVIDENCE, target=other)) == outcome(name, EVIDENCE)
    assert same != ALL_RULES[name].is_bound


@pytest.mark.parametrize("name", ["dawin", "dawin_on_grid"])
def test_rules_by_example_choose_without_labels(name):
    """Another labelling is judged by the same predictions."""
    right = [
        outcome(
            name,
            dataclasses.replace(
                EVIDENCE,
                target=dataclasses.replace(
                    TARGET,
                    labels=np.full_like(TARGET.labels, label),
                    correct=TARGET.top1 == label,
                ),
            ),
        )
        for label in range(4)
    ]
    assert (np.array(right).sum(axis=0) == 1).all()


@pytest.mark.parametrize("name", RULES)
def test_rules_of_select_choose_the_same_here(name):
    rows = VALIDATION.rows()
    assert outcome(name, EVIDENCE) == select_alpha(rows, name).alpha


def test_no_two_rules_are_one():
    summaries = {rule.summary for rule in ALL_RULES.values()}
    assert len(summaries) == len(ALL_RULES)
    assert "smallest_within" not in ALL_RULES  # with its default it was smallest_within_one_point


def test_entropy_takes_the_surest_alpha():
    p = np.exp(TARGET.logits) / np.exp(TARGET.logits).sum(axis=-1, keepdims=True)
    mean = -(p * np.log(p)).sum(axis=-1).mean(axis=1)
    np.testing.assert_allclose(entropies(TARGET).mean(axis=1), mean, rtol=1e-5)
    assert outcome("entropy", EVIDENCE) == GRID[mean.argmin()]


def test_agreement_takes_the_alpha_that_the_others_agree_with():
    shares = [
        np.mean([np.mean(TARGET.top1[i] == TARGET.top1[j]) for j in range(5) if j != i])
        for i in range(5)
    ]
    assert outcome("agreement", EVIDENCE) == GRID[int(np.argmax(shares))]


@given(st.integers(0, 2**16), st.integers(1, 40))
def test_atc_is_calibrated_on_the_known_examples(seed, n):
    """On the known set itself the estimate is its accuracy; scores that rise raise it."""
    rng = np.random.default_rng(seed)
    scores, correct = rng.permutation(n) + rng.random(n), rng.random(n) < 0.7
    assert estimated_accuracy(scores, correct, scores) == pytest.approx(correct.mean())
    higher = estimated_accuracy(scores, correct, scores + 1.0)
    assert higher >= estimated_accuracy(scores, correct, scores)
    assert estimated_accuracy(scores, correct, scores - 2 * n) == 0.0


def test_atc_by_hand():
    known, correct = np.array([0.1, 0.2, 0.3, 0.4]), np.array([True, False, False, True])
    assert estimated_accuracy(known, correct, np.array([0.0, 0.25, 0.3, 0.5])) == 0.5


def test_atc_takes_the_alpha_of_the_best_estimate():
    estimates = []
    labelled = VALIDATION.labels >= 0
    for index in range(5):
        known = -softmax_entropy(VALIDATION.logits[index, labelled])
        error = 1 - VALIDATION.correct[index, labelled].mean()
        threshold = np.sort(known)[round(error * len(known))]
        assert np.mean(known < threshold) == pytest.approx(error)
        estimates.append(np.mean(-softmax_entropy(TARGET.logits[index]) >= threshold))
    assert outcome("atc", EVIDENCE) == GRID[int(np.argmax(estimates))]


def test_dawin_weighs_the_surer_end_more():
    weights = dawin_alphas(np.array([1.0, 0.1, 2.0]), np.array([1.0, 2.0, 0.1]))
    expected = [0.5, math.exp(-2) / (math.exp(-0.1) + math.exp(-2))]
    np.testing.assert_allclose(weights[:2], expected, rtol=1e-12)
    assert weights[2] == pytest.approx(1 - weights[1])
    asked = []

    def spy(alphas):
        asked.append(alphas)
        return TARGET.labels

    right = outcome("dawin", dataclasses.replace(EVIDENCE, predict_at=spy))
    ends = [softmax_entropy(TARGET.logits[index]) for index in (0, -1)]
    np.testing.assert_allclose(
        asked[0], np.exp(-ends[1]) / (np.exp(-ends[0]) + np.exp(-ends[1])), rtol=1e-6
    )
    assert right == (TARGET.labels >= 0).tolist()


def test_dawin_on_a_fine_grid_is_nearly_dawin():
    fine = predictions("sketch", seed=1, alphas=tuple(np.linspace(0, 1, 101).tolist()))
    evidence = Evidence(fine, predict_at=predict_at(fine))
    on_grid, exact = outcome("dawin_on_grid", evidence), outcome("dawin", evidence)
    assert np.mean(np.array(on_grid) == np.array(exact)) > 0.97


@pytest.mark.parametrize("name", ["dawin", "dawin_on_grid"])
def test_dawin_needs_the_ends(name):
    inner = predictions("sketch", seed=1, alphas=(0.25, 0.75))
    missing = ALL_RULES[name].missing(Evidence(inner, predict_at=predict_at(inner)))
    assert missing == "predictions of the target set at both ends (sweep alphas 0 and 1 too)"


@pytest.mark.parametrize("name", ALL_RULES)
def test_entropies_do_what_logits_do(name):
    """A rule reads stored entropies, and computes those that an older version didn't store."""
    stored, computed = (
        Evidence(
            *(dataclasses.replace(each, **{left_out: None}) for each in (TARGET, VALIDATION)),
            predict_at(TARGET),
        )
        for left_out in ("logits", "entropy")
    )
    assert not ALL_RULES[name].missing(stored)
    assert outcome(name, stored) == outcome(name, computed)


def test_stored_entropies_are_what_is_read():
    other = dataclasses.replace(TARGET, entropy=TARGET.entropy[::-1])
    np.testing.assert_array_equal(entropies(other), TARGET.entropy[::-1])
    assert outcome("entropy", dataclasses.replace(EVIDENCE, target=other)) == (
        1 - outcome("entropy", EVIDENCE)
    )


def test_oracles_are_bounds():
    labelled = TARGET.labels >= 0
    hits = TARGET.correct[:, labelled].sum(axis=1)
    assert outcome("oracle", EVIDENCE) == GRID[hits.argmax()]
    by_example = np.array(outcome("oracle_by_example", EVIDENCE))[labelled].sum()
    assert by_example >= hits.max()
    assert by_example == TARGET.correct[:, labelled].any(axis=0).sum()


def test_what_is_missing_is_an_error_too():
    with pytest.raises(InputError, match="labelled predictions of a validation set"):
        outcome("validation_best", Evidence(TARGET))
    with pytest.raises(InputError, match=r"sketch: its entropies are needed.*sweep again"):
        entropies(without_entropy(TARGET))
    other = predictions("val", seed=0, split="validation", role="reference", alphas=(0.0, 1.0))
    with pytest.raises(InputError, match="other alphas"):
        outcome("atc", Evidence(TARGET, other))
