"""What the train-on x test-on study trains: its models in order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError
from wiseft_jax.studies.backgrounds_train_config import (
    START,
    Cell,
    MatrixConfig,
    ResNetOptimizer,
)
from wiseft_jax.training.sgd_config import SgdConfig


def test_models_come_seed_by_seed_and_what_is_there_first():
    config = MatrixConfig(
        families=("resnet", "clip"), train_on=("original", "no_fg"), seeds=2, resnet="r50"
    )
    cells = config.cells(("in9l",))
    assert cells[:2] == (Cell("resnet", START, 0), Cell("clip", START, 0))
    assert [cell.name for cell in cells[2:8]] == [
        "resnet-original-0",
        "resnet-no_fg-0",
        "resnet-in9l-0",
        "clip-original-0",
        "clip-no_fg-0",
        "clip-in9l-0",
    ]
    assert [cell.seed for cell in cells[8:]] == [1] * 6


def test_random_weights_are_not_tested_as_they_are():
    assert {cell.train_on for cell in MatrixConfig(families=("resnet",)).cells()} == set(VARIANTS)


def test_models_of_a_kind_differ_in_images_and_seed_alone():
    config = MatrixConfig(recipe="lp_ft", clip_learning_rate=1e-4)
    one, other = (config.training(Cell("clip", name, 3)) for name in ("original", "no_fg"))
    assert one == other
    assert (one.recipe, one.learning_rate, one.seed) == ("lp_ft", 1e-4, 3)
    resnet = config.training(Cell("resnet", "original", 0))
    assert (resnet.recipe, resnet.learning_rate) == ("end_to_end", 3e-3)
    assert config.resnet_optimizer.sgd is None


def test_the_papers_optimizer_is_of_the_resnets_alone():
    optimizer = ResNetOptimizer("sgd", learning_rate=0.1)
    config = MatrixConfig(epochs=200, batch_size=256, weight_decay=1e-4, resnet_optimizer=optimizer)
    resnet, clip = (config.training(Cell(name, "original", 0)) for name in ("resnet", "clip"))
    sgd = SgdConfig(momentum=0.9, drop_every_epochs=50, drop_factor=0.1)
    assert optimizer.sgd == sgd
    assert (resnet.learning_rate, resnet.clip_norm, resnet.warmup_fraction) == (0.1, None, 0)
    assert (clip.learning_rate, clip.clip_norm, clip.warmup_fraction) == (1e-3, 1.0, 0.1)
    plan = resnet.plan(2560)
    assert sgd.drop_steps(2560, 256, plan.total_steps) == (500, 1000, 1500)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0}, "--resnet-optimizer.learning-rate: expected a number > 0, found 0"),
        ({"momentum": 0.5}, "--resnet-optimizer.momentum: is of SGD; give --resnet-optimizer.name"),
        ({"name": "sgd", "momentum": 1}, "momentum: expected a number in"),
    ],
)
def test_an_optimizer_that_does_not_fit_is_named(options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        ResNetOptimizer(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"families": ()}, "--families: expected some of resnet, clip"),
        ({"train_on": ("mixed",)}, "--train-on: expected some of original"),
        ({"test_on": ("original", "original")}, "--test-on: expected some of original"),
        ({"seeds": 0}, "--seeds: expected an integer >= 1, found 0"),
        ({"epochs": 0}, "--epochs: expected a number > 0"),
        ({"weight_decay": -1.0}, "--weight-decay: expected a number >= 0"),
        ({"batch_size": 0}, "--batch-size: expected an integer >= 1"),
    ],
)
def test_what_does_not_fit_is_named(options: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        MatrixConfig(**options)  # type: ignore[arg-type]
