"""ResNets on disk: published weights by name, and the way there and back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.helpers.small_resnet import SETTINGS, SIZE, random_variables, small_resnet
from tests.helpers.tiny import tiny_images
from wiseft_jax.clip.resnet import make_resnet
from wiseft_jax.clip.resnet_files import load_resnet, save_resnet
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.core.trees import flatten_paths

RESNET = small_resnet()
VARIABLES = random_variables(RESNET)
NAMES = ("a", "b", "c")


def stored(directory: Path, **changes: object) -> Path:
    """Write variables by hand under PyTorch's names."""
    tensors = {}
    for path, leaf in flatten_paths(VARIABLES).items():
        name = path.removeprefix("params/").removeprefix("batch_stats/")
        name = name.removeprefix("body/").replace("layer_", "")
        name = f"resnet.{name}" if not name.startswith("head") else name
        for old, new in (
            ("head/", "classifier.1."),
            ("/kernel", "/weight"),
            (".kernel", ".weight"),
            ("/scale", "/weight"),
            ("/mean", "/running_mean"),
            ("/var", "/running_var"),
            ("/", "."),
        ):
            name = name.replace(old, new)
        tensors[name] = leaf.transpose(3, 2, 0, 1) if leaf.ndim == 4 else leaf.T
        if name.endswith("running_mean"):
            counter = name.replace("running_mean", "num_batches_tracked")
            tensors[counter] = np.asarray(7, np.int64)
    tensors |= changes  # type: ignore[arg-type]
    directory.mkdir(exist_ok=True)
    write_tensors(directory / "model.safetensors", tensors, {"format": "pt"})
    (directory / "config.json").write_text(json.dumps({"model_type": "resnet", **SETTINGS}))
    return directory


def test_published_weights_are_read_by_name(tmp_path: Path):
    resnet, variables, _ = load_resnet(stored(tmp_path / "whole"), size=32)
    wanted = flatten_paths(VARIABLES)
    assert flatten_paths(variables).keys() == wanted.keys()
    for path, leaf in flatten_paths(variables).items():
        np.testing.assert_array_equal(leaf, wanted[path], err_msg=path)
    assert (resnet.num_classes, resnet.enlarged_to) == (3, 32)


def test_what_is_no_resnet_classifier_is_refused(tmp_path: Path):
    extra = stored(tmp_path / "extra", **{"resnet.more.weight": np.zeros(2, np.float32)})
    with pytest.raises(InputError, match=r"unknown: body\.more\.weight"):
        load_resnet(extra, size=32)
    clip = stored(tmp_path / "clip")
    (clip / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(InputError, match=r"model_type is 'clip'; expected 'resnet'"):
        load_resnet(clip)
    bare = stored(tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    write_tensors(bare / "model.safetensors", {"resnet.x": np.zeros(2, np.float32)})
    with pytest.raises(InputError, match=r"no classifier\.1\.bias; expected an image classifier"):
        load_resnet(bare)


@pytest.mark.torch
@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
def test_logits_are_those_of_pytorch(tmp_path: Path, layer_type: str):
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    sizes = {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [2, 1]}
    config = ResNetConfig(**sizes, layer_type=layer_type, num_labels=3)  # type: ignore[arg-type]
    model = ResNetForImageClassification(config).train()
    pixels = np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        model(torch.tensor(pixels))  # the running statistics leave 0 and 1
        expected = model.eval()(torch.tensor(pixels)).logits.numpy()
    model.save_pretrained(tmp_path)
    resnet, variables, _ = load_resnet(tmp_path, size=32)
    facts = resnet.preprocess
    images = 255 * (pixels.transpose(0, 2, 3, 1) * np.array(facts.std) + np.array(facts.mean))
    found = jax.jit(resnet.logits)(variables, images.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
def test_there_and_back(tmp_path: Path, layer_type: str, early: bool):
    preprocess = dataclasses.replace(Preprocess(SIZE, 10), interpolation="bilinear")
    settings = {**SETTINGS, "layer_type": layer_type, "downsample_in_first_stage": early}
    resnet = make_resnet(3, preprocess, settings, enlarged_to=32)
    variables = random_variables(resnet)
    save_resnet(tmp_path / "model", resnet, variables, NAMES)
    again, found, names = load_resnet(tmp_path / "model")
    assert (again.preprocess, again.enlarged_to, names) == (preprocess, 32, NAMES)
    wanted = flatten_paths(variables)
    assert flatten_paths(found).keys() == wanted.keys()
    for path, leaf in flatten_paths(found).items():
        np.testing.assert_array_equal(leaf, wanted[path], err_msg=path)
    images = tiny_images(2, SIZE)
    logits = (jax.jit(model.logits)(variables, images) for model in (resnet, again))
    np.testing.assert_array_equal(*map(np.asarray, logits))


def test_the_names_are_pytorch_s(tmp_path: Path):
    save_resnet(tmp_path / "ours", RESNET, VARIABLES, NAMES)
    by_hand = read_tensors(stored(tmp_path / "by_hand"))
    written = read_tensors(tmp_path / "ours")
    assert written.keys() == {name for name in by_hand if not name.endswith("batches_tracked")}
    for name, tensor in written.items():
        np.testing.assert_array_equal(tensor, by_hand[name], err_msg=name)


def test_images_are_prepared_as_the_directory_says(tmp_path: Path):
    directory = stored(tmp_path / "model")
    settings = {
        "feature_extractor_type": "ConvNextFeatureExtractor",
        "crop_pct": 0.875,
        "size": 224,
        "resample": 3,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }  # of microsoft/resnet-50
    (directory / "preprocessor_config.json").write_text(json.dumps(settings))
    resnet, _, names = load_resnet(directory)
    found = resnet.preprocess
    assert (found.size, found.resize, found.interpolation) == (224, 256, "bicubic")
    assert (found.mean, found.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert names == ("LABEL_0", "LABEL_1", "LABEL_2")
    smaller, _, _ = load_resnet(directory, size=64)
    assert smaller.preprocess == dataclasses.replace(found, size=64, resize=64)
    for key, value, said in (
        ("image_mean", [1, 2], "image_mean is"),
        ("image_std", [0, 0, 0], "image_std is"),
        ("do_rescale", False, "do_rescale is false"),
        ("size", 384, "size is 384; with crop_pct"),
    ):
        (directory / "preprocessor_config.json").write_text(json.dumps({**settings, key: value}))
        with pytest.raises(InputError, match=said):
            load_resnet(directory)
    for crop, said in ((1.5, r"crop_pct is 1\.5"), ("x", "crop_pct is 'x'")):
        settings["crop_pct"] = crop
        (directory / "preprocessor_config.json").write_text(json.dumps(settings))
        with pytest.raises(InputError, match=said):
            load_resnet(directory)


def test_names_that_do_not_fit_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="expected 3 class names, found 2"):
        save_resnet(tmp_path, RESNET, VARIABLES, NAMES[:2])
    directory = stored(tmp_path / "model")
    settings = json.loads((directory / "config.json").read_text())
    for key, value in (("enlarged_to", "big"), ("num_channels", 1)):
        (directory / "config.json").write_text(json.dumps({**settings, key: value}))
        with pytest.raises(InputError, match=f"{key} is "):
            load_resnet(directory, size=32)
    settings["id2label"] = {"0": "a", "2": "b", "3": "c"}
    (directory / "config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="expected the 3 classes in id2label"):
        load_resnet(directory, size=32)
    with pytest.raises(InputError, match=r"nowhere/config\.json: no such configuration"):
        load_resnet(tmp_path / "nowhere")


@pytest.mark.torch
def test_pytorch_reads_what_is_written(tmp_path: Path):
    import torch
    from transformers import ResNetForImageClassification

    resnet = make_resnet(3, Preprocess(32, 32), SETTINGS, enlarged_to=32)
    save_resnet(tmp_path, resnet, VARIABLES, NAMES)
    model = ResNetForImageClassification.from_pretrained(tmp_path).eval()
    assert model.config.id2label == dict(enumerate(NAMES))
    pixels = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32)
    facts = resnet.preprocess
    images = (255 * (pixels * np.array(facts.std) + np.array(facts.mean))).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.tensor(pixels.transpose(0, 3, 1, 2))).logits.numpy()
    found = jax.jit(resnet.logits)(VARIABLES, images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
