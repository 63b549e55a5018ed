"""The ResNet: maps that add up to logits, statistics."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from tests.helpers.small_resnet import SETTINGS, SIZE, random_variables, small_resnet
from tests.helpers.tiny import tiny_images
from wiseft_jax.clip.load import resnet_module
from wiseft_jax.clip.resnet import SMALL, make_resnet, with_new_head
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
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


def test_a_new_head_is_of_zeros_on_the_same_features():
    resnet, variables = with_new_head(RESNET, VARIABLES, 5)
    assert (resnet.num_classes, RESNET.num_classes) == (5, 3)
    np.testing.assert_array_equal(resnet.logits(variables, IMAGES[:2]), np.zeros((2, 5)))
    np.testing.assert_array_equal(
        jax.jit(resnet.features_map)(variables, IMAGES), features_of(VARIABLES, IMAGES)
    )


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
