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
    sure = "with a probability of at least 90 % the most accurate model on these 400 images is b"
    counted = f"b was run on all {seen[1]} images that the race looked at (of 400) and is right on "
    assert facts["guaranteed"] == [sure, f"{counted}{facts['hits']}"]
    assert (facts["decided"], facts["leader"], facts["tied"]) == (True, "runs/b", [])
    assert facts["hits_counted"]
    assert facts["empirical"] == []


def test_a_race_that_several_survive():
    facts = facts_of((0.3, 0.8, 0.8), ModelRaceConfig())
    assert facts["left"] == ["runs/b", "runs/c"]
    assert facts["stopped"] == "all images were seen"
    assert "is among runs/b, runs/c" in facts["guaranteed"][0]
    # One image decides on a whole set, so both are right on as many: nobody won.
    assert (facts["decided"], facts["winner"], facts["tied"]) == (False, None, facts["left"])
    assert not any(each["winner"] for each in facts["models"])
    said = "2 of the 2 left have equally many right on the 400 images seen; runs/b is the first of"
    assert facts["empirical"] == [f"{said} them"]


def test_a_lead_is_no_victory():
    facts = facts_of((0.8, 0.8, 0.75), ModelRaceConfig(budget=0.5))
    assert (facts["decided"], facts["winner"]) == (False, None)
    most = max(each["hits"] for each in facts["models"])
    leaders = [each["model"] for each in facts["models"] if each["hits"] == most]
    assert (facts["leader"], facts["hits"]) == (leaders[0], most)
    assert facts["tied"] == (leaders if len(leaders) > 1 else [])


def test_tolerance_and_budget_are_told():
    facts = facts_of((0.2, 0.8, 0.8), ModelRaceConfig(tolerance=0.3))
    assert facts["stopped"] == "within tolerance"
    said = "runs/b is that one, or less than 30 points of accuracy behind it"
    assert facts["guaranteed"][1].endswith(said)
    assert (facts["decided"], facts["winner"]) == (True, "runs/b")
    facts = facts_of((0.8, 0.8, 0.8), ModelRaceConfig(budget=0.5))
    assert facts["stopped"] == "the budget was used"
    assert facts["share"] <= 0.5


def test_a_budget_below_the_first_batch_is_passed_with_what_would_keep_it():
    tight = ModelRaceConfig(budget=0.05)
    facts = facts_of((0.8, 0.8, 0.8), tight, packing=Packing((64,)))
    assert [each["seen"] for each in facts["models"]] == [64] * 3
    assert facts["forwards"] == 3 * 64
    said = facts["empirical"][-1]
    assert "the budget of 5 % was passed: the first batch alone takes 16.0 %" in said
    assert said.endswith("give --racing.budget 0.16 or more, or --racing.batch-size 20 or less")
    kept = ModelRaceConfig(budget=0.16)
    assert facts_of((0.8, 0.8, 0.8), kept, packing=Packing((64,)))["share"] == 0.16
    small = ModelRaceConfig(budget=0.05, batch_size=20)
    assert facts_of((0.8, 0.8, 0.8), small, packing=Packing((20,)))["share"] == 0.05


def test_nothing_is_said_of_what_was_filled_in():
    right = np.random.default_rng(0).random((3, 200)) < 0.5
    racing = ModelRaceConfig().build()
    result = race(replay(right), 3, random_order(200), racing)
    said = str(model_race_facts(result, NAMES, racing)) + str(race_facts(result, [0, 1, 2], racing))
    assert "filled in" not in said
