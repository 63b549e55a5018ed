from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9
from wiseft_jax.backgrounds.predictor import Predictor
from wiseft_jax.core.preprocess import Preprocess


def predictor_of(classes: int, *, thousand: bool = False) -> tuple[Predictor, list[tuple]]:
    """A linear model of the mean colour; it notes each shape that it is compiled for."""
    kernel = np.random.default_rng(0).normal(size=(3, classes)).astype(np.float32)
    shapes: list[tuple] = []

    def logits(params: Any, images: Any) -> Any:
        shapes.append(images.shape)
        return jnp.mean(images.astype(jnp.float32), axis=(1, 2)) @ params

    names = tuple(f"class {index}" for index in range(classes))
    preprocess = Preprocess(size=4, resize=4)
    made = Predictor("m", "p", "w", names, preprocess, logits, kernel, thousand)
    return made, shapes


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (11, 4, 4, 3), np.uint8)


def test_answers_do_not_depend_on_batches(images: np.ndarray):
    predictor, shapes = predictor_of(5)
    expected = (images.mean((1, 2)) @ predictor.params).argmax(1)
    for batch_size in (3, 11, 64):
        assert np.array_equal(predictor.predict(images, batch_size), expected)
    assert shapes == [(3, 4, 4, 3), (11, 4, 4, 3)]  # a shape is compiled once


def test_a_thousand_classes_are_mapped_after_the_arg_max(images: np.ndarray):
    predictor, _ = predictor_of(1000, thousand=True)
    best = (images.mean((1, 2)) @ predictor.params).argmax(1)
    found = predictor.predict(images)
    assert np.array_equal(found, IMAGENET_TO_IN9[best])
    assert (found == -1).any()


def test_no_images_have_no_answers():
    predictor, _ = predictor_of(3)
    assert predictor.predict(np.zeros((0, 4, 4, 3), np.uint8)).shape == (0,)
