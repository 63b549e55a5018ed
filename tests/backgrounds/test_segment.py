"""GrabCut: the object of a picture, the same each time, and what it can't do."""

from __future__ import annotations

import concurrent.futures
import importlib.util

import numpy as np
import pytest

from tests.backgrounds.disc_photos import disc, photo
from wiseft_jax.backgrounds.segment import SegmentationError, grab_cut, require_opencv
from wiseft_jax.backgrounds.tiling import box_of_mask
from wiseft_jax.core.errors import InputError


def test_the_object_is_found_and_nothing_out_of_the_box():
    pytest.importorskip("cv2")
    truth = disc(3)
    x0, y0, x1, y1 = box_of_mask(truth)
    mask = grab_cut(photo(3), (x0, y0, x1, y1))
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95
    outside = mask.copy()
    outside[y0:y1, x0:x1] = False
    assert not outside.any()


def test_the_same_mask_in_any_thread_and_after_any_other():
    cv2 = pytest.importorskip("cv2")
    boxes = [box_of_mask(disc(index)) for index in range(6)]
    alone = [grab_cut(photo(index), box) for index, box in enumerate(boxes)]
    cv2.setRNGSeed(99)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        order = [4, 2, 0, 5, 1, 3]
        found = pool.map(lambda index: grab_cut(photo(index), boxes[index]), order)
        for index, mask in zip(order, found, strict=True):
            np.testing.assert_array_equal(mask, alone[index])


def test_an_image_of_one_colour_has_no_object():
    pytest.importorskip("cv2")
    with pytest.raises(SegmentationError, match="GrabCut"):
        grab_cut(np.zeros((20, 20, 3), np.uint8), (5, 5, 15, 15))


def test_a_box_that_covers_the_image_is_refused():
    pytest.importorskip("cv2")
    with pytest.raises(InputError, match="covers the whole image"):
        grab_cut(photo(0), (0, 0, 60, 40))


def test_without_opencv_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "cv2" else find(name)
    )
    with pytest.raises(InputError, match=r"pip install 'wiseft-jax\[segment\]'"):
        require_opencv()
