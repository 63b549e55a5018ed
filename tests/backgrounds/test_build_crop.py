"""The crop of image, mask and box: one geometry, that of the evaluation transform."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wiseft_jax.backgrounds.build_crop import Crop
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.transforms import eval_transform

SIDES = st.integers(5, 40)


@given(width=SIDES, height=SIDES, size=st.integers(4, 30))
def test_image_and_mask_are_cut_as_the_evaluation_transform_cuts(
    width: int, height: int, size: int
):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
    crop = Crop(width, height, size)
    expected = eval_transform(Preprocess(size, size))(image)
    np.testing.assert_array_equal(crop.image(image), expected)
    mask = rng.random((height, width)) < 0.5
    nearest = eval_transform(Preprocess(size, size, interpolation="nearest"))
    grey = Image.fromarray(np.repeat(mask[..., None] * np.uint8(255), 3, -1))
    np.testing.assert_array_equal(crop.mask(mask), nearest(grey)[..., 0] > 0)


@given(width=SIDES, height=SIDES, size=st.integers(4, 30), data=st.data())
def test_the_box_of_the_crop_holds_the_mask_of_the_crop(
    width: int, height: int, size: int, data: st.DataObject
):
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1 = data.draw(st.integers(x0 + 1, width))
    y1 = data.draw(st.integers(y0 + 1, height))
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    crop = Crop(width, height, size)
    box, kept = crop.box((x0, y0, x1, y1))
    outside = crop.mask(mask).copy()
    outside[box[1] : box[3], box[0] : box[2]] = False
    assert not outside.any()
    assert 0 <= kept <= 1


@pytest.mark.parametrize(
    ("box", "expected", "kept"),
    [
        ((10, 0, 50, 40), (0, 0, 20, 20), 1.0),  # the crop itself
        ((0, 0, 20, 10), (0, 0, 5, 5), 0.5),
        ((0, 0, 10, 40), (0, 0, 0, 20), 0.0),
        ((20, 10, 30, 21), (5, 5, 10, 11), 1.0),  # an edge between pixels moves outwards
    ],
)
def test_known_boxes(box: tuple[int, ...], expected: tuple[int, ...], kept: float):
    assert Crop(60, 40, 20).box(box) == (expected, kept)  # type: ignore[arg-type]
