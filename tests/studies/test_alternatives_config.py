"""Which models the study of alternatives trains, and what it refuses before anything runs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.studies.alternatives_config import (
    AlternativesConfig,
    base_config,
    models_to_train,
)
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.training.options import TrainOptions

CONFIG = AlternativesConfig(
    learning_rates=(0.1,), ema_decays=(0.9,), l2=(2.0,), distillation=(3.0,)
)


def experiment(**training: Any) -> ExperimentConfig:
    return ExperimentConfig(training=TrainConfig(learning_rate=1e-3, epochs=4, **training))


def test_each_alternative_differs_from_the_standard_fine_tuning_by_its_own_fields():
    base = base_config(experiment())
    found = models_to_train(CONFIG, base)
    assert [(each.method, each.value) for each in found] == [
        ("standard", None),
        ("ema", 0.9),
        ("l2_to_theta_0", 2.0),
        ("distillation", 3.0),
        ("learning_rate", 1e-4),
    ]
    standard, *others = (each.variation.config for each in found)
    assert standard.training.options == TrainOptions()
    assert [each.training.options for each in others] == [
        TrainOptions(ema_decay=0.9),
        TrainOptions(l2_to_theta_0=2.0),
        TrainOptions(distill_to_theta_0=3.0, distill_temperature=2.0),
        TrainOptions(),
    ]
    assert [each.training.learning_rate for each in others] == [1e-3] * 3 + [1e-4]
    assert len({each.variation.key for each in found}) == len(found)


def test_the_standard_one_alone_is_swept_with_logits_and_keeps_checkpoints():
    found = models_to_train(CONFIG, base_config(experiment()))
    standard, *others = (each.variation.config for each in found)
    assert standard.sweep.keep_logits == "ends"
    assert standard.sweep.method == "direct"
    assert (standard.training.eval_every_epochs, standard.checkpoints.keep_latest) == (0.5, 10)
    for each in others:
        assert (each.sweep.alphas, each.sweep.rule) == ((1.0,), "validation_best")
        assert each.checkpoints.keep_latest == 1


def test_the_number_of_early_stops_is_no_other_study():
    """It may change when a study goes on: the same run, by its key."""
    base = base_config(experiment())
    keys = {
        models_to_train(AlternativesConfig(early_stops=stops), base)[0].variation.key
        for stops in (0, 4)
    }
    assert len(keys) == 1


def test_a_recipe_that_reads_an_option_not_is_refused_with_the_list_to_leave_empty():
    base = base_config(experiment(recipe="flyp"))
    message = r"distill_to_theta_0: expected its default with .*; to leave .* out: --distillation$"
    with pytest.raises(InputError, match=message):
        models_to_train(CONFIG, base)
    without = dataclasses.replace(CONFIG, distillation=())
    assert "distillation" not in {each.method for each in models_to_train(without, base)}


def test_the_curve_needs_both_ends_and_the_middle():
    config = dataclasses.replace(experiment(), sweep=SweepConfig(alphas=(0.0, 1.0)))
    with pytest.raises(InputError, match=r"sweep.alphas: .* and 0.5 is missing"):
        base_config(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rates", (1.0,)),
        ("ema_decays", (0.0,)),
        ("l2", (0.1, 0.1)),
        ("distillation", (float("nan"),)),
        ("bernoulli_alphas", (0.0,)),
        ("early_stops", -1),
        ("bernoulli_draws", 0),
        ("seed", -1),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, value: Any):
    with pytest.raises(InputError, match=f"^{field}: expected .*, found "):
        AlternativesConfig(**{field: value})
