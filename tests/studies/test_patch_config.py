"""The patch study's options: what is refused, and which models there are."""

from __future__ import annotations

from typing import Any

import pytest

from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.errors import InputError
from wiseft_jax.studies.patch_config import PatchConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixers": ()}, r"--mixers: expected some of none, cutout.*each once, found \(\)"),
        ({"mixers": ("cutmix", "cutmix")}, "--mixers: expected"),
        ({"families": ("vgg",)}, "--families: expected some of resnet, clip"),
        ({"seeds": 0}, "--seeds: expected an integer >= 1, found 0"),
        ({"epochs": 0}, "--epochs: expected a number > 0"),
        ({"epochs": float("inf")}, "--epochs"),
        ({"clip_learning_rate": -1.0}, "--clip-learning-rate"),
        ({"weight_decay": -0.1}, "--weight-decay"),
        ({"batch_size": 1}, "--batch-size: expected an integer >= 2"),
        ({"patch_size": 0}, "--patch-size"),
        ({"patch_seed": -1}, "--patch-seed"),
        ({"alphas": (0.0,)}, "--alphas: expected rising numbers from 0 to 1"),
        ({"alphas": (0.0, 0.5, 0.5, 1.0)}, "--alphas"),
        ({"alphas": (0.0, 0.5)}, "--alphas"),
        ({"alphas": ()}, "--alphas"),
        ({"bootstrap_samples": 0}, "--bootstrap-samples"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str, no_type_checks: None):
    with pytest.raises(InputError, match=message):
        PatchConfig(**options)


def test_whole_numbers_are_numbers():
    one, other = PatchConfig(epochs=3, weight_decay=0), PatchConfig(epochs=3.0, weight_decay=0.0)
    assert config_hash(one) == config_hash(other)


def test_cells_are_every_model_seed_by_seed():
    config = PatchConfig(mixers=("none", "cutmix"), seeds=2)
    assert [cell.name for cell in config.cells] == [
        "resnet-none-0",
        "resnet-cutmix-0",
        "clip-none-0",
        "clip-cutmix-0",
        "resnet-none-1",
        "resnet-cutmix-1",
        "clip-none-1",
        "clip-cutmix-1",
    ]
    assert config.cells[1].mixing.name == "cutmix"
