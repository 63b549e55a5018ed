from __future__ import annotations

import typing
from typing import Any

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.training.learn_config import (
    GRANULARITIES,
    OBJECTIVE_NAMES,
    STEP_EVERY,
    LearnAlphasConfig,
)
from wiseft_jax.training.objectives import OBJECTIVES
from wiseft_jax.weights.coefficients import GROUPINGS


def test_the_names_are_those_of_the_tables():
    hints = typing.get_type_hints(LearnAlphasConfig)
    assert GRANULARITIES == typing.get_args(hints["granularity"]) == tuple(GROUPINGS)
    assert OBJECTIVE_NAMES == typing.get_args(hints["objective"]) == tuple(OBJECTIVES)
    assert typing.get_args(hints["step_every"]) == STEP_EVERY


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("granularity", "layer", "unknown learning.granularity 'layer'"),
        ("objective", "entropi", "Did you mean 'entropy'"),
        ("step_every", "image", "unknown learning.step_every 'image'"),
        ("learning_rate", 0.0, "learning.learning_rate: expected a number > 0, found 0.0"),
        ("learning_rate", float("nan"), "learning.learning_rate"),
        ("epochs", 0, "learning.epochs: expected an integer >= 1, found 0"),
        ("batch_size", 0, "learning.batch_size"),
        ("init_alpha", float("inf"), "learning.init_alpha: expected a finite number"),
        ("init_alpha", 1.5, "learning.init_alpha: .* while clip is on, found 1.5"),
        ("penalty", -1.0, "learning.penalty: expected a number >= 0, found -1.0"),
        ("seed", -1, "learning.seed"),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_a_field_that_does_not_fit_is_named(field: str, value: Any, message: str):
    with pytest.raises(InputError, match=message):
        LearnAlphasConfig(**{field: value})


def test_without_clipping_the_start_may_extrapolate_and_integers_are_numbers():
    assert LearnAlphasConfig(init_alpha=1.5, clip=False).init_alpha == 1.5
    assert LearnAlphasConfig(init_alpha=1) == LearnAlphasConfig(init_alpha=1.0)
    assert isinstance(LearnAlphasConfig(penalty=2).penalty, float)
