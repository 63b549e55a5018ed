"""Counts by class and by pair of classes, at every alpha."""

from __future__ import annotations

import numpy as np

from tests.reporting.page.page_facts import ALPHAS, predictions
from wiseft_jax.core.projection import NO_CLASS
from wiseft_jax.reporting.page.classes import ClassCounts, class_counts


def confusion_at(counts: ClassCounts, place: int) -> np.ndarray:
    """Return the matrix at one alpha, its last column for no class, from what the page has."""
    classes = len(counts.names)
    found = np.zeros((classes, classes + 1), int)
    for step in counts.right[: place + 1]:
        for label, change in zip(step[::2], step[1::2], strict=True):
            found[label, label] += change
    for step in counts.pairs[: place + 1]:
        for label, answer, change in zip(step[::3], step[1::3], step[2::3], strict=True):
            found[label, answer] += change
    return found


def test_changes_add_up_to_the_confusion_matrix_at_every_alpha():
    stored = predictions("prints", "test", "reference", n=97)
    counts = class_counts(stored, list("abcd"), 0.5)
    assert counts is not None
    assert counts.whole
    assert counts.totals == np.bincount(stored.labels).tolist()
    for place in range(len(ALPHAS)):
        wanted = np.zeros((4, 5), int)
        np.add.at(wanted, (stored.labels, stored.top1[place]), 1)
        np.testing.assert_array_equal(confusion_at(counts, place), wanted)


def test_what_is_no_class_of_the_set_has_a_column_of_its_own():
    stored = predictions("prints", "test", "reference")
    top1 = stored.top1.copy()
    top1[:, 0] = NO_CLASS
    correct = top1 == stored.labels
    correct[:, 1], top1[:, 1] = False, stored.labels[1]  # a logit that isn't finite
    odd = type(stored)(**{**vars(stored), "top1": top1, "correct": correct})
    counts = class_counts(odd, list("abcd"), 0.5)
    assert counts is not None
    assert confusion_at(counts, 0)[:, 4].tolist() == [1, 1, 0, 0]


def test_of_many_classes_the_most_confused_pairs_are_kept():
    stored = predictions("prints", "test", "reference", n=300, classes=100)
    counts = class_counts(stored, [f"c{i}" for i in range(100)], 0.5)
    assert counts is not None
    assert not counts.whole
    pairs = {(a, b) for step in counts.pairs for a, b in zip(step[::3], step[1::3], strict=True)}
    assert 0 < len(pairs) <= 40
    assert sum(counts.right[0][1::2]) == stored.correct[0].sum()


def test_without_labels_there_is_nothing_to_count():
    stored = predictions("prints", "test", "reference")
    blank = type(stored)(**{**vars(stored), "labels": np.full(40, -1, np.int32)})
    assert class_counts(blank, list("abcd"), 0.5) is None
