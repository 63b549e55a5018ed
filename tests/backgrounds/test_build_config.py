"""What a build is told: numbers, and what goes together."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiseft_jax.backgrounds.build_config import BuildConfig
from wiseft_jax.core.errors import InputError


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 1}, "--size: expected at least 2"),
        ({"split": "../val"}, "--split: expected a folder's name"),
        ({"seed": -1}, "--seed: expected 0 or more"),
        ({"max_box": 0.0}, "--max-box: expected a share"),
        ({"min_kept": 1.5}, "--min-kept: expected a share"),
        ({"mask_foreground": ("1",), "mask_instances": True}, "not both"),
    ],
)
def test_wrong_values_are_refused(fields: dict, message: str):
    with pytest.raises(InputError, match=message):
        BuildConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "--source: no images are named"),
        ({"source": "folder:a"}, "give --masks DIR or --boxes FILE:"),
        ({"source": "folder:a", "segment": "grabcut"}, "GrabCut starts from boxes"),
        ({"source": "folder:a", "masks": "m", "boxes": Path("b")}, "--masks or --boxes, not both"),
        ({"source": "folder:a", "masks": "m", "segment": "grabcut"}, "--masks or --segment"),
        ({"source": "folder:a", "boxes": Path("b"), "mask_instances": True}, "belong to --masks"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict, message: str):
    with pytest.raises(InputError, match=message):
        BuildConfig(**fields).check_given()


def test_ranges_and_parameters():
    config = BuildConfig("folder:a", masks="m", mask_foreground=("1", "128-255"))
    config.check_given()
    assert config.foreground_values() == ((1, 1), (128, 255))
    assert config.parameters()["mask_foreground"] == ["1", "128-255"]
    assert not {"source", "masks", "boxes", "data_dir"} & config.parameters().keys()
