from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.tiny_openclip import tiny_openclip_directory
from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.clip.canonical import canonical_template
from wiseft_jax.clip.load import config_settings, load_clip, published_config
from wiseft_jax.clip.openclip_names import openclip_place
from wiseft_jax.clip.openclip_shapes import settings_of_shapes
from wiseft_jax.clip.reading import AS_STORED, Reading
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths

GELU = Reading(activation="gelu")


class Shape:
    def __init__(self, *shape: int):
        self.shape = shape


def shapes(name: str) -> dict[str, Any]:
    found = {}
    for path, leaf in flatten_paths(canonical_template(published_config(name))).items():
        place, shape = openclip_place(path), leaf.shape
        if place.layout == "kernel":
            shape = (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape[::-1]
        found[place.name] = Shape(*(shape if place.third is None else (3 * shape[0], *shape[1:])))
    return found


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_published_size_is_known_from_its_shapes(name: str):
    activation = ARCHITECTURES[name].hidden_act
    reading = Reading(activation=activation)  # type: ignore[arg-type]
    settings = settings_of_shapes(shapes(name), "model.safetensors", reading)
    config = published_config(name)
    for tower in ("vision_config", "text_config"):
        expected = getattr(config, tower).to_dict()
        for key in set(settings[tower]) - {"bos_token_id", "eos_token_id", "pad_token_id"}:
            assert settings[tower][key] == expected[key], (tower, key)


def test_the_activation_is_told_by_the_name_or_refused(caplog: Any):
    caplog.set_level(logging.INFO)
    given = shapes("ViT-B/32")
    with pytest.raises(
        InputError,
        match=r"--activation beside --model, --model\.activation beside",
    ):
        settings_of_shapes(given, "vit_b_32-laion.safetensors", AS_STORED)
    found = settings_of_shapes(given, "a/vit_b_32-quickgelu-laion400m/w.safetensors", AS_STORED)
    assert found["text_config"]["hidden_act"] == "quick_gelu"
    assert "activation quick_gelu (by its name)" in caplog.text
    assert "the image tower (width 768, 12 layers) has 12 heads, as in ViT-B/32" in caplog.text


def test_an_image_tower_alone_takes_the_rest_from_its_base():
    base = config_settings(published_config("ViT-B/32"))
    visual = {key: each for key, each in shapes("ViT-B/16").items() if key.startswith("visual.")}
    found = settings_of_shapes(visual, "tower.safetensors", AS_STORED, base)
    assert found["text_config"] == base["text_config"]
    assert found["vision_config"]["patch_size"] == 16
    assert found["vision_config"]["hidden_act"] == "quick_gelu"
    with pytest.raises(
        InputError, match=r"token_embedding\.weight is missing.*--base beside --model"
    ):
        settings_of_shapes(visual, "tower.safetensors", GELU)


def test_sizes_that_cannot_be_told_are_refused(tmp_path: Path):
    directory = tiny_openclip_directory(tmp_path)
    (directory / "open_clip_config.json").unlink()
    with pytest.raises(InputError, match=r"image tower \(width 32, 2 layers\) is in no published"):
        load_clip(directory, reading=GELU)
    odd = {**shapes("ViT-B/32"), "visual.positional_embedding": Shape(51, 768)}
    with pytest.raises(InputError, match="51 rows; expected one more than a square"):
        settings_of_shapes(odd, "x.safetensors", GELU)
