"""The ResNet: maps that add up to logits, statistics, published weights."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.helpers.small_resnet import SETTINGS, SIZE, random_variables, small_resnet
from tests.helpers.tiny import tiny_images
from wiseft_jax.clip.load import resnet_module
from wiseft_jax.clip.resnet import SMALL, load_resnet, make_resnet
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.tensors import write_tensors
from wiseft_jax.core.trees import count_parameters, flatten_paths

IMAGES = tiny_images(5, SIZE)
RESNET = small_resnet()
VARIABLES = random_variables(RESNET)
logits_of, features_of, maps_of = (
    jax.jit(function)
    for function in (RESNET.logits, RESNET.features_map, RESNET.class_activation_map)
)


def test_a_class_activation_map_adds_up_to_the_logit():
    logits = np.asarray(logits_of(VARIABLES, IMAGES))
    for index in range(3):
        maps = maps_of(VARIABLES, IMAGES, np.full(5, index))
        assert maps.shape == (5, 4, 4)  # 32 pixels: stem / 4, second stage / 2
        bias = VARIABLES["params"]["head"]["bias"][index]
        np.testing.assert_allclose(maps.mean((1, 2)) + bias, logits[:, index], rtol=1e-5)
    assert np.ptp(logits) > 0.1


def test_a_map_is_the_weighted_sum_of_the_features():
    features = np.asarray(features_of(VARIABLES, IMAGES), np.float64)
    kernel = VARIABLES["params"]["head"]["kernel"].astype(np.float64)
    classes = np.array([2, 0, 1, 1, 0])
    expected = np.stack([features[i] @ kernel[:, c] for i, c in enumerate(classes)])
    found = maps_of(VARIABLES, IMAGES, classes)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_running_statistics_move_a_tenth_of_the_way_to_the_batch():
    train = jax.jit(RESNET.train_logits)
    logits, moved = train(VARIABLES, IMAGES)
    _, twice = train({**VARIABLES, "batch_stats": moved}, IMAGES)
    for path, before in flatten_paths(VARIABLES["batch_stats"]).items():
        one, two = (np.asarray(flatten_paths(each)[path]) for each in (moved, twice))
        np.testing.assert_allclose(two - one, 0.9 * (one - before), atol=2e-6, err_msg=path)
    for _ in range(120):  # 0.9 ** 120 is nothing: the running statistics are the batch's then
        _, moved = train({**VARIABLES, "batch_stats": moved}, IMAGES)
    settled = logits_of({**VARIABLES, "batch_stats": moved}, IMAGES)
    np.testing.assert_allclose(settled, logits, rtol=1e-3, atol=1e-4)
    assert not np.allclose(logits_of(VARIABLES, IMAGES), logits, atol=1e-2)


def test_initial_weights_are_of_the_seed_and_the_head_is_zero():
    one, same, other = (flatten_paths(RESNET.init(seed)) for seed in (0, 0, 1))
    kernels = [path for path in one if path.endswith("convolution/kernel")]
    assert len(kernels) == 7
    for path in one:
        np.testing.assert_array_equal(one[path], same[path])
    assert all(not np.array_equal(one[path], other[path]) for path in kernels)
    assert np.all(logits_of(RESNET.init(0), IMAGES) == 0)


def test_the_small_one_has_maps_of_8_x_8_for_32_pixels():
    resnet = make_resnet(10, Preprocess(32, 32))
    assert resnet.enlarged_to == 64
    images = np.zeros((1, 64, 64, 3), np.float32)
    shapes = jax.eval_shape(resnet.module.init, jax.random.key(0), images)
    found = jax.eval_shape(resnet.module.apply, shapes, images).last_hidden_state
    assert found.shape == (1, SMALL["hidden_sizes"][-1], 8, 8)
    assert 100_000 < count_parameters(shapes["params"]) < 200_000


def test_images_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"images are 16 x 16 pixels, the ResNet takes 8 x 8"):
        RESNET.logits(VARIABLES, tiny_images(2, 16))


def test_settings_that_flax_can_not_build_are_refused():
    with pytest.raises(InputError, match=r"not the settings of a ResNet \(layer_type=other"):
        resnet_module({**SETTINGS, "layer_type": "other"})
    with pytest.raises(InputError, match=r"downsample_in_bottleneck: expected false"):
        resnet_module({**SETTINGS, "downsample_in_bottleneck": True})


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
    resnet, variables = load_resnet(stored(tmp_path / "whole"), size=32)
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
    resnet, variables = load_resnet(tmp_path, size=32)
    facts = resnet.preprocess
    images = 255 * (pixels.transpose(0, 2, 3, 1) * np.array(facts.std) + np.array(facts.mean))
    found = jax.jit(resnet.logits)(variables, images.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
