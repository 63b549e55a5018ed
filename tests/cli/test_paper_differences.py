"""What makes a run another experiment than a preset's, and what doesn't."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from wiseft_jax.cli.paper_differences import LEFT_OUT, NOTED, differences, notes
from wiseft_jax.cli.presets import all_presets
from wiseft_jax.core.config_io import to_dict
from wiseft_jax.experiment import ExperimentConfig

PRESET = all_presets()["imagenet/vit_b16"].load()
SHIFTS = PRESET.data.shifts


def changed(part: str, **fields: Any) -> ExperimentConfig:
    value = dataclasses.replace(getattr(PRESET, part), **fields)
    return dataclasses.replace(PRESET, **{part: value})


@pytest.mark.parametrize(
    ("part", "fields", "said"),
    [
        ("model", {"image_size": 384}, ["model.image_size is 384, the preset's is not given"]),
        ("model", {"templates": "simple"}, ["model.templates is simple, the preset's is imagenet"]),
        ("mixing", {"name": "cutmix"}, ["mixing.name is cutmix, the preset's is none"]),
        ("training", {"epochs": 1.0}, ["training.epochs is 1.0, the preset's is 10.0"]),
        (
            "training",
            {"augmentation": dataclasses.replace(PRESET.training.augmentation, flip=0.5)},
            ["training.augmentation.flip is 0.5, the preset's is 0.0"],
        ),
        (
            "data",
            {"validation_fraction": 0.5},
            ["data.validation_fraction is 0.5, the preset's is 0.01"],
        ),
        (
            "data",
            {"validation": "folder:/v"},
            [
                "data.validation is folder:/v, the preset's is not given",
                "data.validation_fraction is not given, the preset's is 0.01",
            ],
        ),
        (
            "data",
            {"test": "imagenet-val=folder:/x"},
            ["data.test is folder:/x, the preset's is published:imagenet:val"],
        ),
        (
            "data",
            {"shifts": ("objectnet-test=folder:/x",)},
            ["data.shifts: objectnet-test is folder:/x, the preset's is published:objectnet:test"],
        ),
    ],
)
def test_what_decides_a_number_is_said(part: str, fields: dict[str, Any], said: list[str]):
    assert sorted(differences(changed(part, **fields), PRESET)) == said


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("data", {"train": "published:imagenet:train@/data"}),
        ("data", {"test": "imagenet-val=published:imagenet:val@/data"}),
        ("data", {"shifts": tuple(f"{spec}@/data" for spec in reversed(SHIFTS))}),
        ("data", {"shifts": (*SHIFTS[1:], "folder:/mine")}),
        ("data", {"num_threads": 1, "data_dir": "/tfds", "test_fraction": 0.3}),
        ("model", {"tower": "transformers", "remat": "full", "image_size": 224}),
        ("training", {"seed": 3, "accumulation_steps": 2}),
        ("sweep", {"batch_size": 7}),
        ("data", {"matched_references": ()}),
        ("data", {"matched_references": ("published:imagenet-r-val-classes:val@/data",)}),
    ],
)
def test_what_decides_none_is_not(part: str, fields: dict[str, Any]):
    config = changed(part, **fields)
    assert config != PRESET
    assert differences(config, PRESET) == notes(config, PRESET) == []


def test_the_precision_is_a_note():
    config = changed("model", compute_dtype="float32")
    assert differences(config, PRESET) == []
    (note,) = notes(config, PRESET)
    assert note.startswith("model.compute_dtype is float32, the preset's is bfloat16")


def test_fields_that_are_left_out_exist():
    fields = to_dict(PRESET)
    for name in (*LEFT_OUT, *NOTED):
        part, _, field = name.partition(".")
        assert any(each.startswith(field) for each in fields[part]) if field else part in fields


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("/models/clip-vit-base-patch16", True),
        ("/hub/models--openai--clip-vit-base-patch16/snapshots/57c2", True),
        ("mine/clip-vit-base-patch16", False),
        ("/models/clip-vit-base-patch32", False),
        ("/models/clip-vit-base-patch16/finetuned", False),
    ],
)
def test_a_directory_that_is_called_as_the_model_is_a_note(name: str, same: bool):
    assert PRESET.model.name == "openai/clip-vit-base-patch16"
    config = changed("model", name=name)
    assert bool(differences(config, PRESET)) != same
    said = [f"model.name is {name}, taken for the preset's {PRESET.model.name} by its name"]
    assert notes(config, PRESET) == (said if same else [])


def test_steps_of_warm_up_that_a_fraction_overrides_are_no_difference():
    fraction = {"warmup_fraction": 0.1}
    assert differences(changed("training", **fraction), PRESET) == [
        "training.warmup_fraction is 0.1, the preset's is not given",
    ]
    other = changed("training", warmup_steps=7, **fraction)
    assert differences(other, changed("training", **fraction)) == []
