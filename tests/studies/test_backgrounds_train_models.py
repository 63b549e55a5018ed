"""The study's models: what they are fed, and which stored ones are taken."""

from __future__ import annotations

import numpy as np

from tests.helpers.small_release import masked_images
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.studies.backgrounds_train_models import answer


def test_images_of_the_models_size_are_fed_as_they_are():
    """Even where the model's own preprocessing would enlarge them before its crop."""
    images = masked_images()
    found = answer(
        lambda _, pixels: pixels.astype(np.int32).sum((1, 2, 3)),
        np.zeros(1),
        images.dataset("original"),
        Preprocess(8, 9),
    )
    np.testing.assert_array_equal(found, images.images.astype(np.int32).sum((1, 2, 3)))
