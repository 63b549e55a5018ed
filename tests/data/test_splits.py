from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.errors import InputError
from wiseft_jax.data.source import array_dataset
from wiseft_jax.data.splits import halves, stratified_split

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


@given(st.integers(2, 40), st.integers(0, 2**40))
def test_halves_share_no_image_and_make_the_whole(count: int, seed: int):
    whole = array_dataset(
        np.zeros((count, 1, 1, 3), np.uint8), np.arange(count), tuple(map(str, range(count)))
    )
    whole = whole.subset(np.arange(count)[::-1], role="shift")
    first, second = halves(whole, seed)
    assert (len(first), len(second)) == (count // 2, count - count // 2)
    positions = [each.source_index(i) for each in (first, second) for i in range(len(each))]
    assert sorted(positions) == list(range(count))
    for half in (first, second):
        assert (half.name, half.split, half.role) == (whole.name, whole.split, "shift")
        assert [half.source_index(i) for i in range(len(half))] == half.labels.tolist()


def test_halves_are_drawn_by_the_seed_and_look_at_no_label():
    def draw(labels: np.ndarray, seed: int) -> list[int]:
        images = np.zeros((20, 1, 1, 3), np.uint8)
        half = halves(array_dataset(images, labels, ("a", "b")), seed)[0]
        return [half.source_index(position) for position in range(len(half))]

    zeros, mixed = np.zeros(20, int), np.arange(20) % 2
    assert draw(zeros, 0) == draw(mixed, 0)
    assert draw(zeros, 0) != draw(zeros, 1)


def test_one_image_has_no_halves():
    whole = array_dataset(np.zeros((1, 1, 1, 3), np.uint8), np.zeros(1, int), ("a",))
    with pytest.raises(InputError, match="memory: 1 image can't be split"):
        halves(whole, 0)
