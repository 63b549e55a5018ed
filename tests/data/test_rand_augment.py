"""RandAugment's operations: sizes, ends of the scale, and what the library's reference does."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from wiseft_jax.data.rand_augment import OPERATIONS, RandAugment


def picture(width: int = 12, height: int = 9) -> Image.Image:
    random = np.random.default_rng(1)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.0, 0.3, 1.0])
def test_an_operation_keeps_size_and_mode_and_its_input(name: str, strength: float):
    image = picture()
    before = image.tobytes()
    found = OPERATIONS[name](image, strength)
    assert (found.size, found.mode) == (image.size, "RGB")
    assert image.tobytes() == before


@pytest.mark.parametrize(
    "name", sorted(set(OPERATIONS) - {"auto_contrast", "equalize", "solarize"})
)
def test_strength_zero_changes_nothing(name: str):
    found = np.asarray(OPERATIONS[name](picture(), 0.0), int)
    assert np.abs(found - np.asarray(picture(), int)).max() <= (0 if name != "color" else 1)


def test_operations_are_what_their_names_say():
    image = picture()
    array = np.asarray(image)
    shifted = np.asarray(OPERATIONS["translate_x"](image, 3 / (12 * 150 / 331)))
    np.testing.assert_array_equal(shifted[:, :9], array[:, 3:])
    assert (shifted[:, 9:] == 128).all()
    bright = ImageEnhance.Brightness(image).enhance(1.9)
    np.testing.assert_array_equal(OPERATIONS["brightness"](image, 1.0), bright)
    np.testing.assert_array_equal(OPERATIONS["equalize"](image, 0.7), ImageOps.equalize(image))
    inverted = OPERATIONS["solarize"](image, -1.0)
    np.testing.assert_array_equal(np.asarray(inverted)[array > 0], 255 - array[array > 0])


def test_draws_are_a_function_of_the_generator_and_use_every_operation():
    augment = RandAugment(1, 30)
    first, second = (
        [np.asarray(augment(picture(), np.random.default_rng(seed))).tobytes() for seed in range(9)]
        for _ in range(2)
    )
    assert first == second
    assert len(set(first)) > 5


def test_no_operation_is_no_change():
    image = picture()
    np.testing.assert_array_equal(RandAugment(0, 9)(image, np.random.default_rng(0)), image)
