"""A map as a picture: its own range, colours that mean the sign, and no place that it hasn't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wiseft_jax.reporting.overlays import enlarge_image, overlay_map, stretch_map, write_picture

GREY = np.full((8, 8, 3), 128, np.uint8)


def test_a_map_is_stretched_from_its_lowest_to_its_highest():
    values = np.asarray([[2.0, 3.0], [4.0, 6.0]])
    np.testing.assert_allclose(stretch_map(values, signed=False), [[0, 0.25], [0.5, 1]])
    np.testing.assert_allclose(stretch_map(-values, signed=False), [[1, 0.75], [0.5, 0]])


def test_a_signed_map_keeps_zero_in_the_middle():
    values = np.asarray([[-1.0, 0.0], [1.0, 4.0]])
    np.testing.assert_allclose(stretch_map(values, signed=True), [[0.375, 0.5], [0.625, 1]])


@pytest.mark.parametrize(("signed", "expected"), [(False, 0.0), (True, 0.5)])
def test_a_map_of_zeros_shows_nothing(signed: bool, expected: float):
    np.testing.assert_array_equal(stretch_map(np.zeros((2, 2)), signed=signed), expected)


@pytest.mark.parametrize(("size", "side"), [(28, 224), (32, 224), (30, 240), (224, 224)])
def test_small_images_are_enlarged_by_a_whole_factor(size: int, side: int):
    image = np.arange(size * size * 3, dtype=np.uint32).reshape(size, size, 3).astype(np.uint8)
    large = enlarge_image(image)
    assert large.shape == (side, side, 3)
    np.testing.assert_array_equal(large[:: side // size, :: side // size], image)


def test_a_patch_is_one_colour_and_in_its_place():
    values = np.zeros((2, 2))
    values[0, 1] = 1
    found = overlay_map(GREY, values)
    assert found.shape == (224, 224, 3)
    corner = found[:112, 112:].reshape(-1, 3)
    assert len(np.unique(corner, axis=0)) == 1
    rest = np.concatenate([found[112:].reshape(-1, 3), found[:112, :112].reshape(-1, 3)])
    assert len(np.unique(rest, axis=0)) == 1
    assert corner[0].sum() > rest[0].sum() + 50  # high is light, low is dark


def test_for_is_red_and_against_is_blue():
    found = overlay_map(GREY, np.asarray([[1.0, -1.0], [0.0, 0.0]]), signed=True)
    red, blue = found[10, 10].astype(int), found[10, -10].astype(int)
    assert red[0] > red[2] + 40
    assert blue[2] > blue[0] + 40
    assert np.ptp(found[-10, 10].astype(int)) <= 1


def test_a_picture_is_written_as_it_is(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    write_picture(tmp_path / "deep" / "a.png", pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "deep" / "a.png")), pixels)
