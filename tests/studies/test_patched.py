"""Pasted squares, and what is counted of a model's reaction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.rng import numpy_stream
from wiseft_jax.studies.patched import (
    Reaction,
    energy_inside,
    mean_of_finite,
    paste_patch,
)

HEIGHT, WIDTH, SIZE = 14, 18, 5


def pictures(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Images whose every pixel says whose it is; three classes of unequal sizes."""
    images = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    images[:] = np.arange(1, count + 1, dtype=np.uint8)[:, None, None, None]
    return images, np.array([0, 0, 1, 0, 2, 1, 0, 0], np.int32)[np.arange(count) % 8]


@pytest.mark.parametrize("kind", ["image", "noise"])
def test_nothing_changes_outside_of_a_square_that_lies_in_the_image(kind: Any):
    images, labels = pictures()
    before = images.copy()
    patched = paste_patch(numpy_stream(3, "test"), images, labels, kind, SIZE)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(patched.images[~patched.masks], images[~patched.masks])
    for mask in patched.masks:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert (len(rows), len(columns), mask.sum()) == (SIZE, SIZE, SIZE**2)
        assert (np.ptp(rows), np.ptp(columns)) == (SIZE - 1, SIZE - 1)
    assert patched.area == pytest.approx(SIZE**2 / (HEIGHT * WIDTH))


def test_the_square_is_of_an_image_of_another_class():
    images, labels = pictures()
    patched = paste_patch(numpy_stream(0, "test"), images, labels, "image", SIZE)
    for place, donor in enumerate(patched.donors):
        assert labels[donor] != labels[place]
        assert np.all(patched.images[place][patched.masks[place]] == images[donor, 0, 0, 0])


def test_donors_are_uniform_over_the_other_classes():
    images, labels = pictures(8)
    draws = [
        paste_patch(numpy_stream(seed, "test"), images, labels, "image", SIZE).donors
        for seed in range(600)
    ]
    counts = np.bincount(np.array(draws)[:, 0], minlength=8)  # of an image of class 0
    assert np.all(counts[labels == 0] == 0)
    assert np.all(np.abs(counts[labels != 0] - 200) < 60)  # 5 standard deviations


def test_places_are_uniform_over_all_that_hold_the_square():
    images, labels = pictures()
    masks = [
        paste_patch(numpy_stream(seed, "test"), images, labels, "noise", SIZE).masks
        for seed in range(60)
    ]
    corners = np.array([[m.any(1).argmax(), m.any(0).argmax()] for m in np.concatenate(masks)])
    rows, columns = (np.bincount(each) for each in corners.T)
    assert (len(rows), len(columns)) == (HEIGHT - SIZE + 1, WIDTH - SIZE + 1)
    assert np.all(np.abs(rows - 240) < 5 * 15.5)
    assert np.all(np.abs(columns - 2400 / 14) < 5 * 13)


def test_the_generator_alone_decides():
    images, labels = pictures()
    one, same, other = (
        paste_patch(numpy_stream(seed, "test"), images, labels, "noise", SIZE).images
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_noise_is_uniform():
    images, labels = pictures(200)
    patched = paste_patch(numpy_stream(0, "test"), images, labels, "noise", SIZE)
    values = patched.images[patched.masks].astype(float)
    assert abs(values.mean() - 127.5) < 3
    assert abs(values.std() - 73.9) < 2
    assert np.all(patched.donors == -1)


def test_a_square_may_cover_the_image():
    images, labels = pictures()
    square = images[:, :, :HEIGHT]
    patched = paste_patch(numpy_stream(0, "test"), square, labels, "image", HEIGHT)
    np.testing.assert_array_equal(patched.images, square[patched.donors])
    assert patched.masks.all()


def test_what_can_not_be_pasted_is_refused(no_type_checks: None):
    images, labels = pictures()
    rng = numpy_stream(0, "test")
    with pytest.raises(InputError, match=r"--patch-size: expected 1 to 14.*found 15"):
        paste_patch(rng, images, labels, "noise", 15)
    with pytest.raises(InputError, match="at least two classes"):
        paste_patch(rng, images, np.zeros_like(labels), "image", SIZE)
    with pytest.raises(InputError, match="expected 'image' or 'noise', found 'text'"):
        paste_patch(rng, images, labels, "text", SIZE)  # type: ignore[arg-type]


def test_a_reaction_counts_what_was_right_before():
    one_hot = np.eye(3, dtype=np.float32) * 4
    labels = np.array([0, 1, 2, 0], np.int32)
    clean, patched = one_hot[[0, 1, 1, 0]], one_hot[[0, 2, 2, 2]]
    found = Reaction.of(clean, patched, labels)
    assert found.right.tolist() == [True, True, False, True]
    assert found.right_patched.tolist() == [True, False, True, False]
    assert found.flipped.tolist() == [False, True, False, True]
    high, low = np.exp(4) / (np.exp(4) + 2), 1 / (np.exp(4) + 2)
    np.testing.assert_allclose(found.score_drop, [0, high - low, low - high, high - low])


def test_energy_is_the_share_of_the_positive_part_in_the_square():
    masks = np.zeros((4, 8, 8), bool)
    masks[:, :4, :4] = True
    quarters = np.array([[1.0, 1], [1, 1]]), np.array([[3.0, -5], [1, 0]])
    maps = np.stack([*quarters, np.array([[-1.0, 2], [2, 2]]), np.full((2, 2), -1.0)])
    found = energy_inside(maps, masks)
    np.testing.assert_allclose(found[:3], [0.25, 0.75, 0.0])
    assert np.isnan(found[3])  # looks nowhere
    assert mean_of_finite(found) == (pytest.approx(1 / 3), 3)
    assert mean_of_finite(found[3:]) == (0.0, 0)
