"""Glyph masks, distance fields and warps, on fonts that matplotlib brings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from wiseft_jax.quickstart.fonts import matplotlib_faces
from wiseft_jax.quickstart.glyphs import (
    FIELD,
    LEVELS,
    SIDE,
    SPAN,
    WarpConfig,
    draw,
    glyph_fields,
    glyph_mask,
    sample_bilinear,
    smooth_upsample,
)

STILL = WarpConfig(
    size=(SPAN, SPAN),
    rotation=0.0,
    wide_share=0.0,
    shear=0.0,
    aspect=0.0,
    elastic=0.0,
    shift=0.0,
    weight=(0.0, 0.0),
)


@pytest.fixture(scope="module")
def face():
    return next(f for f in matplotlib_faces() if f.path.stem == "DejaVuSans")


@pytest.fixture(scope="module")
def fields(face):
    return np.stack([glyph_fields(face, character) for character in "07"])


def extent(mask: np.ndarray) -> tuple[int, int]:
    rows, columns = np.nonzero(mask > 100)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.mark.parametrize("digit", list("0123456789"))
def test_digits_fill_their_span_and_are_centred(face, digit: str):
    mask = glyph_mask(face, digit, side=40, span=28)
    assert mask.shape == (40, 40)
    assert mask.dtype == np.uint8
    assert abs(max(extent(mask)) - 28) <= 2
    rows, columns = np.nonzero(mask > 100)
    assert abs((rows.min() + rows.max()) / 2 - 19.5) <= 1
    assert abs((columns.min() + columns.max()) / 2 - 19.5) <= 1


def test_letters_keep_their_relative_size(face):
    small, capital = (glyph_mask(face, letter, side=40, span=28) for letter in "oO")
    assert extent(small)[0] < 0.85 * extent(capital)[0]


def test_a_blank_character_gives_an_empty_mask(face):
    assert not glyph_mask(face, " ", side=16, span=12).any()


def test_fields_have_the_sign_and_scale_of_distances(fields):
    outline = (fields[:, 0].astype(float) - 128) / LEVELS
    medial = fields[:, 1].astype(float) / LEVELS
    assert fields.shape == (2, 2, FIELD, FIELD)
    assert outline[:, 0, 0].max() < 0
    assert outline.max() > 0.5
    assert np.all(medial[outline > 1.0] < 3.5)  # the medial line runs inside the strokes
    steps = np.abs(np.diff(outline, axis=1))[np.abs(outline[:, :-1]) < 4]
    assert steps.max() <= 1.4  # one pixel a pixel, and a step of 1/3 between inside and outside


def test_an_undistorted_outline_is_the_mask(face, fields):
    drawn = draw(np.random.default_rng(0), fields, STILL, np.zeros(2, bool))
    assert drawn.shape == (2, SIDE, SIDE)
    for picture, digit in zip(drawn, "07", strict=True):
        expected = glyph_mask(face, digit, side=SIDE, span=SPAN) / 255
        assert np.corrcoef(picture.ravel(), expected.ravel())[0, 1] > 0.85  # up to half a pixel
        assert picture.sum() == pytest.approx(expected.sum(), rel=0.1)


def test_a_pen_of_a_larger_radius_covers_more(fields):
    def ink(radius: float) -> float:
        warp = WarpConfig(**{**vars(STILL), "pen_radius": (radius, radius)})
        return float(draw(np.random.default_rng(0), fields, warp, np.ones(2, bool)).sum())

    assert 0 < ink(0.8) < ink(1.6) < ink(2.4)


def test_drawing_repeats_with_its_seed_and_varies_with_it(fields):
    one, same, other = (
        draw(np.random.default_rng(seed), fields, WarpConfig(), np.array([True, False]))
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.5
    assert one.min() >= 0
    assert one.max() <= 1


def test_bilinear_sampling_matches_scipy():
    rng = np.random.default_rng(0)
    fields = rng.random((2, 9, 9), np.float32)
    y, x = rng.uniform(0, 7.9, (2, 2, 5, 5)).astype(np.float32)
    expected = [map_coordinates(f, [a, b], order=1) for f, a, b in zip(fields, y, x, strict=True)]
    np.testing.assert_allclose(sample_bilinear(fields, y, x), expected, atol=1e-5)


def test_sampling_outside_takes_the_border():
    field = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    outside = np.full((1, 1, 1), -5, np.float32)
    assert sample_bilinear(field, outside, outside)[0, 0, 0] == 0
    assert sample_bilinear(field, -outside, -outside)[0, 0, 0] == pytest.approx(8, abs=0.01)


def test_smooth_upsampling_keeps_constants():
    coarse = np.full((2, 4, 4, 1), 0.7, np.float32)
    np.testing.assert_allclose(smooth_upsample(coarse, 32), 0.7, rtol=1e-5)
