import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.backgrounds.tiling import (
    blacken_box,
    box_of_mask,
    check_box,
    largest_strip,
    tile_background,
)
from wiseft_jax.core.errors import InputError


def numbered(height: int = 6, width: int = 6) -> np.ndarray:
    """I[y, x] = 10 y + x."""
    grid = 10 * np.arange(height)[:, None] + np.arange(width)
    return np.repeat(grid[..., None].astype(np.uint8), 3, axis=-1)


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@st.composite
def images_with_boxes(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    height, width = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    if (x1 - x0, y1 - y0) == (width, height):
        x1 -= 1
    return noise(draw(st.integers(0, 99)), height, width), (x0, y0, x1, y1)


def test_the_toy_of_the_paper_by_hand():
    tiled = tile_background(numbered(), (2, 1, 5, 3))[..., 0]
    assert tiled[1].tolist() == [10, 11, 42, 43, 44, 15]
    assert tiled[2].tolist() == [20, 21, 52, 53, 54, 25]
    assert np.array_equal(np.delete(tiled, [1, 2], 0), np.delete(numbered()[..., 0], [1, 2], 0))


@given(images_with_boxes())
def test_outside_of_the_box_nothing_changes(given_: tuple):
    image, (x0, y0, x1, y1) = given_
    outside = np.ones(image.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    for made in (tile_background(image, (x0, y0, x1, y1)), blacken_box(image, (x0, y0, x1, y1))):
        assert np.array_equal(made[outside], image[outside])
        assert made is not image


@given(images_with_boxes(), st.integers(0, 255))
def test_no_pixel_of_the_box_is_read(given_: tuple, poison: int):
    image, (x0, y0, x1, y1) = given_
    poisoned = image.copy()
    poisoned[y0:y1, x0:x1] = poison
    box = (x0, y0, x1, y1)
    assert np.array_equal(tile_background(image, box), tile_background(poisoned, box))


@given(images_with_boxes())
def test_the_box_holds_the_strip_tiled_from_the_origin(given_: tuple):
    image, box = given_
    x0, y0, x1, y1 = box
    left, top, right, bottom = largest_strip(*image.shape[:2], box)
    strip = image[top:bottom, left:right]
    repeats = (-(-image.shape[0] // strip.shape[0]), -(-image.shape[1] // strip.shape[1]), 1)
    plane = np.tile(strip, repeats)[: image.shape[0], : image.shape[1]]
    assert np.array_equal(tile_background(image, box)[y0:y1, x0:x1], plane[y0:y1, x0:x1])


@pytest.mark.parametrize(
    ("box", "strip"),
    [
        ((2, 4, 4, 6), (0, 0, 6, 4)),  # top
        ((2, 0, 4, 2), (0, 2, 6, 6)),  # bottom
        ((4, 2, 6, 4), (0, 0, 4, 6)),  # left
        ((0, 2, 2, 4), (2, 0, 6, 6)),  # right
        ((2, 2, 4, 4), (0, 0, 6, 2)),  # all alike: the top one
        ((0, 2, 6, 6), (0, 0, 6, 2)),  # as wide as the image
    ],
)
def test_the_largest_strip(box: tuple[int, ...], strip: tuple[int, ...]):
    assert largest_strip(6, 6, box) == strip


def test_the_box_goes_black():
    blackened = blacken_box(numbered() + 1, (2, 1, 5, 3))
    assert (blackened == 0).all(-1).sum() == 6
    assert not blackened[1:3, 2:5].any()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 0, 6, 6), "covers the whole image"),
        ((2, 2, 2, 4), "is empty"),
        ((4, 2, 2, 4), "is empty"),
        ((2, 2, 7, 4), "reaches out of the image, which is 6 x 6"),
        ((-1, 2, 3, 4), "reaches out"),
        ((0.5, 2, 3, 4), "four whole numbers"),
        ((1, 2, 3), "four whole numbers"),
    ],
)
def test_a_wrong_box_is_refused(box: tuple, message: str):
    with pytest.raises(InputError, match=message):
        check_box(box, 6, 6)


def test_the_box_around_a_mask():
    mask = np.zeros((8, 9), bool)
    mask[2, 3] = mask[5, 7] = True
    assert box_of_mask(mask) == (3, 2, 8, 6)
    with pytest.raises(InputError, match="no true pixel"):
        box_of_mask(np.zeros((4, 4), bool))
