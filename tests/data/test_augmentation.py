"""The configuration of what happens to a training image, and the transform that it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.augmentation import AugmentationConfig


def picture() -> Image.Image:
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("crop_scale", (0.0, 1.0)),
        ("crop_scale", (0.9, 0.8)),
        ("crop_scale", (0.9, 1.1)),
        ("flip", 1.5),
        ("rand_augment", -1),
        ("magnitude", 31),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, value: Any):
    pattern = rf"^training\.augmentation\.{field}: expected .*, found "
    with pytest.raises(InputError, match=pattern):
        AugmentationConfig(**{field: value})


@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
def test_flips_come_as_often_as_said_and_are_left_right(flip: float):
    transform = AugmentationConfig((1.0, 1.0), flip=flip).build(Preprocess(8, 8))
    image = picture()
    plain = AugmentationConfig((1.0, 1.0)).build(Preprocess(8, 8))
    flipped = 0
    for seed in range(200):
        found = transform(image, np.random.default_rng(seed))
        expected = plain(image, np.random.default_rng(seed))
        mirrored = np.array_equal(found, expected[:, ::-1])
        assert mirrored or np.array_equal(found, expected)
        flipped += mirrored
    assert abs(flipped / 200 - flip) <= 0.1


def test_by_default_the_random_numbers_are_those_of_the_crop_alone():
    """So that runs of earlier versions are run again bit for bit."""
    transform = AugmentationConfig().build(Preprocess(8, 8))
    used, expected = np.random.default_rng(3), np.random.default_rng(3)
    transform(picture(), used)
    transform.box((8, 8), expected)
    assert used.bit_generator.state == expected.bit_generator.state


def test_rand_augment_comes_after_the_crop():
    transform = AugmentationConfig(rand_augment=2, magnitude=20).build(Preprocess(8, 8))
    found = [transform(picture(), np.random.default_rng(seed)) for seed in range(20)]
    assert {image.shape for image in found} == {(8, 8, 3)}
    assert len({image.tobytes() for image in found}) > 10
