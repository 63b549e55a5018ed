"""The numbers of a saliency map against exact values, scikit-learn and chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.saliency import auroc, energy_in_mask, enlarge_map, iou_at_mask_area

VALUES = np.asarray([[4.0, 3.0], [2.0, 1.0]])
LEFT = np.asarray([[True, False], [True, False]])
NOTHING, ALL = np.zeros((2, 2), bool), np.ones((2, 2), bool)


def test_energy_by_hand():
    assert energy_in_mask(VALUES, LEFT) == pytest.approx(6 / 10, abs=1e-15)
    assert energy_in_mask(VALUES, NOTHING) == 0
    assert energy_in_mask(VALUES, ALL) == 1
    assert energy_in_mask(np.ones((2, 2)), LEFT) == 0.5
    assert math.isnan(energy_in_mask(np.zeros((2, 2)), LEFT))


def test_energy_refuses_a_signed_map():
    with pytest.raises(InputError, match="take its positive part"):
        energy_in_mask(VALUES - 2, LEFT)


def test_auroc_by_hand():
    assert auroc(VALUES, LEFT) == 0.75  # 4 beats 3 and 1, 2 beats 1
    assert auroc(-VALUES, LEFT) == 0.25
    assert auroc(np.ones((2, 2)), LEFT) == 0.5
    assert math.isnan(auroc(VALUES, NOTHING))
    assert math.isnan(auroc(VALUES, ALL))


@pytest.mark.parametrize("levels", [3, 10_000])
def test_auroc_is_scikit_learns_with_ties_too(levels: int):
    rng = np.random.default_rng(levels)
    values = rng.integers(-levels, levels, (20, 30)) / 7
    mask = rng.random((20, 30)) < 0.3
    assert auroc(values, mask) == pytest.approx(
        roc_auc_score(mask.ravel(), values.ravel()), abs=1e-12
    )


def test_iou_by_hand():
    top = np.asarray([[True, True], [False, False]])
    assert iou_at_mask_area(VALUES, top) == 1
    assert iou_at_mask_area(VALUES, ~top) == 0
    assert iou_at_mask_area(VALUES, LEFT) == pytest.approx(1 / 3, abs=1e-15)
    assert iou_at_mask_area(VALUES, ALL) == 1
    assert math.isnan(iou_at_mask_area(VALUES, NOTHING))


def test_iou_of_equal_values_is_that_of_chance_in_any_order():
    flat = np.zeros((2, 2))
    assert iou_at_mask_area(flat, LEFT) == pytest.approx(1 / 3, abs=1e-15)  # 1 of 2 in common
    assert iou_at_mask_area(flat, ~LEFT) == pytest.approx(1 / 3, abs=1e-15)
    tied = np.asarray([[2.0, 1.0, 1.0, 0.0]])
    mask = np.asarray([[True, True, False, False]])
    assert iou_at_mask_area(tied, mask) == pytest.approx(1.5 / 2.5, abs=1e-15)


@pytest.mark.parametrize("number", [energy_in_mask, auroc, iou_at_mask_area])
def test_a_map_that_is_not_finite_is_refused(number):
    with pytest.raises(InputError, match="expected finite values"):
        number(np.asarray([[1.0, np.nan], [0.0, 1.0]]), LEFT)


def test_enlarging_keeps_the_place():
    values = np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    found = enlarge_map(values, 4, 9)
    np.testing.assert_array_equal(found, values.repeat(2, 0).repeat(3, 1))
    smooth = enlarge_map(values, 4, 9, "bilinear")
    assert smooth[0, 0] == 1
    assert smooth[-1, -1] == 6
    assert (np.diff(smooth, axis=0) >= 0).all()
    assert energy_in_mask(found, found > 3) == pytest.approx(15 / 21)
