"""Which kind of checkpoint is found; image towers alone, as people publish them, on a base."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.helpers.tiny import tiny_clip_directory
from tests.helpers.tiny_openclip import tiny_openclip_directory
from wiseft_jax.clip.checkpoint_format import find_checkpoint
from wiseft_jax.clip.convert import to_hf
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.reading import Reading
from wiseft_jax.core.errors import InputError

SIZES: dict[str, Any] = {"vision_layers": 1}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny_clip_directory(tmp_path / "base", seed=7, **SIZES)


def vision_directory(path: Path, projection: bool, **sizes: int) -> Path:
    """Write what ``CLIPVisionModel(WithProjection).save_pretrained`` writes."""
    whole = tiny_clip_directory(path.with_name("whole"), **{**SIZES, **sizes})
    kept = ("vision_model.", "visual_projection.") if projection else ("vision_model.",)
    tensors = load_file(whole / "model.safetensors")
    path.mkdir()
    kept_tensors = {name: tensor for name, tensor in tensors.items() if name.startswith(kept)}
    save_file(kept_tensors, path / "model.safetensors", {"format": "pt"})
    settings = json.loads((whole / "config.json").read_text())["vision_config"]
    (path / "config.json").write_text(json.dumps({**settings, "model_type": "clip_vision_model"}))
    return path


@pytest.mark.parametrize("projection", [True, False])
def test_an_image_tower_goes_on_its_base(projection: bool, base: Path, tmp_path: Path, caplog: Any):
    caplog.set_level(logging.INFO)
    directory = vision_directory(tmp_path / "tower", projection)
    clip = load_clip(directory, reading=Reading(base=str(base)))
    found = to_hf(clip.params)
    own, theirs = (load_file(d / "model.safetensors") for d in (directory, base))
    assert found.keys() == theirs.keys()
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor, own.get(name, theirs[name]), err_msg=name)
    assert ("has no projection; the base's is used" in caplog.text) is not projection
    assert "no preprocessor_config.json; the base's holds" in caplog.text
    assert clip.tokenizer.fingerprint == load_clip(base).tokenizer.fingerprint


def test_a_tower_without_its_base_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"one tower of a CLIP.*--model\.base"):
        load_clip(vision_directory(tmp_path / "tower", False))


def test_a_tower_of_another_width_does_not_fit_the_bases_projection(base: Path, tmp_path: Path):
    directory = vision_directory(tmp_path / "tower", False, vision_width=48)
    with pytest.raises(InputError, match=r"the base's visual_projection/kernel is \(32, 16\)"):
        load_clip(directory, reading=Reading(base=str(base)))


def test_of_a_whole_clip_on_a_base_the_image_side_is_read(base: Path, tmp_path: Path):
    directory = tiny_clip_directory(tmp_path / "whole", **SIZES)
    found = to_hf(load_clip(directory, reading=Reading(base=str(base))).params)
    own, theirs = (load_file(d / "model.safetensors") for d in (directory, base))
    for name, tensor in found.items():
        expected = own if name.startswith("vis") else theirs
        np.testing.assert_array_equal(tensor, expected[name], err_msg=name)


def test_the_kind_is_told_by_the_files(base: Path, tmp_path: Path):
    openclip = tiny_openclip_directory(tmp_path / "openclip")
    assert find_checkpoint(base).format == "clip"
    assert find_checkpoint(base / "model.safetensors").format == "clip"
    assert find_checkpoint(openclip).format == "openclip"
    assert find_checkpoint(openclip / "open_clip_model.safetensors").format == "openclip"
    assert find_checkpoint(vision_directory(tmp_path / "tower", True)).format == "vision"
    for name in ("config.json", "model.safetensors"):
        (openclip / name).write_bytes((base / name).read_bytes())
    assert find_checkpoint(openclip).format == "clip"  # both lie there, as in LAION's repositories


def test_a_file_without_its_configuration_is_refused(base: Path):
    (base / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json: missing; it describes model\.safetensors"):
        find_checkpoint(base / "model.safetensors")
