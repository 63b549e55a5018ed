"""What is said of a race of models: who is left, when the others left, what is sure."""

from __future__ import annotations

import numpy as np

from wiseft_jax.evaluation.packing import Packing
from wiseft_jax.evaluation.race_config import ModelRaceConfig
from wiseft_jax.evaluation.race_facts import model_race_facts, race_facts
from wiseft_jax.evaluation.racing import race, random_order, replay

NAMES = ("runs/a", "runs/b", "runs/c")


def facts_of(rates: tuple[float, ...], racing: ModelRaceConfig, **options) -> dict:
    drawn = np.random.default_rng(0).random(400)
    shift = np.arange(len(rates))[:, None] * 30  # models of one rate are equally good
    right = np.take(drawn, np.arange(400) + shift, mode="wrap") < np.array(rates)[:, None]
    evaluate = replay(right, options.pop("packing", None))
    result = race(evaluate, len(rates), random_order(400), racing.build())
    return model_race_facts(result, NAMES, racing.build(), **options)


def test_a_race_that_one_model_wins():
    facts = facts_of((0.3, 0.9, 0.6), ModelRaceConfig(confidence=0.9), shown=["a", "b", "c"])
    assert (facts["winner"], facts["left"]) == ("runs/b", ["runs/b"])
    assert facts["stopped"] == "one model was left"
    assert [each["winner"] for each in facts["models"]] == [False, True, False]
    assert [each["left"] for each in facts["models"]] == [False, True, False]
    seen = [each["seen"] for each in facts["models"]]
    assert seen[0] <= seen[2] == seen[1] < 400
    assert facts["evaluations"] == sum(seen) == facts["forwards"]
    assert facts["share"] == sum(seen) / facts["all_forwards"]
    sure = "with a probability of at least 90 % the most accurate model on all 400 images is b"
    counted = f"the winner's {facts['hits']} right of {seen[1]} are counted"
    assert facts["guaranteed"] == [sure, counted]
    assert facts["empirical"] == []


def test_a_race_that_several_survive():
    facts = facts_of((0.3, 0.8, 0.8), ModelRaceConfig())
    assert facts["left"] == ["runs/b", "runs/c"]
    assert facts["stopped"] == "all images were seen"
    assert "is among runs/b, runs/c" in facts["guaranteed"][0]
    said = "the winner is the most accurate of the 2 left on the 400 images seen"
    assert facts["empirical"] == [said]


def test_tolerance_and_budget_are_told():
    facts = facts_of((0.2, 0.8, 0.8), ModelRaceConfig(tolerance=0.3))
    assert facts["stopped"] == "within tolerance"
    assert facts["guaranteed"][1].endswith("the winner is less than 30 points below it")
    facts = facts_of((0.8, 0.8, 0.8), ModelRaceConfig(budget=0.5))
    assert facts["stopped"] == "the budget was used"
    assert facts["share"] <= 0.5
    tight = ModelRaceConfig(budget=0.01, batch_size=2)
    facts = facts_of((0.8, 0.8, 0.8), tight, packing=Packing((64,)))
    assert "the budget of 1 % was passed" in " ".join(facts["empirical"])


def test_nothing_is_said_of_what_was_filled_in():
    right = np.random.default_rng(0).random((3, 200)) < 0.5
    racing = ModelRaceConfig().build()
    result = race(replay(right), 3, random_order(200), racing)
    said = str(model_race_facts(result, NAMES, racing)) + str(race_facts(result, [0, 1, 2], racing))
    assert "filled in" not in said
