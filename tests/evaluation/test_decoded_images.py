"""Images in memory: the pixels of the pipeline, padding, what can't be read."""

from __future__ import annotations

import dataclasses

import numpy as np

from tests.evaluation.conftest import dataset
from tests.evaluation.test_evaluator import broken
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.evaluation.decoded_images import DecodedImages

SMALL = Preprocess(size=8, resize=10)


def test_batches_have_the_pixels_of_the_pipeline():
    data = dataset(9, "some")
    images = DecodedImages(data, SMALL, batch_size=4, num_threads=0)
    (whole,) = eval_batches(data, SMALL, batch_size=9)
    assert images.hold(np.array([7, 2, 5, 0, 1])) == []
    batch = images.batch(np.array([5, 7]), 4)
    np.testing.assert_array_equal(batch["image"][:2], whole["image"][[5, 7]])
    assert not batch["image"][2:].any()
    assert batch["index"].tolist() == [5, 7, -1, -1]
    assert batch["mask"].tolist() == [True, True, False, False]


def test_only_what_was_asked_for_last_is_held():
    images = DecodedImages(dataset(9, "some"), SMALL, batch_size=4, num_threads=0)
    for examples, held in (([1, 2, 3], 3), ([3, 1], 3), ([4, 1], 2)):
        images.hold(np.array(examples))
        assert len(images) == held


def test_an_image_that_cannot_be_read_is_told_and_masked():
    data = dataclasses.replace(broken(dataset(9, "some"), {2}), skipped=())
    images = DecodedImages(data, SMALL, batch_size=4, num_threads=0)
    (line,) = images.hold(np.array([1, 2]))
    assert line.startswith("some[2]: ")
    assert images.hold(np.array([2])) == []  # told once
    batch = images.batch(np.array([1, 2]), 2)
    assert batch["mask"].tolist() == [True, False]
    assert batch["index"].tolist() == [1, 2]
