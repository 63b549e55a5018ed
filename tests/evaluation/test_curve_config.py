"""Defaults of the curve."""

from __future__ import annotations

import pytest

from wiseft_jax.evaluation.curve_config import LEAST_NODES, CurveConfig, expected_passes


def test_the_default_is_not_exact_and_is_audited() -> None:
    config = CurveConfig()
    assert not config.exact
    assert config.audit > 0


def test_the_quickstarts_measured_passes_are_expected() -> None:
    # docs/alpha-engine.md: 21 alphas, with a tolerance and without.
    grid = tuple(step / 20 for step in range(21))
    found = expected_passes(CurveConfig(exact=True, tol=0.01), grid)
    assert found.nodes == (LEAST_NODES, 17)
    assert found.low < 5.5 < 6.0 < 18.1 < found.high < found.rough
    assert expected_passes(CurveConfig(exact=True), grid).low < 5.5


@pytest.mark.parametrize(
    ("alphas", "changes", "most"),
    [(11, {}, 9), (9, {}, 5), (101, {}, 17), (101, {"max_nodes": 33}, 33), (11, {"tol": 0.01}, 17)],
)
def test_nodes_that_cost_more_than_the_grid_are_not_expected(
    alphas: int, changes: dict, most: int
) -> None:
    grid = tuple(step / 128 for step in range(alphas))
    found = expected_passes(CurveConfig(audit=0.0, **changes), grid)
    assert found.nodes == (5, most)
    assert (found.low, found.rough) == (5, most + alphas)


def test_a_wider_grid_evaluates_both_ends_too() -> None:
    config = CurveConfig(audit=0.0)
    assert expected_passes(config, (-0.5, 1.0)).low == expected_passes(config, (0.5, 1.5)).low == 7
