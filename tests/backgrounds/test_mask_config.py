"""Values of masks as a person says them."""

from __future__ import annotations

import pytest

from wiseft_jax.backgrounds.build_config import BuildConfig
from wiseft_jax.backgrounds.mask_config import MaskOptions
from wiseft_jax.core.errors import InputError


@pytest.mark.parametrize("options", [MaskOptions, BuildConfig])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mask_foreground": ("pet",)}, "--mask-foreground 'pet': expected a value or a range"),
        ({"mask_foreground": ("9-3",)}, "the lower value first"),
        ({"mask_foreground": ("1",), "mask_instances": True}, "not both"),
    ],
)
def test_wrong_values_are_refused(options: type[MaskOptions], fields: dict, message: str):
    with pytest.raises(InputError, match=message):
        options(**fields)


def test_values_are_ranges_with_both_ends():
    found = MaskOptions(mask_foreground=("1", "128-255")).foreground_values()
    assert found == ((1, 1), (128, 255))
