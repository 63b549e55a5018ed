"""Outputs come back in the dataset's order, whatever the order and the padding of batches."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.evaluation.conftest import dataset
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.projection import Projection
from wiseft_jax.evaluation.collected import Collected, compacted


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


def test_what_is_read_takes_the_memory_that_is_there() -> None:
    whole = np.arange(60, dtype=np.float32).reshape(3, 5, 4)
    expected, read = whole[:, [0, 2, 3]].copy(), np.array([0, 2, 3])
    found = compacted(whole, read)
    np.testing.assert_array_equal(found, expected)
    assert found.flags.c_contiguous
    assert np.shares_memory(found, whole)
    assert compacted(whole, np.arange(5)) is whole
    assert compacted(whole, np.zeros(0, int)).shape == (3, 0, 4)


def test_logits_may_be_of_fewer_alphas() -> None:
    data, index = dataset(5, "five"), np.arange(5)
    collected = Collected(data, 2)
    logits = np.arange(15, dtype=np.float32).reshape(1, 5, 3)
    collected.put(outputs(index) | {"logits": logits}, index, index != 3)
    found = collected.predictions((0.0, 1.0), ["five[3]: truncated"], logit_alphas=(1.0,))
    np.testing.assert_array_equal(found.logits_at(1.0), logits[0, [0, 1, 2, 4]])
    assert found.top1.shape == (2, 4)


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
