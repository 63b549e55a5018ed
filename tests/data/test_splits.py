from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.splits import stratified_split

label_lists = st.lists(st.integers(0, 5), min_size=2, max_size=80).filter(
    lambda labels: any(labels.count(label) > 1 for label in labels)
)


@given(label_lists, st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_the_parts_make_the_whole_and_every_class_is_in_both(
    values: list[int], fraction: float, seed: int
):
    labels = np.array(values)
    kept, held = stratified_split(labels, fraction, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held])), np.arange(len(labels)))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()
    for label in set(values):
        count, part = values.count(label), (labels[held] == label).sum()
        if count == 1:
            assert part == 0
        else:
            assert 1 <= part <= count - 1
            assert abs(part - fraction * count) <= 1


def test_the_seed_decides():
    labels = np.repeat(np.arange(3), 40)
    first, second = stratified_split(labels, 0.2, 0)[1], stratified_split(labels, 0.2, 0)[1]
    np.testing.assert_array_equal(first, second)
    assert (stratified_split(labels, 0.2, 1)[1] != first).any()
    assert np.bincount(labels[first]).tolist() == [8, 8, 8]


def test_single_images_are_named(caplog):
    labels = np.array([0, 0, 1, 2])
    kept, held = stratified_split(labels, 0.5, 0, ["cat", "dog", "owl"])
    assert {2, 3} <= set(kept.tolist())
    assert len(held) == 1
    assert "2 classes have a single image" in caplog.text
    assert "dog, owl" in caplog.text


@pytest.mark.parametrize(
    ("labels", "fraction", "message"),
    [
        ([0, 0], 0.0, "between 0 and 1, found 0"),
        ([0, 0], 1.0, "between 0 and 1"),
        ([0, 0, -1], 0.5, "some images have no label"),
        ([0, 1, 2], 0.5, "can't hold out 50% of 3 images: no class has two"),
        ([], 0.5, "can't hold out 50% of 0 images"),
    ],
)
def test_what_can_not_be_split_is_refused(labels: list[int], fraction: float, message: str):
    with pytest.raises(InputError, match=message):
        stratified_split(np.array(labels, np.int64), fraction, 0)
