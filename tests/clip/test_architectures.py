from __future__ import annotations

import pytest

from wiseft_jax.clip.architectures import (
    ARCHITECTURES,
    architecture_of,
    architecture_settings,
    find_architecture,
)
from wiseft_jax.clip.canonical import canonical_template
from wiseft_jax.clip.load import published_config
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import count_parameters

MILLIONS = {
    "ViT-B/32": 151.28,
    "ViT-B/16": 149.62,
    "ViT-L/14": 427.62,
    "ViT-L/14@336px": 427.94,
    "ViT-H/14": 986.11,
    "ViT-g/14": 1366.68,
    "ViT-bigG/14": 2539.57,
}
"""Parameters as open_clip's table of models (docs/model_profile.csv) gives them."""


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_has_the_published_number_of_parameters(name: str):
    found = count_parameters(canonical_template(published_config(name)))
    assert found / 1e6 == pytest.approx(MILLIONS[name], abs=0.005)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_is_whole_in_both_towers(name: str):
    sizes, config = ARCHITECTURES[name], published_config(name)
    assert architecture_of(config) == name
    for tower, known in ((config.vision_config, sizes.vision), (config.text_config, sizes.text)):
        assert tower.hidden_size % tower.num_attention_heads == 0
        assert tower.num_hidden_layers == known.layers
        assert tower.hidden_act == sizes.hidden_act
        assert tower.projection_dim == config.projection_dim == sizes.projection
    assert sizes.image_size % sizes.patch_size == 0


def test_a_hub_id_names_its_architecture_at_any_revision():
    found = architecture_settings("openai/clip-vit-base-patch16@main")
    assert found == architecture_settings("ViT-B/16")
    assert find_architecture("somebody/else") is None


def test_an_unknown_architecture_gets_a_suggestion():
    with pytest.raises(InputError, match=r"unknown architecture 'ViT-B/8'\. Did you mean 'ViT-B/"):
        architecture_settings("ViT-B/8")
