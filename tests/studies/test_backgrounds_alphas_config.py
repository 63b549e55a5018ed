from __future__ import annotations

from typing import Any

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.studies.backgrounds_alphas_config import AlphasConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alphas", (0.0, 0.5, 0.25, 1.0)),
        ("alphas", (0.0, 0.5, 0.5, 1.0)),
        ("alphas", (0.0, 0.5)),
        ("alphas", (0.5, 1.0)),
        ("alphas", (0.0, float("nan"), 1.0)),
        ("alphas", (0.0, 1e-60, 1.0)),
        ("alphas", ()),
        ("pairing_seeds", 0),
        ("foregrounds", -1),
        ("backgrounds", 0),
        ("saliency_images", -1),
        ("limit", 0),
        ("bootstrap_samples", 0),
        ("epochs", 0),
        ("learning_rate", float("inf")),
        ("training_seed", -1),
    ],
)
def test_a_field_that_does_not_fit_is_named(field: str, value: Any):
    with pytest.raises(InputError, match=f"--{field.replace('_', '-')}: expected"):
        AlphasConfig(**{field: value})


def test_both_ends_are_found_beyond_which_alphas_may_go():
    assert AlphasConfig().end_places == (0, 10)
    assert AlphasConfig(alphas=(-0.5, 0.0, 0.3, 1.0, 1.5)).end_places == (1, 3)
