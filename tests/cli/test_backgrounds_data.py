"""One set of options says which images: the same names for every part that takes them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.cli.backgrounds_attack import AttackArgs
from wiseft_jax.cli.backgrounds_data import (
    AttackDataOptions,
    DataOptions,
    LimitedDataOptions,
    open_data,
)
from wiseft_jax.cli.backgrounds_evaluate import EvaluateArgs
from wiseft_jax.cli.backgrounds_show import ShowArgs
from wiseft_jax.core.errors import InputError


@pytest.mark.parametrize("args", [AttackArgs, EvaluateArgs, ShowArgs])
def test_every_part_has_the_same_options(args: type):
    (data,) = (field for field in dataclasses.fields(args) if field.name == "data")
    assert isinstance(data.default, DataOptions)
    own = {field.name for field in dataclasses.fields(args)} - {"data"}
    assert not own & {field.name for field in dataclasses.fields(AttackDataOptions)}
    assert not own & {field.name for field in dataclasses.fields(LimitedDataOptions)}


def test_the_miniature_has_its_splits_and_seeds():
    test, validation = (
        open_data(DataOptions(demo=True), split) for split in ("test", "validation")
    )
    other = open_data(DataOptions(demo=True, demo_seed=1))
    assert isinstance(test, MaskedImages)
    assert isinstance(validation, MaskedImages)
    assert isinstance(other, MaskedImages)
    assert (len(test), len(validation)) == (1000, 500)
    assert not np.array_equal(test.images, other.images)


@pytest.mark.parametrize(
    ("options", "fields", "message"),
    [
        (DataOptions, {"data": Path("x"), "demo": True}, "found both"),
        (DataOptions, {"demo_seed": 1}, "have no meaning without --demo"),
        (DataOptions, {"demo": True, "split": "train"}, "no meaning without --data"),
        (LimitedDataOptions, {"demo": True, "limit": 0}, "--limit: expected at least 1"),
        (LimitedDataOptions, {"demo_seed": 1}, "have no meaning without --demo"),
        (AttackDataOptions, {"data": Path("x"), "demo_split": "validation"}, "--demo-split"),
        (AttackDataOptions, {"data": Path("x"), "demo": True}, "found both"),
    ],
)
def test_what_excludes_what(options: type[DataOptions], fields: dict, message: str):
    with pytest.raises(InputError, match=message):
        options(**fields)
