"""Numbers that make no sense are refused, with the field."""

from __future__ import annotations

from typing import Any

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.studies.looked_inside_config import FeaturesConfig, PlaneConfig


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (FeaturesConfig, {"images": 3}, "images: expected at least 4, found 3"),
        (FeaturesConfig, {"batch_size": 0}, "batch_size: expected at least 1"),
        (PlaneConfig, {"points": 1}, "points: expected at least 2, found 1"),
        (PlaneConfig, {"margin": -0.1}, r"plane\.margin: expected 0 to 10"),
        (PlaneConfig, {"seed": -1}, "seed: expected at least 0"),
    ],
)
def test_wrong_numbers_are_refused(kind: Any, fields: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        kind(**fields)


def test_the_settings_are_what_decides_points_and_images():
    assert PlaneConfig().settings() == {"images": 500, "points": 11, "margin": 0.25, "seed": 0}
