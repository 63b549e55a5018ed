"""Audits have a bound."""

from __future__ import annotations

import pytest

from wiseft_jax.evaluation.curve_result import Audit


def test_no_mismatch_in_many_bounds_the_share() -> None:
    assert Audit(300, 0).upper == pytest.approx(1 - 0.05 ** (1 / 300))  # the rule of three


def test_an_empty_audit_says_nothing() -> None:
    assert Audit().upper == 1
