import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from wiseft_jax.backgrounds import pair_backgrounds
from wiseft_jax.core.errors import InputError

KINDS = ("mixed_same", "mixed_rand", "mixed_next")
GOLDEN = {
    "mixed_same": [2, 2, 1, 4, 5, 3, 8, 8, 7],
    "mixed_rand": [7, 4, 6, 3, 7, 7, 6, 2, 2],
    "mixed_next": [3, 4, 4, 7, 8, 8, 2, 2, 2],
}
"""Of three images of each of three classes, seed 0."""


def labels_of(counts: list[int], seed: int = 0) -> np.ndarray:
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(labels)


@given(st.lists(st.integers(2, 9), min_size=1, max_size=5), st.integers(0, 50))
def test_same_class_and_never_itself(counts: list[int], seed: int):
    labels = labels_of(counts, seed)
    partner = pair_backgrounds(labels, "mixed_same", seed)
    assert np.array_equal(labels[partner], labels)
    assert (partner != np.arange(len(labels))).all()


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(0, 50))
def test_next_class_wraps_around(counts: list[int], seed: int):
    labels = labels_of(counts, seed)
    partner = pair_backgrounds(labels, "mixed_next", seed)
    assert np.array_equal(labels[partner], (labels + 1) % len(counts))


def test_a_random_class_does_not_depend_on_the_label_or_on_sizes():
    labels = labels_of([4000, 500, 1500])
    lent = labels[pair_backgrounds(labels, "mixed_rand", 3)]
    for own in range(3):
        counts = np.bincount(lent[labels == own], minlength=3)
        assert chisquare(counts).pvalue > 1e-3
    assert (lent == labels).any()  # its own class may be drawn


def test_every_other_image_of_the_class_is_as_likely():
    labels = np.zeros(5, int)
    found = np.stack([pair_backgrounds(labels, "mixed_same", seed) for seed in range(2000)])
    for own in range(5):
        counts = np.bincount(found[:, own], minlength=5)
        assert counts[own] == 0
        assert chisquare(np.delete(counts, own)).pvalue > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_and_nothing_else(kind: str):
    labels = labels_of([20, 30, 25])
    first = pair_backgrounds(labels, kind, 7)
    assert first.dtype == np.int64
    assert np.array_equal(first, pair_backgrounds(labels.astype(np.int8), kind, 7))
    assert not np.array_equal(first, pair_backgrounds(labels, kind, 8))


def test_the_table_is_the_same_for_ever():
    labels = np.asarray([0, 0, 0, 1, 1, 1, 2, 2, 2])
    found = {kind: pair_backgrounds(labels, kind, 0).tolist() for kind in KINDS}
    assert found == GOLDEN


def test_classes_without_images_lend_none():
    labels = np.asarray([0, 0, 2, 2])
    assert set(labels[pair_backgrounds(labels, "mixed_rand", 0, num_classes=4)]) <= {0, 2}
    with pytest.raises(InputError, match="found 0 of class 1"):
        pair_backgrounds(labels, "mixed_next", 0, num_classes=4)


def test_a_lone_image_has_no_other_of_its_class():
    with pytest.raises(InputError, match=r"at least 2 image\(s\).* found 1 of class 1"):
        pair_backgrounds(np.asarray([0, 0, 1]), "mixed_same", 0)


@pytest.mark.parametrize("labels", [[-1, 0], [0, 3]])
def test_labels_out_of_range_are_refused(labels: list[int]):
    with pytest.raises(InputError, match="expected 0 to 2"):
        pair_backgrounds(np.asarray(labels), "mixed_rand", 0, num_classes=3)


def test_an_unknown_kind_is_refused_and_nothing_has_no_partners():
    with pytest.raises(InputError, match="Did you mean 'mixed_rand'"):
        pair_backgrounds(np.zeros(3, int), "mixed_random", 0)
    assert pair_backgrounds(np.zeros(0, int), "mixed_rand", 0).shape == (0,)
