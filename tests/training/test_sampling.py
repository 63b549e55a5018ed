"""Few shots and balanced classes: counts, nesting, and the words for what is missing."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.toy import CLASS_NAMES, SIZE, toy_config
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.training.options import TrainOptions
from wiseft_jax.training.sampling import balanced, few_shots, training_images

labels_strategy = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.asarray)


def dataset(labels: list[int]) -> Dataset:
    images = np.zeros((len(labels), SIZE, SIZE, 3), np.uint8)
    return array_dataset(images, np.asarray(labels), CLASS_NAMES, name="few", split="train")


@given(labels=labels_strategy, shots=st.integers(1, 8), seed=st.integers(0, 5))
def test_each_class_gives_its_shots_once(labels: np.ndarray, shots: int, seed: int):
    positions = few_shots(labels, shots, seed)
    assert len(set(positions.tolist())) == len(positions)
    assert (np.diff(positions) > 0).all()
    counts = np.bincount(labels[positions], minlength=5)
    np.testing.assert_array_equal(counts, np.minimum(np.bincount(labels, minlength=5), shots))
    assert set(positions) <= set(few_shots(labels, shots + 1, seed))


@given(labels=labels_strategy, seed=st.integers(0, 5))
def test_balanced_classes_are_as_large_as_the_largest(labels: np.ndarray, seed: int):
    positions = balanced(labels, seed)
    counts = np.bincount(labels[positions], minlength=5)
    present = np.bincount(labels, minlength=5) > 0
    assert set(counts[present]) == {np.bincount(labels).max()}
    assert not counts[~present].any()
    times = np.bincount(positions, minlength=len(labels))
    for label in np.unique(labels):
        own = times[labels == label]
        assert own.min() >= 1
        assert own.max() - own.min() <= 1


def test_seeds_draw_other_images():
    labels = np.repeat(np.arange(3), 20)
    assert not np.array_equal(few_shots(labels, 4, 0), few_shots(labels, 4, 1))


def test_a_class_that_is_too_small_is_named(caplog: pytest.LogCaptureFixture):
    config = toy_config(recipe="few_shot", options=TrainOptions(shots=3))
    few = training_images(dataset([0, 0, 0, 0, 1, 2, 2, 2]), config)
    assert np.bincount(few.labels).tolist() == [3, 1, 3]
    assert "1 class has fewer images than training.options.shots 3" in caplog.text
    assert "green" in caplog.text


def test_shots_come_before_balance(caplog: pytest.LogCaptureFixture):
    config = toy_config(recipe="few_shot", options=TrainOptions(shots=3, class_balance=True))
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        few = training_images(dataset([0, 0, 0, 0, 1, 2, 2, 2]), config)
    assert np.bincount(few.labels).tolist() == [3, 3, 3]
    assert "9 images, 2 of them repeated" in caplog.text


def test_without_options_it_is_the_training_set_itself():
    train = dataset([0, 1, 2])
    assert training_images(train, toy_config()) is train
