"""Common corruptions: each changes images, more so when it is more severe, and by its seed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.tiny import tiny_images
from wiseft_jax.studies.corruptions import CORRUPTIONS, SEVERITIES, corrupted

IMAGES = (tiny_images(6, 32) // 2 + np.indices((32, 32)).sum(0)[None, :, :, None]).astype(np.uint8)


def distance(images: np.ndarray) -> float:
    return float(np.abs(images.astype(float) - IMAGES).mean())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_seeded_and_grows_with_severity(name: str):
    before = IMAGES.copy()
    found = [corrupted(name, IMAGES, severity) for severity in (1, 2)]
    np.testing.assert_array_equal(IMAGES, before)
    for each in found:
        assert (each.shape, each.dtype) == (IMAGES.shape, np.uint8)
    np.testing.assert_array_equal(found[0], corrupted(name, IMAGES, 1))
    assert 0.5 < distance(found[0]) < distance(found[1])


def test_every_corruption_has_its_strengths():
    assert CORRUPTIONS.keys() == SEVERITIES.keys()


def test_draws_differ_by_seed_and_severity():
    one, other = corrupted("impulse_noise", IMAGES, 1), corrupted("impulse_noise", IMAGES, 1, 1)
    assert not np.array_equal(one, other)
    changed = np.any(one != IMAGES, -1)
    assert changed.mean() == pytest.approx(0.05, abs=0.01)
    assert set(np.unique(one[changed])) <= {0, 255}


def test_strengths_are_what_they_say():
    grey = np.full((40, 32, 32, 3), 128, np.uint8)
    noise = corrupted("gaussian_noise", grey, 1).astype(float) - 128
    assert noise.std() == pytest.approx(0.15 * 255, rel=0.02)
    low = corrupted("contrast", IMAGES, 1).astype(float)
    expected = IMAGES.mean((1, 2, 3), keepdims=True)
    expected = expected + 0.4 * (IMAGES - expected)
    assert np.abs(low - expected).max() <= 0.5 + 1e-9
    bright = corrupted("brightness", grey, 1)
    assert np.all(bright == round(128 + 0.25 * 255))
    blocks = corrupted("pixelate", IMAGES, 1)
    np.testing.assert_array_equal(blocks[:, ::2, ::2], blocks[:, 1::2, 1::2])
