"""Outputs come back in the dataset's order, whatever the order and the padding of batches."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.evaluation.conftest import dataset
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.projection import Projection
from wiseft_jax.evaluation.collected import Collected


def outputs(index: np.ndarray) -> dict[str, np.ndarray]:
    top1 = np.stack([index % 3, (index + 1) % 3]).astype(np.int32)
    return {"top1": top1, "margin": np.ones((2, len(index)), np.float32)}


def test_batches_in_any_order_give_the_datasets_order() -> None:
    data = dataset(5, "five")
    collected = Collected(data, 2)
    for index in (np.array([4, -1]), np.array([2, 0]), np.array([1, 3])):
        assert collected.put(outputs(index), index, index >= 0) == np.sum(index >= 0)
    found = collected.predictions((0.0, 1.0), [])
    assert found.top1[0].tolist() == [0, 1, 2, 0, 1]
    assert np.array_equal(found.correct, found.top1 == data.labels[None])
    assert found.ids == tuple(data.id(position) for position in range(5))


def test_an_example_that_comes_twice_is_a_fault() -> None:
    collected = Collected(dataset(5, "five"), 2)
    index = np.array([1, 2])
    collected.put(outputs(index), index, index >= 0)
    with pytest.raises(AssertionError, match="counted twice"):
        collected.put(outputs(index), index, index >= 0)


def test_nothing_readable_is_refused() -> None:
    collected = Collected(dataset(5, "five"), 2)
    collected.put(outputs(np.arange(5)), np.arange(5), np.zeros(5, bool))
    with pytest.raises(InputError, match="none of its 5 images can be read"):
        collected.predictions((0.0, 1.0), [])


def test_a_projected_set_brings_its_classes() -> None:
    data = dataset(5, "five")
    collected = Collected(data, 2)
    collected.put(outputs(np.arange(5)), np.arange(5), np.ones(5, bool))
    assert collected.predictions((0.0, 1.0), []).class_names == ()
    head = ("a", "b", "c", "d")
    made = Projection.of([[0], [1, 3], [2]], data.class_names, head)
    projected = Collected(dataclasses.replace(data, projection=made), 2)
    projected.put(outputs(np.arange(5)), np.arange(5), np.ones(5, bool))
    assert projected.predictions((0.0, 1.0), []).class_names == data.class_names
