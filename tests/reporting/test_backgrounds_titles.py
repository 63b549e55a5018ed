from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.reporting.backgrounds_titles import VARIANT_TITLES


def test_titles_are_those_of_the_variants_in_their_order():
    assert list(VARIANT_TITLES.items()) == [(name, each.title) for name, each in VARIANTS.items()]
