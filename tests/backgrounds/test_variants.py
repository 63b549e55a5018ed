import pytest

from wiseft_jax.backgrounds.variants import VARIANTS, variant_of
from wiseft_jax.core.errors import InputError


def test_there_are_the_eight_of_the_paper():
    assert len(VARIANTS) == 8
    assert [each.title for each in VARIANTS.values()][-3:] == [
        "Mixed-Same",
        "Mixed-Rand",
        "Mixed-Next",
    ]


@pytest.mark.parametrize("name", VARIANTS)
def test_what_each_holds_follows_from_its_name(name: str):
    variant = VARIANTS[name]
    assert variant.partner == name.startswith("mixed_")
    assert variant.foreground == (name in ("original", "only_fg") or variant.partner)
    assert (variant.located_by == "box") == name.startswith("only_bg")
    assert variant.title.lower().replace("-", "_") == name


def test_a_misspelt_variant_is_named():
    with pytest.raises(InputError, match="Did you mean 'mixed_rand'"):
        variant_of("mixed_random")
