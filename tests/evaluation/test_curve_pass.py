"""The grid of a pass: what was asked for, and the tabulated alphas between."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.evaluation.curve_pass import working_grid


@pytest.mark.parametrize(
    ("alphas", "low", "high"),
    [((0.0, 0.5, 1.0), 0, 1), ((0.3,), 0, 1), ((-0.5, 0.25), -0.5, 1), ((0.5, 1.25), 0, 1.25)],
)
def test_the_grid_holds_what_was_asked_for_and_both_ends(
    alphas: tuple[float, ...], low: float, high: float
) -> None:
    grid, asked = working_grid(alphas, 11)
    assert grid[asked].tolist() == list(alphas)
    assert {0.0, 1.0} <= set(grid.tolist())
    assert (grid[0], grid[-1]) == (low, high)
    assert (np.diff(grid.astype(np.float32)) > 0).all()


def test_alphas_equal_in_float32_are_one() -> None:
    alphas = tuple(step / 10 for step in range(11))  # 0.3 isn't linspace's 0.30000000000000004
    assert len(working_grid(alphas, 101)[0]) == 101
