"""Colours, backgrounds and degradations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from wiseft_jax.quickstart.painting import (
    COLOURS,
    TEXTURES,
    add_noise,
    backgrounds,
    blur,
    coarsen,
    colour_pairs,
    contrasting,
    paint,
    shades,
    to_bytes,
)

LUMINANCE = np.array([0.299, 0.587, 0.114])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_colour_has_contrasting_ones_and_never_itself():
    table = contrasting(0.22)
    light = np.array(list(COLOURS.values())) @ LUMINANCE
    assert len(table) == len(COLOURS)
    for own, others in enumerate(table):
        assert len(others) >= 3
        assert np.all(np.abs(light[others] - light[own]) >= 0.22 - 1e-6)


def test_colour_pairs_contrast():
    front, back = colour_pairs(rng(), 500)
    table = contrasting()
    assert all(b in table[f] for f, b in zip(front, back, strict=True))
    assert len(set(front)) == len(COLOURS)


def test_shades_stay_near_their_colour():
    index = np.arange(len(COLOURS))
    np.testing.assert_allclose(shades(rng(), index, jitter=0.0), list(COLOURS.values()), rtol=1e-6)
    assert np.abs(shades(rng(), index) - np.array(list(COLOURS.values()))).max() < 0.4


@pytest.mark.parametrize("name", TEXTURES)
def test_backgrounds_vary_around_their_base(name: str):
    base = np.full((6, 3), 0.5, np.float32)
    pictures = backgrounds(rng(), base, np.full(6, TEXTURES.index(name)), strength=0.3)
    assert pictures.shape == (6, 32, 32, 3)
    assert pictures.dtype == np.float32
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    if name == "plain":
        assert np.all(pictures == 0.5)
    else:
        assert pictures.std((1, 2)).max() > 0.02


def test_paint_interpolates_between_background_and_ink():
    back = rng().random((2, 32, 32, 3), np.float32)
    front = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    zeros, ones = np.zeros((2, 32, 32), np.float32), np.ones((2, 32, 32), np.float32)
    np.testing.assert_array_equal(paint(zeros, front, back), back)
    np.testing.assert_allclose(paint(ones, front, back)[1, 5, 5], front[1], atol=1e-6)
    halfway = (back + front[:, None, None]) / 2
    np.testing.assert_allclose(paint(ones / 2, front, back), halfway, atol=1e-6)


def test_blur_matches_scipy_away_from_the_border():
    pictures = rng().random((2, 32, 32, 3), np.float32)
    blurred = blur(pictures, np.array([0.7, 1.2]))
    expected = gaussian_filter(pictures[1], (1.2, 1.2, 0), truncate=8)
    np.testing.assert_allclose(blurred[1, 9:-9, 9:-9], expected[9:-9, 9:-9], atol=1e-5)


@pytest.mark.parametrize("count", [0, 3])
def test_degradations_take_any_number_of_pictures(count: int):
    pictures = np.full((count, 32, 32, 3), 0.25, np.float32)
    sigma = np.full(count, 0.5)
    np.testing.assert_allclose(blur(pictures, sigma), pictures, atol=1e-6)
    np.testing.assert_allclose(coarsen(pictures, 8), pictures, atol=1e-6)
    assert add_noise(rng(), pictures, sigma).shape == pictures.shape


def test_noise_has_each_pictures_standard_deviation():
    noisy = add_noise(rng(), np.zeros((3, 32, 32, 3), np.float32), np.array([0.0, 0.1, 0.4]))
    np.testing.assert_allclose(noisy.std((1, 2, 3)), [0.0, 0.1, 0.4], rtol=0.05)


def test_bytes_are_rounded_and_clipped():
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0], np.float32).reshape(1, 1, 5, 1)
    np.testing.assert_array_equal(to_bytes(values).ravel(), [0, 0, 128, 255, 255])
