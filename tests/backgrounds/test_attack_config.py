"""The attack's options: what is refused."""

from __future__ import annotations

import math

import pytest

from wiseft_jax.backgrounds.attack_config import AttackConfig
from wiseft_jax.core.errors import InputError


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("foregrounds", 0, "--foregrounds: expected an integer >= 1, found 0"),
        ("backgrounds", -3, "--backgrounds: expected an integer >= 1, found -3"),
        ("chunk_foregrounds", 65, "--chunk-foregrounds: expected at most 64, found 65"),
        ("chunk_backgrounds", 0, "--chunk-backgrounds: expected an integer >= 1"),
        ("seed", -1, "--seed: expected an integer >= 0, found -1"),
        ("save_every_secs", math.inf, "--save-every-secs: expected a number >= 0, found inf"),
        ("save_every_secs", -1.0, "--save-every-secs: expected a number >= 0, found -1.0"),
    ],
)
def test_wrong_numbers_are_refused(field: str, value: float, said: str):
    with pytest.raises(InputError, match=said):
        AttackConfig(**{field: value})
