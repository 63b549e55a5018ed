"""OpenCLIP's checkpoints, compared with open_clip itself (golden files; see tests/golden)."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.helpers.tiny_openclip import (
    TEXTS,
    VARIANTS,
    shapes_digest,
    tensors_digest,
    tiny_openclip_directory,
)
from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.clip.canonical import canonical_template
from wiseft_jax.clip.convert import to_hf
from wiseft_jax.clip.load import Clip, load_clip, published_config, read_config
from wiseft_jax.clip.openclip import (
    from_openclip,
    openclip_config,
    openclip_preprocess,
    openclip_settings,
    to_openclip,
)
from wiseft_jax.clip.openclip_names import openclip_place
from wiseft_jax.clip.reading import AS_STORED, Reading
from wiseft_jax.clip.towers import normalise_pixels
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.trees import flatten_paths

GOLDEN = Path(__file__).parent.parent / "golden"
SIZES = json.loads((GOLDEN / "openclip_sizes.json").read_text())
WEIGHTS = "open_clip_model.safetensors"
TOLERANCE = 1e-4


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tiny_openclip_directory(tmp_path / "model", **VARIANTS["gelu"])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    path = tmp_path_factory.mktemp("openclip") / "model"
    return load_clip(tiny_openclip_directory(path, **VARIANTS["gelu"]))


@pytest.mark.parametrize("tower", ["transformers", "scan"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_features_are_those_of_openclip(variant: str, tower: str, tmp_path: Path):
    with np.load(GOLDEN / f"openclip_{variant}.npz", allow_pickle=False) as file:
        expected = {name: file[name] for name in file.files}
    directory = tiny_openclip_directory(tmp_path, **VARIANTS[variant])
    digest = tensors_digest(load_file(directory / WEIGHTS))
    assert digest == str(expected["weights_sha256"]), "not the golden's weights"
    clip = load_clip(directory, tower=tower)
    ids, mask = clip.tokenizer(TEXTS)
    for row, length in enumerate(mask.sum(1)):
        np.testing.assert_array_equal(ids[row, :length], expected["ids"][row, :length])
    assert len(set(mask.sum(1))) == 3

    @jax.jit
    def compute(params, images, ids, mask):
        pixels = normalise_pixels(images, clip.preprocess)
        return {
            "image_features": clip.tower.image_features(params, pixels),
            "text_features": clip.tower.text_features(params, ids, mask),
        }

    for name, value in compute(clip.params, expected["images"], ids, mask).items():
        difference = np.abs(np.asarray(value) - expected[name]).max()
        assert difference < TOLERANCE, (name, difference)
        assert np.abs(expected[name]).max() > 1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_names_and_shapes_of_a_published_size_are_openclips(name: str):
    leaves = flatten_paths(canonical_template(published_config(name)))
    shapes: dict[str, tuple[int, ...]] = {}
    for path, leaf in leaves.items():
        place, shape = openclip_place(path), leaf.shape
        if place.layout == "kernel":
            shape = (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape[::-1]
        shapes[place.name] = shape if place.third is None else (3 * shape[0], *shape[1:])
    assert len(shapes) == SIZES[name]["tensors"]
    assert shapes_digest(shapes) == SIZES[name]["sha256"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_openclips_configuration_of_a_published_size_is_read(name: str):
    settings = openclip_settings(SIZES[name]["model_cfg"], name, AS_STORED)
    config = published_config(name)
    for tower in ("vision_config", "text_config"):
        found, expected = settings[tower], getattr(config, tower).to_dict()
        differing = {key for key, value in found.items() if expected[key] != value}
        assert differing <= {"hidden_act", "bos_token_id", "eos_token_id", "pad_token_id"}
    assert settings["projection_dim"] == config.projection_dim
    assert settings["vision_config"]["hidden_act"] == "gelu"  # the file's, without -quickgelu


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_configuration_survives_the_round_trip(name: str):
    config, preprocess = published_config(name), Preprocess(ARCHITECTURES[name].image_size)
    preprocess = Preprocess(preprocess.size, preprocess.size)
    content = openclip_config(config, preprocess)
    again = openclip_settings(content["model_cfg"], name, AS_STORED)
    for tower in ("vision_config", "text_config"):
        theirs = getattr(config, tower).to_dict()
        for key in set(again[tower]) - {"bos_token_id", "eos_token_id", "pad_token_id"}:
            assert again[tower][key] == theirs[key], (tower, key)
    assert openclip_preprocess(content, preprocess.size, name) == preprocess


def test_the_round_trip_is_exact(clip: Clip, directory: Path):
    stored, written = load_file(directory / WEIGHTS), to_openclip(clip.params)
    assert written.keys() == stored.keys()
    for name, tensor in stored.items():
        np.testing.assert_array_equal(written[name], tensor, err_msg=name)
        assert written[name].flags.c_contiguous


def test_query_key_and_value_are_split_in_this_order(clip: Clip, directory: Path):
    fused = load_file(directory / WEIGHTS)["transformer.resblocks.0.attn.in_proj_weight"]
    attention = clip.params["text_model"]["encoder"]["layers"]["0"]["self_attn"]
    for index, name in enumerate(("q_proj", "k_proj", "v_proj")):
        rows = fused[24 * index : 24 * (index + 1)]
        np.testing.assert_array_equal(attention[name]["kernel"], rows.T)


def rewrite(directory: Path, change: Any) -> Path:
    tensors = change(load_file(directory / WEIGHTS))
    save_file(tensors, directory / WEIGHTS)
    return directory


def custom_text(tensors: dict[str, Any]) -> dict[str, Any]:
    text = ("token_", "positional", "transformer", "ln_final", "text_projection")
    return {f"text.{n}" if n.startswith(text) else n: t for n, t in tensors.items()}


@pytest.mark.parametrize(
    "change",
    [
        custom_text,
        lambda tensors: {f"module.{name}": tensor for name, tensor in tensors.items()},
        lambda tensors: {**tensors, "input_resolution": np.array(16), "attn_mask": np.zeros(2)},
    ],
)
def test_other_wrappings_of_the_same_names_are_read(directory: Path, clip: Clip, change: Any):
    assert load_clip(rewrite(directory, change)).fingerprint == clip.fingerprint


@pytest.mark.parametrize("file", [WEIGHTS, "model.safetensors"])
def test_a_file_or_a_directory_is_read(directory: Path, clip: Clip, file: str):
    (directory / WEIGHTS).rename(directory / file)
    assert load_clip(directory).fingerprint == clip.fingerprint
    found = load_clip(directory / file)
    assert found.fingerprint == clip.fingerprint
    assert found.preprocess == Preprocess(16, 16)
    assert read_config(directory).vision_config.to_dict() == clip.config.vision_config.to_dict()


def test_every_fault_is_listed_under_the_names_of_the_file(directory: Path):
    def damage(tensors: dict[str, Any]) -> dict[str, Any]:
        del tensors["visual.ln_pre.bias"]
        tensors["visual.transformer.resblocks.1.attn.in_proj_bias"] = np.zeros(4, np.float32)
        tensors["visual.conv1.weight"][0, 0, 0, 0] = np.nan
        return {**tensors, "logit_bias": np.zeros((), np.float32)}

    with pytest.raises(InputError) as caught:
        load_clip(rewrite(directory, damage))
    message = str(caught.value)
    assert "Check that weights and open_clip_config.json belong together." in message
    assert "missing: visual.ln_pre.bias;" in message
    assert "unknown: logit_bias;" in message
    assert "resblocks.1.attn.in_proj_bias (expected (96,), found (4,))" in message
    assert "not finite: visual.conv1.weight" in message


def test_what_is_allowed_may_be_missing_or_in_excess(directory: Path, caplog: Any):
    def less_and_more(tensors: dict[str, Any]) -> dict[str, Any]:
        del tensors["visual.ln_pre.bias"], tensors["visual.ln_pre.weight"]
        del tensors["visual.transformer.resblocks.0.attn.in_proj_bias"]
        return {**tensors, "logit_bias": np.zeros((), np.float32)}

    patterns = ("visual.ln_pre.*", "*.attn.in_proj_bias", "logit_bias")
    clip = load_clip(rewrite(directory, less_and_more), reading=Reading(allow_missing=patterns))
    vision = clip.params["vision_model"]
    np.testing.assert_array_equal(vision["pre_layrnorm"]["scale"], np.ones(32))
    np.testing.assert_array_equal(vision["pre_layrnorm"]["bias"], np.zeros(32))
    attention = vision["encoder"]["layers"]["0"]["self_attn"]
    assert not any(attention[name]["bias"].any() for name in ("q_proj", "k_proj", "v_proj"))
    assert "not read, as allowed: logit_bias" in caplog.text
    assert "missing, as allowed, and taken as 0 (biases) or 1 (scales): " in caplog.text


def test_weights_are_never_made_up(directory: Path):
    def without_projection(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: tensor for name, tensor in tensors.items() if name != "visual.proj"}

    reading = Reading(allow_missing=("*",))
    with pytest.raises(InputError, match=r"never made up, allowed or not \(visual\.proj\)"):
        load_clip(rewrite(directory, without_projection), reading=reading)


def test_the_activation_is_stated_and_can_be_overruled(directory: Path, caplog: Any):
    caplog.set_level(logging.INFO)
    assert load_clip(directory).config.vision_config.hidden_act == "gelu"
    assert "OpenCLIP's layout, activation gelu" in caplog.text
    other = load_clip(directory, reading=Reading(activation="quick_gelu"))
    assert other.config.text_config.hidden_act == "quick_gelu"
    assert "says gelu; quick_gelu is used, as asked for" in caplog.text


def edit_config(directory: Path, part: str, field: str, value: Any) -> None:
    path = directory / "open_clip_config.json"
    content = json.loads(path.read_text())
    section = content[part] if part != "model_cfg" else content["model_cfg"]
    section = section if "." not in field else section[field.split(".")[0]]
    section[field.split(".")[-1]] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("model_cfg", "vision_cfg.pool_type", "avg", r"vision_cfg\.pool_type = 'avg'"),
        ("model_cfg", "text_cfg.hf_model_name", "roberta", r"text_cfg\.hf_model_name = 'roberta'"),
        ("model_cfg", "vision_cfg.timm_model_name", "vit", r"vision_cfg\.timm_model_name = 'vit'"),
        ("model_cfg", "vision_cfg.ls_init_value", 1e-5, r"vision_cfg\.ls_init_value = 1e-05"),
        ("model_cfg", "vision_cfg.layers", [3, 4], "a ResNet"),
        ("model_cfg", "init_logit_bias", -10, "init_logit_bias = -10"),
        ("model_cfg", "embed_dim", "wide", "model_cfg can't be read"),
        ("model_cfg", "vision_cfg", None, "expected an object model_cfg.vision_cfg"),
        ("preprocess_cfg", "resize_mode", "squash", "resize_mode is 'squash'; only 'shortest'"),
        ("preprocess_cfg", "mean", [1], "mean and std: expected three numbers"),
    ],
)
def test_what_is_no_plain_clip_is_refused_by_name(
    directory: Path, part: str, field: str, value: Any, message: str
):
    edit_config(directory, part, field, value)
    with pytest.raises(InputError, match=message) as caught:
        load_clip(directory)
    assert "open_clip_config.json" in str(caught.value)


def test_options_without_effect_on_a_finished_model_are_accepted(directory: Path, clip: Clip):
    edit_config(directory, "model_cfg", "vision_cfg.patch_dropout", 0.5)
    edit_config(directory, "model_cfg", "text_cfg.pool_type", "argmax")
    assert load_clip(directory).fingerprint == clip.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "relu"}, r"hidden_act is \['gelu', 'relu'\]"),
        ({"layer_norm_eps": 1e-6}, "layer_norm_eps isn't 1e-5"),
    ],
)
def test_what_openclip_cannot_say_is_not_written(changes: dict[str, Any], message: str):
    config = published_config("ViT-H/14")
    config.vision_config.update(changes)
    with pytest.raises(InputError, match=message):
        openclip_config(config, Preprocess())
    with pytest.raises(InputError, match="resizes to the size that it crops"):
        openclip_config(published_config("ViT-H/14"), Preprocess(224, 256))


def test_a_part_of_a_clip_is_converted_alone(clip: Clip):
    side = {key: clip.params[key] for key in ("vision_model", "visual_projection")}
    template = jax.eval_shape(lambda tree: tree, side)
    again = from_openclip(to_openclip(side), template)
    found, expected = to_hf(again), to_hf(side)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)
