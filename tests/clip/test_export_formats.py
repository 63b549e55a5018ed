"""Every layout that a model is written in, written and read back: tests over the table."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.helpers.tiny import tiny_clip_directory, tiny_images
from tests.helpers.tiny_openclip import tiny_openclip_directory
from wiseft_jax.cli.export import ExportArgs
from wiseft_jax.clip import export
from wiseft_jax.clip.classifier import Classifier, zero_shot_classifier
from wiseft_jax.clip.export import export_classifier, load_classifier, read_facts
from wiseft_jax.clip.export_formats import EXPORT_FORMATS, formats_table
from wiseft_jax.clip.load import Clip, load_clip
from wiseft_jax.clip.openclip import to_openclip
from wiseft_jax.clip.reading import Reading
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.tensors import read_tensors
from wiseft_jax.core.trees import flatten_paths

NAMES = ("red circle", "blue square", "x")


@pytest.fixture(scope="module")
def pair(clip: Clip) -> tuple[Classifier, Any]:
    classifier, theta = zero_shot_classifier(clip, NAMES, ["a {}"])
    theta = jax.tree_util.tree_map(lambda leaf: np.float32(0.9) * leaf, theta)
    theta["head"]["bias"] = np.float32([3, -2, 1])
    return classifier, theta


@pytest.fixture(scope="module", params=EXPORT_FORMATS)
def exported(
    request: Any, pair: tuple[Classifier, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    place = tmp_path_factory.mktemp(request.param) / "out"
    return request.param, export_classifier(place, *pair, alpha=0.5, format=request.param)


def reading_of(format: str, clip_directory: Path) -> Reading:
    return Reading(base=str(clip_directory)) if format == "vision" else Reading()


def test_what_is_written_is_read_back_bit_for_bit(
    exported: tuple[str, Path], pair: tuple[Classifier, Any], clip_directory: Path
):
    format, path = exported
    again, theta = load_classifier(path, reading=reading_of(format, clip_directory))
    found, expected = (flatten_paths(tree) for tree in (theta, pair[1]))
    assert found.keys() == expected.keys()
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)
    for name, leaf in flatten_paths(pair[0].frozen).items():
        np.testing.assert_array_equal(flatten_paths(again.frozen)[name], leaf, err_msg=name)
    assert again.preprocess == pair[0].preprocess
    assert again.class_names == NAMES
    ids, expected_ids = again.tokenizer(["a red x"])[0], pair[0].tokenizer(["a red x"])[0]
    np.testing.assert_array_equal(ids, expected_ids)


def test_the_files_are_those_of_the_table(exported: tuple[str, Path]):
    format, path = exported
    found = {entry.name for entry in path.iterdir()}
    known = EXPORT_FORMATS[format]
    always = {known.weights, "head.safetensors", "wiseft.json", "README.md", "results.jsonl"}
    assert always <= found <= {*always, *known.files}
    assert read_facts(path)["format"] == format


def test_the_text_side_predicts_the_same(
    exported: tuple[str, Path], pair: tuple[Classifier, Any], clip_directory: Path, clip: Clip
):
    format, path = exported
    again = load_clip(path, reading=reading_of(format, clip_directory))
    tokens = clip.tokenizer(["a photo of a red circle", "x"])
    found, expected = (
        np.asarray(each.text_encoder(each.params, *tokens)) for each in (again, clip)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_openclips_tensors_are_those_of_its_own_names(pair: tuple[Classifier, Any], tmp_path: Path):
    path = export_classifier(tmp_path / "out", *pair, alpha=None, format="openclip")
    stored = load_file(path / "open_clip_model.safetensors")
    expected = to_openclip({**pair[1]["encoder"], **pair[0].frozen})
    assert stored.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(stored[name], tensor, err_msg=name)
    content = json.loads((path / "open_clip_config.json").read_text())
    assert content["model_cfg"]["quick_gelu"] is True


def test_an_openclip_model_is_written_as_openclip_has_it(tmp_path: Path):
    directory = tiny_openclip_directory(tmp_path / "own")
    pair = zero_shot_classifier(load_clip(directory), NAMES, ["a {}"])
    path = export_classifier(tmp_path / "out", *pair, alpha=None, format="openclip")
    own, written = (load_file(each / "open_clip_model.safetensors") for each in (directory, path))
    assert written.keys() == own.keys()
    for name, tensor in own.items():
        np.testing.assert_array_equal(written[name], tensor, err_msg=name)
    own, written = (
        json.loads((each / "open_clip_config.json").read_text()) for each in (directory, path)
    )
    assert written == own


def test_an_image_tower_needs_the_clip_that_it_came_from(
    pair: tuple[Classifier, Any], tmp_path: Path
):
    path = export_classifier(tmp_path / "out", *pair, alpha=None, format="vision")
    with pytest.raises(InputError, match=r"one tower of a CLIP.*--model\.base"):
        load_classifier(path)
    other = tiny_clip_directory(tmp_path / "other", seed=5, vision_layers=1)
    with pytest.raises(InputError, match=r"or the base .*other, not the CLIP that this came from"):
        load_classifier(path, reading=Reading(base=str(other)))


@pytest.mark.parametrize("format", EXPORT_FORMATS)
def test_one_that_predicts_differently_is_not_kept(
    format: str, pair: tuple[Classifier, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    known = EXPORT_FORMATS[format]

    def write_damaged(directory: Path, classifier: Classifier, params: Any) -> None:
        known.write(directory, classifier, params)
        tensors = read_tensors(directory / known.weights)
        name = next(name for name in tensors if name.endswith(("visual.proj", "projection.weight")))
        save_file({**tensors, name: tensors[name][::-1].copy()}, directory / known.weights)

    damaged = dataclasses.replace(known, write=write_damaged)
    monkeypatch.setattr(export, "EXPORT_FORMATS", {format: damaged})
    with pytest.raises((RuntimeError, InputError), match=r"predicts differently|content hash"):
        export_classifier(tmp_path / "out", *pair, alpha=0.5, format=format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_type_checks")
def test_an_unknown_format_is_refused(pair: tuple[Classifier, Any], tmp_path: Path):
    with pytest.raises(
        InputError, match=r"unknown export format 'open-clip'\. Did you mean 'openc"
    ):
        export_classifier(tmp_path / "out", *pair, alpha=0.5, format="open-clip")


def test_what_openclip_would_pool_elsewhere_is_refused(
    pair: tuple[Classifier, Any], tmp_path: Path
):
    tokenizer = dataclasses.replace(pair[0].tokenizer, end_id=3)
    classifier = dataclasses.replace(pair[0], tokenizer=tokenizer)
    with pytest.raises(InputError, match=r"<\|endoftext\|> \(3\) is not the largest \(543\)"):
        EXPORT_FORMATS["openclip"].write(tmp_path, classifier, {})
    assert list(tmp_path.iterdir()) == []


def test_the_documentation_and_the_command_name_every_format():
    docs = (Path(__file__).parents[2] / "docs" / "checkpoints.md").read_text("utf-8")
    assert formats_table() in docs
    command = typing.get_type_hints(ExportArgs)["format"]
    assert typing.get_args(command) == tuple(EXPORT_FORMATS)


@pytest.mark.torch
def test_pytorch_reads_the_image_tower(pair: tuple[Classifier, Any], tmp_path: Path):
    torch = pytest.importorskip("torch")
    from transformers import CLIPVisionModelWithProjection

    classifier, theta = pair
    path = export_classifier(tmp_path / "out", *pair, alpha=0.5, format="vision")
    loaded: Any = CLIPVisionModelWithProjection.from_pretrained(path, output_loading_info=True)
    model, info = loaded
    assert not any(info.values()), info
    images = tiny_images(4, seed=5)
    mean, std = (np.array(each) for each in (classifier.preprocess.mean, classifier.preprocess.std))
    pixels = ((images / 255 - mean) / std).astype(np.float32).transpose(0, 3, 1, 2)
    with torch.no_grad():
        theirs = model.eval()(pixel_values=torch.from_numpy(pixels.copy())).image_embeds.numpy()
    ours = np.asarray(jax.jit(classifier.features)(theta, images))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_only_the_place_that_stays_is_logged(
    name: str, pair: tuple[Classifier, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "wiseft_jax")
    export_classifier(tmp_path / "out", *pair, alpha=0.5, format=name)
    assert caplog.messages == [f"exported to {tmp_path / 'out'} (alpha 0.5)"]
