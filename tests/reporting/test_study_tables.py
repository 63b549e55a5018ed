"""The tables and sentences of the studies."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from wiseft_jax.reporting.study_tables import (
    coefficients_sentence,
    learned_table,
    missing_sentences,
    race_sentences,
    rules_table,
)


def printed(table: Any, width: int = 80) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return [line.split() for line in console.file.getvalue().splitlines()]


def words(lines: list[list[str]]) -> str:
    return " ".join(word for line in lines for word in line)


def compared(dataset: str, model: str, alpha: float | None, value: float, p: float | None) -> dict:
    return {
        "dataset": dataset,
        "model": model,
        "alpha": alpha,
        "value": value,
        "n": 1000,
        "p_value": None if p is None else p / 2,
        "p_holm": p,
    }


RACE = {
    "dataset": "sketch",
    "split": "test",
    "role": "shift",
    "held_out": False,
    "alpha": 0.6,
    "decided": True,
    "tolerance": 0.01,
    "left": [0.0, 0.6],
    "tied": [],
    "alphas": [0.0, 0.6, 1.0],
    "hits": 45,
    "seen": 50,
    "n": 100,
    "evaluations": 60,
    "share": 80 / 300,
    "full_sweep": 300,
    "forwards": 80,
    "stopped": "the budget was used",
    "guaranteed": ["this"],
    "empirical": ["that"],
}

LEARNED = {
    "config": {"granularity": "block", "objective": "cross_entropy"},
    "dataset": "validation",
    "held_out": True,
    "n": 500,
    "alphas": [0.0, 0.5, 1.0],
    "coefficients": {"block_0": 0.456, "head": 1.0},
    "reported_on": [
        {"dataset": "test", "split": "test", "role": "reference"},
        {"dataset": "[red]", "split": "test", "role": "shift"},
    ],
    "rows": [
        compared("test", "learned", None, 0.977, None),
        compared("[red]", "learned", None, 0.7, None),
        compared("test", "constant", 0.5, 0.971, 0.0494),
        compared("[red]", "constant", 0.5, 0.9, 1e-7),
        compared("test", "fine_tuned", 1.0, 0.977, 1.0),
        compared("[red]", "fine_tuned", 1.0, 0.71, 0.5),
    ],
}


def cost(rule: str, dataset: str, lost: float | None, missing: str = "") -> dict:
    role = "reference" if dataset == "test" else "shift"
    return {
        "rule": rule,
        "dataset": dataset,
        "split": "test",
        "role": role,
        "n": 1000,
        "points_lost": lost,
        "lost_low": None if lost is None else lost - 0.75,
        "lost_high": None if lost is None else lost + 1.5,
        "in_sample": rule == "oracle" or (rule, dataset) == ("constant", "sketch"),
        "missing": missing,
    }


RULES = {
    "method": "curve",
    "alphas": [0.0, 0.5, 1.0],
    "chosen_on": "validation",
    "rules": {"constant": {"bound": False}, "dawin": {"bound": False}, "oracle": {"bound": True}},
    "costs": [
        cost("constant", "test", 0.26),
        cost("dawin", "test", None, "missing: predictions of the target set at both ends"),
        cost("oracle", "test", 0.0),
        cost("constant", "sketch", 4.0),
        cost("dawin", "sketch", None, "missing: predictions of the target set at both ends"),
        cost("oracle", "sketch", -0.01),
    ],
    "mean_points_lost": {"constant": 4.0, "dawin": None, "oracle": 0.0},
    "mean_intervals": {"constant": [3.0, 5.0], "dawin": None, "oracle": [-0.01, 0.0]},
    "bootstrap": {"samples": 2000, "seed": 0, "confidence": 0.95},
}


def test_learned_coefficients_come_first_and_others_have_p_values_below():
    lines = printed(learned_table(LEARNED))
    assert ["learned", "groups", "97.7", "70.0"] in lines
    place = lines.index(["constant", "0.5", "97.1", "90.0"])
    assert lines[place + 1] == ["(.049)", "(<.001)"]
    assert ["(1.00)", "(.500)"] in lines
    assert ["model", "test", "[red]"] in lines
    assert ["ref.", "shift"] in lines
    assert "fitted on validation (n=500) by cross_entropy" in words(lines)
    assert "corrected for the 2 sets of a row (Holm); p_value in learned.json" in words(lines)


def test_of_several_shifts_the_mean_stands_first():
    (other,) = [
        each | {"dataset": "paint"} for each in LEARNED["reported_on"] if each["role"] == "shift"
    ]
    rows = [
        each | {"dataset": "paint", "value": each["value"] - 0.2}
        for each in LEARNED["rows"]
        if each["dataset"] == "[red]"
    ]
    facts = LEARNED | {
        "rows": [*LEARNED["rows"], *rows],
        "reported_on": [*LEARNED["reported_on"], other],
    }
    lines = printed(learned_table(facts), 100)
    assert ["learned", "groups", "60.0", "97.7", "70.0", "50.0"] in lines


def test_a_set_that_is_reported_on_too_was_halved():
    facts = LEARNED | {"held_out": False, "dataset": "sketch", "n": 8}
    assert "on half of sketch (n=8)" in words(printed(learned_table(facts)))


def test_many_coefficients_are_told_by_their_range():
    assert coefficients_sentence(LEARNED) == "coefficients: block_0 0.46, head 1.00"
    many = {"coefficients": {f"tensor_{index}": index / 30 for index in range(31)}}
    assert coefficients_sentence(many) == "coefficients: 31 groups, 0.00 to 1.00, mean 0.50"


def test_rules_show_points_lost_with_intervals_by_set_and_over_shifts():
    lines = printed(rules_table(RULES))
    place = lines.index(["constant", "0.3", "4.0*", "4.0*"])
    assert lines[place + 1] == ["-0.5..1.8", "3.2..5.5", "3.0..5.0"]
    assert ["dawin", "-", "-", "-"] in lines
    assert ["oracle", "(bound)", "0.0*", "0.0*", "0.0*"] in lines
    assert "3 alphas, method curve" in words(lines)
    assert "95 % intervals (paired bootstrap" in words(lines)
    assert "*: in sample, the rule saw labels of this very set" in words(lines)


def test_only_a_mean_with_a_set_that_chose_is_marked():
    costs = [each | {"in_sample": each["dataset"] == "test"} for each in RULES["costs"]]
    lines = printed(rules_table(RULES | {"costs": costs}))
    assert ["constant", "0.3*", "4.0", "4.0"] in lines


def test_what_is_missing_is_said_once():
    (line,) = missing_sentences(RULES)
    assert line == "dawin: missing: predictions of the target set at both ends"
    whole = [each for each in RULES["costs"] if not each["missing"]]
    assert missing_sentences(RULES | {"costs": whole}) == []


def test_a_race_is_told_with_its_cost_and_what_is_sure():
    first, second, *rest = race_sentences(RACE)
    within = "alpha = 0.6 is the best of 3, or less than 1 points behind the best, on sketch ("
    assert f"{within}test, n=100): 90.0 % of 50; it was" in first
    assert "optimistic" in first
    assert "80 with the padding of batches, 26.7 % of the 300 of a full sweep" in second
    assert "(60 without padding)" in second
    assert rest == ["guaranteed: this", "empirical: that"]
    assert "optimistic" not in race_sentences(RACE | {"held_out": True})[0]
    tie = race_sentences(RACE | {"decided": False, "tied": [0.0, 0.6]})[0]
    assert tie.startswith("undecided, a tie on sketch (test, n=100): the alphas 0, 0.6 are right")
    assert "saved nothing" in race_sentences(RACE | {"share": 1.0})[1]


def test_many_sets_are_cut_into_blocks_that_fit_and_no_word_is_broken():
    names = [f"distribution {index}" for index in range(6)]
    costs = [
        cost(rule, name, None if rule == "dawin" else 4.0)
        for name in names
        for rule in RULES["rules"]
    ]
    facts = RULES | {"costs": costs}
    whole, cut = (printed(rules_table(facts, width), 200) for width in (None, 50))
    assert whole.count(["distribution"] * 6) == 1
    assert [line for line in cut if "distribution" in line] == [["distribution"] * 2] * 3
    assert [line for line in cut if line[:1] == ["rule"] and "saw" not in line][-1] == [
        "rule",
        "4",
        "5",
        "mean",
    ]
    assert sum("rules for alpha" in " ".join(line) for line in cut) == 1
    assert sum("points below" in " ".join(line) for line in cut) == 1
    widest = Console(file=io.StringIO(), width=50)
    widest.print(rules_table(facts, 50))
    assert max(map(len, widest.file.getvalue().splitlines())) <= 50
    assert len(printed(rules_table(facts, 1), 200)) > len(cut)  # a set a block, at the least
