"""Defaults of the curve."""

from __future__ import annotations

from wiseft_jax.evaluation.curve_config import CurveConfig


def test_the_default_is_not_exact_and_is_audited() -> None:
    config = CurveConfig()
    assert not config.exact
    assert config.audit > 0
