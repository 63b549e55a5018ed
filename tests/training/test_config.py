"""Configuration: every field is checked by name, and a plan says what a run will do."""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.config_io import config_hash, from_dict, to_dict
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.augmentation import AugmentationConfig
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.training.config import RESULT_NEUTRAL, TrainConfig, check_mixing
from wiseft_jax.training.recipes import RECIPES


def test_the_defaults_are_the_papers():
    config = TrainConfig()
    paper = (3e-5, 10, 512, 0.1, 500, 1.0)
    assert paper == (
        config.learning_rate,
        config.epochs,
        config.batch_size,
        config.weight_decay,
        config.warmup_steps,
        config.clip_norm,
    )
    plan = config.plan(1_281_167)
    assert (plan.total_steps, plan.warmup_steps) == (25_023, 500)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("epochs", 0.0),
        ("epochs", math.inf),
        ("batch_size", 0),
        ("weight_decay", -0.1),
        ("weight_decay", math.inf),
        ("warmup_steps", -1),
        ("warmup_fraction", 1.0),
        ("warmup_fraction", -0.1),
        ("clip_norm", 0.0),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("seed", -1),
        ("seed", 2**32),
        ("eval_every_epochs", 0.0),
        ("num_workers", -1),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, value: Any):
    with pytest.raises(InputError, match=rf"^training\.{field}: expected .*, found ") as info:
        TrainConfig(**{field: value})
    assert repr(value) in str(info.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weight_decay", 0.0),
        ("warmup_steps", 0),
        ("warmup_fraction", 0.0),
        ("clip_norm", None),
        ("eval_every_epochs", None),
        ("epochs", 0.25),
    ],
)
def test_an_edge_is_accepted(field: str, value: Any):
    assert getattr(TrainConfig(**{field: value}), field) == value


def test_an_unknown_recipe_gets_a_suggestion():
    with pytest.raises(InputError, match=r"training.recipe .*Did you mean 'linear_probe'"):
        from_dict(_Unchecked, {"recipe": "linear_prode"}, "x").build()


@dataclasses.dataclass(frozen=True)
class _Unchecked:
    """Stands for a configuration file, whose text the annotations of TrainConfig don't check."""

    recipe: str

    def build(self) -> TrainConfig:
        config = TrainConfig()
        object.__setattr__(config, "recipe", self.recipe)
        config.__post_init__()
        return config


def test_the_recipes_of_the_configuration_are_those_of_the_table():
    from wiseft_jax.training.config import RECIPE_NAMES

    assert tuple(RECIPES) == RECIPE_NAMES


def test_whole_numbers_and_floats_are_one_configuration():
    config = TrainConfig()
    object.__setattr__(config, "epochs", 10)
    object.__setattr__(config, "clip_norm", 1)
    config.__post_init__()
    assert config_hash(config) == config_hash(TrainConfig())


def test_round_trip_through_json():
    wide = AugmentationConfig(crop_scale=(0.5, 1.0))
    config = TrainConfig(warmup_fraction=0.1, augmentation=wide, clip_norm=None)
    assert from_dict(TrainConfig, to_dict(config), "x") == config


def test_result_neutral_fields_exist():
    assert set(RESULT_NEUTRAL) <= {field.name for field in dataclasses.fields(TrainConfig)}


@given(
    count=st.integers(1, 500),
    batch_size=st.integers(1, 600),
    epochs=st.sampled_from([0.1, 0.5, 1.0, 2.5, 3.0]),
    devices=st.sampled_from([1, 2, 8]),
    every=st.sampled_from([0.3, 0.5, 1.0, 2.0, None]),
)
def test_laws_of_a_plan(
    count: int, batch_size: int, epochs: float, devices: int, every: float | None
):
    config = TrainConfig(
        batch_size=batch_size, epochs=epochs, warmup_fraction=0.0, eval_every_epochs=every
    )
    plan = config.plan(count, devices)
    assert plan.batch_size % devices == 0
    assert plan.batch_size <= max(min(batch_size, count), devices)
    assert epochs - 1e-6 <= plan.epoch(plan.total_steps) <= epochs  # however full the last batch
    assert plan.total_steps == 1 or plan.epoch(plan.total_steps - 1) < epochs
    if every is None:
        assert plan.eval_steps == ()
    else:
        assert plan.eval_steps[-1] == plan.total_steps
        assert list(plan.eval_steps) == sorted(set(plan.eval_steps))
        assert plan.eval_steps[0] >= 1


def test_evaluations_fall_on_epochs():
    plan = TrainConfig(batch_size=10, epochs=3.0, warmup_steps=2).plan(100)
    assert plan.eval_steps == (10, 20, 30)
    plan = TrainConfig(batch_size=16, epochs=2.0, warmup_steps=2, eval_every_epochs=0.5).plan(100)
    assert plan.total_steps == 13
    assert plan.eval_steps == (4, 7, 10, 13)


def test_a_small_set_makes_a_small_batch(caplog: pytest.LogCaptureFixture):
    plan = TrainConfig(warmup_fraction=0.1).plan(60)
    assert (plan.batch_size, plan.total_steps) == (60, 10)
    assert "60 images, fewer than training.batch_size 512" in caplog.text


@pytest.mark.parametrize(
    ("count", "batch_size", "shared"), [(100, 30, 24), (100, 8, 8), (5, 32, 8), (100, 1, 8)]
)
def test_a_batch_is_split_evenly(
    caplog: pytest.LogCaptureFixture, count: int, batch_size: int, shared: int
):
    config = TrainConfig(batch_size=batch_size, warmup_fraction=0.1)
    assert config.plan(count, 8).batch_size == shared
    said = "split evenly over 8 devices" in caplog.text
    assert said == (min(batch_size, count) != shared)


def test_a_run_that_never_leaves_warm_up_is_said(caplog: pytest.LogCaptureFixture):
    config = TrainConfig(batch_size=10, epochs=1.0)
    assert config.plan(100).warmup_steps == 500
    assert "never leaves warm-up: 10 steps in all, 500 of warm-up" in caplog.text
    assert "only rises, to 6e-07" in caplog.text
    caplog.clear()
    assert dataclasses.replace(config, warmup_fraction=0.2).plan(100).warmup_steps == 2
    assert dataclasses.replace(config, warmup_steps=9).plan(100).warmup_steps == 9
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_an_empty_set_is_refused():
    with pytest.raises(InputError, match="training set is empty"):
        TrainConfig().plan(0)


def test_a_probe_refuses_augmentation() -> None:
    with pytest.raises(InputError, match=r"training\.augmentation: has no meaning"):
        TrainConfig(recipe="linear_probe", augmentation=AugmentationConfig(flip=0.5))


def test_mixing_that_is_off_for_the_whole_run_is_said(caplog: pytest.LogCaptureFixture) -> None:
    check_mixing(TrainConfig(epochs=2), MixingConfig("mixup", off_last_epochs=1))
    assert not caplog.text
    check_mixing(TrainConfig(epochs=2), MixingConfig("mixup", off_last_epochs=2))
    assert "nothing is mixed at all" in caplog.text
