from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.helpers.small_release import small_images
from wiseft_jax.backgrounds.feeding import fed_images, fit_masked, how_fed
from wiseft_jax.backgrounds.tiling import box_of_mask
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess

IMAGES = small_images()


def test_images_of_the_models_size_are_fed_as_they_are():
    """Even where the model's own preprocessing would enlarge them before its crop."""
    preprocess = Preprocess(size=8, resize=10)
    assert fed_images(IMAGES.images, preprocess) is IMAGES.images
    assert fit_masked(IMAGES, preprocess) is IMAGES
    assert how_fed(8, 8, preprocess) == "fed without resizing (8 x 8)"


def test_others_are_prepared_with_their_masks():
    preprocess = Preprocess(size=16, resize=16, interpolation="nearest")
    found = fit_masked(IMAGES, preprocess)
    assert np.array_equal(found.images, IMAGES.images.repeat(2, 1).repeat(2, 2))
    assert np.array_equal(found.tiled, IMAGES.tiled.repeat(2, 1).repeat(2, 2))
    areas = found.masks.sum((1, 2)) / IMAGES.masks.sum((1, 2))
    assert np.all(np.abs(areas - 4) < 0.5)
    assert found.boxes.tolist() == [list(box_of_mask(mask)) for mask in found.masks]
    assert how_fed(8, 8, preprocess) == "8 x 8 resized to 16 (nearest)"
    assert (
        how_fed(8, 8, Preprocess(size=4, resize=6)) == "8 x 8 resized to 6 (bicubic), 4 x 4 cropped"
    )


def test_an_object_that_vanishes_is_an_error():
    masks = np.zeros_like(IMAGES.masks)
    masks[:, 0, 0] = True
    tiny = dataclasses.replace(IMAGES, masks=masks)
    with pytest.raises(InputError, match="nothing of the object is left"):
        fit_masked(tiny, Preprocess(size=2, resize=4))
