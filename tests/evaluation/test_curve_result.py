"""Audits have a bound, and curves their best points."""

from __future__ import annotations

import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.curve_result import Audit, best_of


def test_no_mismatch_in_many_bounds_the_share() -> None:
    assert Audit(300, 0).upper == pytest.approx(1 - 0.05 ** (1 / 300))  # the rule of three


def test_an_empty_audit_says_nothing() -> None:
    assert Audit().upper == 1


def test_the_best_points_are_all_of_them() -> None:
    assert best_of([0.0, 0.5, 1.0], [3, 7, 7]) == (7, [0.5, 1.0])


def test_no_points_have_no_best() -> None:
    with pytest.raises(InputError, match="at least one point"):
        best_of([], [])
