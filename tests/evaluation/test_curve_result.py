"""Audits have a bound."""

from __future__ import annotations

import pytest

from wiseft_jax.evaluation.curve_result import Audit


def test_no_mismatch_in_many_bounds_the_share() -> None:
    assert Audit(300, 0).upper == pytest.approx(1 - 0.05 ** (1 / 300))  # the rule of three


def test_each_of_several_readings_has_a_share_of_the_risk() -> None:
    assert Audit(300, 0, readings=3).upper == pytest.approx(1 - (0.05 / 3) ** (1 / 300))


def test_where_not_every_alpha_was_drawn_alphas_are_counted() -> None:
    audit = Audit(64, 0, alphas=16, everywhere=False)
    assert audit.upper == pytest.approx(1 - 0.05 ** (1 / 16))


def test_an_empty_audit_says_nothing() -> None:
    assert Audit().upper == 1
