from __future__ import annotations

import pytest

from tests.clip.conftest import Towers
from tests.clip.parity import shallow_config
from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.clip.canonical import canonical_template
from wiseft_jax.clip.load import make_tower
from wiseft_jax.core.trees import flatten_paths


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_template_is_that_of_transformers_own_modules(name: str):
    config = shallow_config(name)
    expected = flatten_paths(make_tower(config, tower="transformers").template())
    assert flatten_paths(canonical_template(config)) == expected


def test_loaded_parameters_fit_the_template(towers: Towers):
    shapes = flatten_paths(canonical_template(towers.clip.config))
    found = flatten_paths(towers.clip.params)
    assert {path: leaf.shape for path, leaf in found.items()} == {
        path: leaf.shape for path, leaf in shapes.items()
    }


def test_heads_that_do_not_divide_the_width_are_refused():
    config = shallow_config("ViT-B/32")
    config.text_config.num_attention_heads = 7
    with pytest.raises(ValueError, match="512 can't be split into 7 heads"):
        canonical_template(config)
