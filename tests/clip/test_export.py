from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from tests.helpers.tiny import tiny_images
from wiseft_jax.clip import export
from wiseft_jax.clip.classifier import Classifier, zero_shot_classifier
from wiseft_jax.clip.export import export_classifier, load_classifier, read_facts
from wiseft_jax.clip.load import Clip, load_clip
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths

NAMES = ("red circle", "blue square", "x")


@pytest.fixture(scope="module")
def pair(clip: Clip) -> tuple[Classifier, Any]:
    """A classifier whose parameters are no longer those of the CLIP, and whose bias isn't 0."""
    classifier, theta = zero_shot_classifier(clip, NAMES, ["a {}", "the {}"])
    theta = jax.tree_util.tree_map(lambda leaf: np.float32(0.9) * leaf, theta)
    theta["head"]["bias"] = np.float32([3, -2, 1])
    return classifier, theta


@pytest.fixture(scope="module")
def exported(pair: tuple[Classifier, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export to read from, not to write into."""
    classifier, theta = pair
    return export_classifier(
        tmp_path_factory.mktemp("export") / "merged",
        classifier,
        theta,
        alpha=0.4,
        metrics={"accuracy": np.float32(0.5)},
        hashes={"theta_0": "abc"},
    )


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """A copy of the export, to damage."""
    (tmp_path / "copy").mkdir()
    for path in exported.iterdir():
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "copy"


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the forward passes, which have a test of their own."""
    monkeypatch.setattr(export, "_check_same_predictions", lambda *args: None)


def test_the_round_trip_is_exact(exported: Path, pair: tuple[Classifier, Any]):
    classifier, theta = pair
    again, theta_again = load_classifier(exported)
    found, expected = flatten_paths(theta_again), flatten_paths(theta)
    assert found.keys() == expected.keys()
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)
    assert again.class_names == NAMES
    assert again.templates == ("a {}", "the {}")
    assert again.preprocess == classifier.preprocess
    assert again.tokenizer.fingerprint == classifier.tokenizer.fingerprint
    for name, leaf in flatten_paths(classifier.frozen).items():
        np.testing.assert_array_equal(flatten_paths(again.frozen)[name], leaf, err_msg=name)


def test_predictions_are_equal_bias_included(exported: Path, pair: tuple[Classifier, Any]):
    classifier, theta = pair
    again, theta_again = load_classifier(exported)
    images = tiny_images(6, seed=5)
    before = np.asarray(jax.jit(classifier.logits)(theta, images))
    after = np.asarray(jax.jit(again.logits)(theta_again, images))
    np.testing.assert_allclose(after, before, atol=1e-5)
    np.testing.assert_array_equal(after.argmax(1), before.argmax(1))
    without = {**theta, "head": {**theta["head"], "bias": np.zeros(3, np.float32)}}
    assert np.abs(np.asarray(jax.jit(classifier.logits)(without, images)) - before).max() > 1


def test_load_clip_reads_it_with_the_merged_encoder(exported: Path, pair: tuple[Classifier, Any]):
    clip = load_clip(exported)
    kernel = pair[1]["encoder"]["visual_projection"]["kernel"]
    np.testing.assert_array_equal(clip.params["visual_projection"]["kernel"], kernel)


def test_transformers_reads_it_as_a_flax_clip(
    exported: Path, pair: tuple[Classifier, Any], clip: Clip, monkeypatch: pytest.MonkeyPatch
):
    from transformers import CLIPImageProcessor, CLIPTokenizerFast, FlaxCLIPModel

    initialise = FlaxCLIPModel.init_weights  # compiled as a whole: op by op it takes a minute
    monkeypatch.setattr(
        FlaxCLIPModel,
        "init_weights",
        lambda self, key, shape: jax.jit(lambda key: initialise(self, key, shape))(key),
    )
    model = FlaxCLIPModel.from_pretrained(exported)
    theirs: Any = flatten_paths(model.params)
    ours = flatten_paths({**pair[1]["encoder"], **pair[0].frozen})
    assert theirs.keys() == ours.keys()
    for name, leaf in ours.items():
        np.testing.assert_array_equal(theirs[name], leaf, err_msg=name)
    tokenizer = CLIPTokenizerFast.from_pretrained(exported)
    assert tokenizer("a red x")["input_ids"] == clip.tokenizer(["a red x"])[0][0, :5].tolist()
    assert CLIPImageProcessor.from_pretrained(exported).crop_size["height"] == 16


def test_the_files_are_those_of_a_clip_and_four_more(exported: Path):
    assert sorted(path.name for path in exported.iterdir()) == [
        "README.md",
        "config.json",
        "head.safetensors",
        "merges.txt",
        "model.safetensors",
        "preprocessor_config.json",
        "results.jsonl",
        "tokenizer_config.json",
        "vocab.json",
        "wiseft.json",
    ]
    with safe_open(exported / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}
    assert stat.S_IMODE(exported.stat().st_mode) & 0o700 == 0o700
    assert [path.name for path in exported.parent.iterdir()] == ["merged"]


def test_the_facts_are_recorded(exported: Path):
    facts = read_facts(exported)
    assert facts["schema"] == 1
    assert facts["class_names"] == list(NAMES)
    assert facts["alpha"] == 0.4
    assert facts["metrics"] == {"accuracy": 0.5}
    assert facts["source"] == "model"  # the directory's name; its path is nobody's business
    assert facts["hashes"].keys() == {"theta_0", "theta", "head", "frozen"}
    assert facts["versions"].keys() == {"wiseft-jax", "jax", "flax", "transformers"}


@pytest.mark.usefixtures("unchecked")
def test_names_and_hub_ids_are_recorded_as_they_are(pair: tuple[Classifier, Any], tmp_path: Path):
    import dataclasses

    classifier = dataclasses.replace(pair[0], source="openai/clip-vit-base-patch32")
    export_classifier(tmp_path / "a", classifier, pair[1], alpha=None)
    assert read_facts(tmp_path / "a")["source"] == "openai/clip-vit-base-patch32"
    assert read_facts(tmp_path / "a")["alpha"] is None


def test_a_directory_in_use_is_left_alone(pair: tuple[Classifier, Any], tmp_path: Path):
    (tmp_path / "mine.txt").write_text("precious")
    for overwrite, message in ((False, "exists and is not empty"), (True, "not an earlier export")):
        with pytest.raises(InputError, match=message):
            export_classifier(tmp_path, *pair, alpha=0.5, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.usefixtures("unchecked")
def test_empty_directories_and_earlier_exports_are_replaced(
    pair: tuple[Classifier, Any], tmp_path: Path
):
    directory = tmp_path / "out"
    directory.mkdir()
    export_classifier(directory, *pair, alpha=0.1)
    (directory / "leftover").touch()
    with pytest.raises(InputError, match="--overwrite replaces it, or give another"):
        export_classifier(directory, *pair, alpha=0.2)
    assert read_facts(directory)["alpha"] == 0.1
    with pytest.raises(InputError, match="leftover, which would be lost"):
        export_classifier(directory, *pair, alpha=0.2, overwrite=True)
    assert read_facts(directory)["alpha"] == 0.1
    (directory / "leftover").unlink()
    export_classifier(directory, *pair, alpha=0.2, overwrite=True)
    assert read_facts(directory)["alpha"] == 0.2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_that_predicts_differently_is_not_kept(
    pair: tuple[Classifier, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def other_head(directory: Path, *options: str) -> Any:
        classifier, theta = load_classifier(directory, *options)
        return classifier, {**theta, "head": {**theta["head"], "bias": np.zeros(3, np.float32)}}

    monkeypatch.setattr(export, "load_classifier", other_head)
    with pytest.raises(RuntimeError, match="the export predicts differently: logits differ by"):
        export_classifier(tmp_path / "out", *pair, alpha=0.5)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_overwrite_keeps_the_old_export(copy: Path, pair: Any, monkeypatch: Any):
    def full_disk(*args: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(export, "write_json", full_disk)
    with pytest.raises(OSError, match="No space"):
        export_classifier(copy, *pair, alpha=0.9, overwrite=True)
    assert read_facts(copy)["alpha"] == 0.4
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def without_bias(theta: Any) -> Any:
    return {**theta, "head": {"kernel": theta["head"]["kernel"]}}


def with_nan(theta: Any) -> Any:
    return {**theta, "head": {**theta["head"], "bias": np.float32([0, np.nan, 0])}}


def with_too_many_classes(theta: Any) -> Any:
    return {**theta, "head": {"kernel": np.zeros((16, 4)), "bias": np.zeros(4)}}


def without_projection(theta: Any) -> Any:
    return {**theta, "encoder": {"vision_model": theta["encoder"]["vision_model"]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_bias, r"the head is .*; 3 classes need .*'bias': \(3,\)"),
        (with_nan, "not finite: head/bias"),
        (with_too_many_classes, r"'kernel': \(16, 4\).* 3 classes need"),
        (without_projection, "missing from theta: visual_projection/kernel"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    pair: tuple[Classifier, Any], tmp_path: Path, change: Callable[[Any], Any], message: str
):
    with pytest.raises(InputError, match=message):
        export_classifier(tmp_path / "out", pair[0], change(pair[1]), alpha=0.5)
    assert list(tmp_path.iterdir()) == []


def edit_facts(directory: Path, **changes: Any) -> None:
    facts = json.loads((directory / "wiseft.json").read_text()) | changes
    (directory / "wiseft.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("file", "name"),
    [("head.safetensors", "bias"), ("model.safetensors", "visual_projection.weight")],
)
def test_changed_numbers_are_noticed(copy: Path, file: str, name: str):
    tensors = load_file(copy / file)
    tensors[name] = tensors[name] + np.float32(1e-3)
    save_file(tensors, copy / file)
    with pytest.raises(InputError, match=rf"{file}: damaged or replaced: the content hash"):
        load_classifier(copy)


def test_a_changed_text_tower_is_noticed(copy: Path):
    tensors = load_file(copy / "model.safetensors")
    tensors["logit_scale"] = np.array(4.5, np.float32)
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(InputError, match="the content hash of frozen"):
        load_classifier(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema 2; this version reads 1"),
        ({"class_names": None}, "class_names is None; expected a list"),
        ({"hashes": []}, r"hashes is \[\]; expected a dict"),
        ({"class_names": ["a", "b"]}, r"head\.safetensors: the head is .*; 2 classes need"),
        ({"hashes": {}}, "damaged or replaced"),
    ],
)
def test_wrong_facts_are_reported(copy: Path, changes: dict[str, Any], message: str):
    edit_facts(copy, **changes)
    with pytest.raises(InputError, match=message):
        load_classifier(copy)


@pytest.mark.parametrize(("content", "message"), [("{", "not JSON"), ("[]", "schema None")])
def test_broken_facts_are_named(copy: Path, content: str, message: str):
    (copy / "wiseft.json").write_text(content)
    with pytest.raises(InputError, match=rf"wiseft\.json: {message}"):
        load_classifier(copy)


def test_missing_files_are_named(copy: Path):
    (copy / "head.safetensors").unlink()
    with pytest.raises(
        InputError, match=r"head\.safetensors: no such file.*incomplete\. Export or"
    ):
        load_classifier(copy)
    (copy / "wiseft.json").unlink()
    with pytest.raises(InputError, match=r"wiseft\.json: missing.*read by load_clip"):
        load_classifier(copy)


@pytest.mark.torch
def test_pytorch_reads_it_and_computes_the_same(exported: Path, pair: tuple[Classifier, Any]):
    torch = pytest.importorskip("torch")
    from transformers import CLIPModel

    classifier, theta = pair
    images = tiny_images(6, seed=5)
    mean, std = np.float32(classifier.preprocess.mean), np.float32(classifier.preprocess.std)
    pixels = ((images.astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2)
    model, info = CLIPModel.from_pretrained(exported, output_loading_info=True)
    assert not any(info.values()), info
    head = load_file(exported / "head.safetensors")
    with torch.no_grad():
        features = model.eval().get_image_features(pixel_values=torch.from_numpy(pixels.copy()))
        features = features / features.norm(dim=-1, keepdim=True)
        theirs = features @ torch.from_numpy(head["kernel"]) + torch.from_numpy(head["bias"])
    ours = np.asarray(jax.jit(classifier.logits)(theta, images))
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)


def test_an_export_of_the_lean_tower_holds_the_original_weights_and_either_tower_reads_it(
    clip_directory: Path, tmp_path: Path
):
    lean = load_clip(clip_directory, tower="scan")
    classifier, theta = zero_shot_classifier(lean, ["red circle", "blue square"])
    path = export_classifier(tmp_path / "out", classifier, theta, alpha=0.0)
    found, expected = (load_file(d / "model.safetensors") for d in (path, clip_directory))
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)
    images = tiny_images(3)
    logits = jax.jit(classifier.logits)(theta, images)
    for tower in ("scan", "transformers"):
        read, theta_read = load_classifier(path, tower=tower)
        assert read.tower.name == tower
        np.testing.assert_allclose(jax.jit(read.logits)(theta_read, images), logits, atol=1e-4)
