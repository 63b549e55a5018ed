from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from flax.serialization import msgpack_serialize
from safetensors.numpy import load_file, save_file

from tests.helpers.tiny import tiny_clip, tiny_clip_directory, tiny_config, tiny_tensors
from wiseft_jax.clip.convert import to_hf
from wiseft_jax.clip.load import clip_module, config_settings, load_clip, read_config
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths

SIZES: dict[str, Any] = {"vision_layers": 1}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tiny_clip_directory(tmp_path / "model", **SIZES)


def edit_config(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    settings = json.loads((directory / "config.json").read_text())
    change(settings)
    (directory / "config.json").write_text(json.dumps(settings))


def assert_same_params(directory: Path, seed: int = 0) -> None:
    expected = tiny_tensors(tiny_config(**SIZES), seed)
    found = to_hf(load_clip(directory).params)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)


def as_flax(directory: Path) -> Any:
    return load_clip(directory).params


def to_plain_safetensors(directory: Path) -> None:
    save_file(load_file(directory / "model.safetensors"), directory / "model.safetensors")


def to_shards(directory: Path) -> None:
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    weight_map = {}
    for number, name in enumerate(sorted(tensors)):
        file = f"model-{number % 3 + 1:05}-of-00003.safetensors"
        weight_map[name] = file
    for file in set(weight_map.values()):
        save_file({n: t for n, t in tensors.items() if weight_map[n] == file}, directory / file)
    index = {"metadata": {}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def to_msgpack(directory: Path) -> None:
    params = as_flax(directory)
    (directory / "model.safetensors").unlink()
    (directory / "flax_model.msgpack").write_bytes(msgpack_serialize(params))


def to_flax_safetensors(directory: Path) -> None:
    leaves = flatten_paths(as_flax(directory))
    named = {name.replace("/", "."): leaf for name, leaf in leaves.items()}
    save_file(named, directory / "model.safetensors", {"format": "flax"})


def with_position_ids(directory: Path) -> None:
    tensors = load_file(directory / "model.safetensors")
    tensors["text_model.embeddings.position_ids"] = np.arange(32)[None]
    tensors["vision_model.embeddings.position_ids"] = np.arange(5)[None]
    save_file(tensors, directory / "model.safetensors")


@pytest.mark.parametrize(
    "rewrite",
    [to_plain_safetensors, to_shards, to_msgpack, to_flax_safetensors, with_position_ids],
)
def test_every_layout_gives_the_same_parameters(directory: Path, rewrite: Callable[[Path], None]):
    rewrite(directory)
    assert_same_params(directory)


def test_transformers_own_flax_files_are_read(directory: Path, tmp_path: Path):
    from transformers import CLIPConfig, FlaxCLIPModel

    config = CLIPConfig.from_pretrained(directory)
    clip_module(config)  # installs the filter of the deprecation line
    model = FlaxCLIPModel(config, _do_init=False)
    model.save_pretrained(tmp_path / "flax", params=as_flax(directory))
    for name in ("vocab.json", "merges.txt", "preprocessor_config.json"):
        (tmp_path / "flax" / name).write_bytes((directory / name).read_bytes())
    assert (tmp_path / "flax" / "flax_model.msgpack").exists()
    assert_same_params(tmp_path / "flax")


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_upcast(directory: Path, dtype: Any):
    tensors = load_file(directory / "model.safetensors")
    save_file({n: t.astype(dtype) for n, t in tensors.items()}, directory / "model.safetensors")
    for name, leaf in to_hf(load_clip(directory).params).items():
        assert leaf.dtype == np.float32
        np.testing.assert_array_equal(leaf, tensors[name].astype(dtype).astype(np.float32))


def test_parameters_are_float32_host_arrays_whatever_the_compute_dtype(directory: Path):
    clip = load_clip(directory, "bfloat16")
    assert clip.tower.dtype == "bfloat16"
    assert sorted(clip.params) == [
        "logit_scale",
        "text_model",
        "text_projection",
        "vision_model",
        "visual_projection",
    ]
    for leaf in flatten_paths(clip.params).values():
        assert type(leaf) is np.ndarray
        assert leaf.dtype == np.float32


def test_everything_comes_from_the_directory(directory: Path):
    clip = load_clip(str(directory))
    assert clip.source == str(directory)
    assert clip.preprocess.size == clip.config.vision_config.image_size == 16
    assert clip.tokenizer.context_length == 32


def test_the_fingerprint_follows_the_weights_alone(tmp_path: Path):
    first = tiny_clip(tmp_path / "a", **SIZES).fingerprint
    assert tiny_clip(tmp_path / "b", **SIZES).fingerprint == first
    assert tiny_clip(tmp_path / "c", seed=1, **SIZES).fingerprint != first


def test_loading_is_silent(directory: Path, caplog: pytest.LogCaptureFixture, capfd: Any):
    caplog.set_level(logging.INFO)
    load_clip(directory)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_the_deprecation_line_is_filtered_and_others_are_not(
    directory: Path, caplog: pytest.LogCaptureFixture
):
    clip_module(read_config(directory))
    logger = logging.getLogger("transformers.modeling_flax_utils")
    logger.propagate, before = True, logger.propagate
    caplog.set_level(logging.WARNING, logger.name)
    logger.warning("TensorFlow and JAX classes are deprecated and will be removed")
    logger.warning("something else")
    logger.propagate = before
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_written_configurations_are_read_back(directory: Path, tmp_path: Path):
    config = read_config(directory)
    (tmp_path / "config.json").write_text(json.dumps(config_settings(config)))
    again = read_config(tmp_path)
    for tower in ("text_config", "vision_config"):
        assert getattr(again, tower).to_dict() == getattr(config, tower).to_dict()
    assert again.projection_dim == config.projection_dim


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float16"}, r"unknown compute dtype 'float16'\. .* Known: bfloat16, float32"),
        ({"tower": "scam"}, r"unknown tower 'scam'\. Did you mean 'scan'\? Known: scan, transf"),
        ({"remat": "all"}, r"unknown remat 'all'\..* Known: dots, full, none"),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_an_unknown_option_is_refused(directory: Path, options: dict, message: str):
    with pytest.raises(InputError, match=message):
        load_clip(directory, **options)


def test_weights_of_another_size_are_listed(directory: Path):
    edit_config(directory, lambda s: s["vision_config"].update(num_hidden_layers=2))
    with pytest.raises(InputError, match=r"missing: vision_model\.encoder\.layers\.1"):
        load_clip(directory)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(model_type="siglip"), "model_type is 'siglip'; expected 'clip'"),
        (lambda s: s.pop("model_type"), "model_type is None"),
        (lambda s: s.update(model_type="clip_vision_model"), "one tower of a CLIP"),
        (lambda s: s.pop("text_config"), "expected objects 'text_config' and 'vision_config'"),
        (lambda s: s["text_config"].update(hidden_size="wide"), "no CLIP can be built from it"),
        (lambda s: s["text_config"].update(num_attention_heads=7), "no CLIP can be built from it"),
        (lambda s: s["vision_config"].update(hidden_act="nope"), "no CLIP can be built from it"),
        (lambda s: s["text_config"].update(id2label=3), "no CLIP can be built from it"),
        (lambda s: s["text_config"].update(eos_token_id=7), "pooled at the wrong token"),
    ],
)
def test_a_wrong_configuration_is_reported(
    directory: Path, change: Callable[[dict[str, Any]], Any], message: str
):
    edit_config(directory, change)
    with pytest.raises(InputError, match=message) as caught:
        load_clip(directory)
    assert str(directory) in str(caught.value)


@pytest.mark.parametrize(("content", "message"), [("{", "not JSON"), ("[]", "model_type is None")])
def test_a_broken_configuration_is_named(directory: Path, content: str, message: str):
    (directory / "config.json").write_text(content)
    with pytest.raises(InputError, match=rf"config\.json: {message}"):
        load_clip(directory)


def test_a_missing_configuration_is_named(directory: Path):
    (directory / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json: missing"):
        load_clip(directory)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"tokenizer has 544 tokens.*vocab_size is 500"):
        tiny_clip(tmp_path, vocabulary=500, **SIZES)


def test_legacy_pooling_with_a_wrong_end_token_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    directory = tiny_clip_directory(tmp_path, eos_token_id=2, vocabulary=545, **SIZES)
    vocabulary = json.loads((directory / "vocab.json").read_text())
    vocabulary["!!</w>"] = 544
    (directory / "vocab.json").write_text(json.dumps(vocabulary))
    with (directory / "merges.txt").open("a") as file:
        file.write("! !</w>\n")
    load_clip(directory)
    assert "pooled at their largest token id" in caplog.text
