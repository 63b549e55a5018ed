"""Scores of sets: kept with their images, through subsets and files."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.core.projection import NO_CLASS
from wiseft_jax.core.scoring import METRICS, Predicted, SetScoring

GROUPS = np.array([0, 1, -1, 1, 0, 2], np.int32)
SETS = (np.array([0, 1]), np.array([3, 2, 4]), np.array([5]))
ALL = SetScoring(tuple(METRICS), ("x", "y", "z"), GROUPS, SETS)


def predicted(correct: list[int], labels: list[int] | None = None) -> Predicted:
    own = np.array(labels or [0, 1, 0, 1, 0, 1])
    right = np.array(correct, bool) & (own >= 0)
    return Predicted(np.where(right, own, 1 - own), right, own)


def test_scores_are_those_of_the_groups_and_sets():
    found = ALL.scores(predicted([1, 1, 1, 0, 1, 0]))
    assert found["worst_region"].value == 0.0
    assert found["worst_region"].group == 2
    assert (found["pm0"].value, found["pm0"].n) == (pytest.approx(1 / 3), 3)
    assert found["pm10"].value == pytest.approx(1 / 3)


def test_images_without_a_label_count_in_nothing():
    found = ALL.scores(predicted([1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 0, -1]))
    assert found["worst_region"].value == 1.0
    assert found["pm0"].n == 2


def test_a_class_that_means_nothing_is_no_hit_of_macro_f1():
    top1 = np.array([0, 0, 1, NO_CLASS])
    labels = np.array([0, 0, 1, 1])
    correct = np.array([True, False, True, False])  # the second one's logits aren't finite
    found = SetScoring(("macro_f1",)).scores(Predicted(top1, correct, labels))
    assert found["macro_f1"].value == pytest.approx(2 / 3)


def test_a_score_that_counts_nothing_is_left_out():
    nothing = SetScoring(tuple(METRICS), ("x",), np.full(6, -1, np.int32))
    assert set(nothing.scores(predicted([1] * 6))) == {"macro_f1"}
    assert ALL.scores(predicted([1] * 6, [-1] * 6)) == {}


def test_a_subset_keeps_groups_and_whole_sets_of_frames():
    found = ALL.subset(np.array([4, 3, 2, 0]))
    np.testing.assert_array_equal(found.groups, [0, 1, -1, 0])
    assert [each.tolist() for each in found.frame_sets] == [[1, 2, 0]]
    assert found.cut == 2
    assert found.subset(np.array([1])).cut == 3


@pytest.mark.parametrize("scoring", [ALL, ALL.subset(np.arange(4)), SetScoring(("macro_f1",))])
def test_a_file_has_all_of_it(scoring: SetScoring):
    found = SetScoring.of_arrays({"labels": GROUPS, **scoring.arrays()})
    assert found is not None
    assert (found.metrics, found.group_names) == (scoring.metrics, scoring.group_names)
    assert [each.tolist() for each in found.frame_sets] == [
        each.tolist() for each in scoring.frame_sets
    ]
    np.testing.assert_array_equal(found.groups, scoring.groups)
    assert found.cut == scoring.cut
    assert SetScoring.of_arrays({"labels": GROUPS}) is None
