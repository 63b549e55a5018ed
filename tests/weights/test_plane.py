"""The plane: distances, exact corners, shares that give back a point, models bit for bit."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.weights.interpolate import lerp
from wiseft_jax.weights.plane import at_point, nesting, plane_through


def tree(seed: int, scale: float = 1.0) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "a": {"kernel": (scale * rng.standard_normal((4, 3))).astype(np.float32)},
        "b": (scale * rng.standard_normal(5)).astype(np.float32),
        "count": np.asarray(7, np.int32),
    }


def vector(theta: dict) -> np.ndarray:
    leaves = flatten_paths(theta)
    return np.concatenate([np.ravel(leaves[name]).astype(np.float64) for name in ("a/kernel", "b")])


THETAS = (tree(0), tree(1), tree(2))
VECTORS = [vector(theta) for theta in THETAS]
PLANE = plane_through(*THETAS)


def test_distances_in_the_plane_are_those_of_weights():
    corners = PLANE.corners
    for i, j in ((0, 1), (0, 2), (1, 2)):
        wanted = np.linalg.norm(VECTORS[i] - VECTORS[j])
        assert np.linalg.norm(corners[i] - corners[j]) == pytest.approx(wanted, rel=1e-12)
    assert PLANE.height > 0


def test_the_axes_are_gram_and_schmidts():
    u, v = VECTORS[1] - VECTORS[0], VECTORS[2] - VECTORS[0]
    first = u / np.linalg.norm(u)
    second = v - (v @ first) * first
    second /= np.linalg.norm(second)
    points = np.array([[0.3, -1.2], [5.0, 2.0]])
    for (x, y), shares in zip(points, PLANE.weights(points), strict=True):
        expected = VECTORS[0] + x * first + y * second
        np.testing.assert_allclose(shares @ np.stack(VECTORS), expected, atol=1e-12)


@pytest.mark.parametrize("seeds", [(0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11)])
def test_corners_have_shares_of_exactly_one_and_zero(seeds: tuple[int, int, int]):
    plane = plane_through(*(tree(seed) for seed in seeds))
    np.testing.assert_array_equal(plane.weights(plane.corners), np.eye(3))


@given(st.lists(st.floats(-4, 4), min_size=2, max_size=2))
def test_shares_sum_to_one_and_lead_back_to_the_point(point: list[float]):
    shares = PLANE.weights(np.array([point]))
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(shares @ PLANE.corners, [point], atol=1e-9)


@pytest.mark.parametrize(
    "weights", [(1, 1, -1), (-1, 1, 1), (1, -1, 1), (3, 3, -5), (0.2, 0.3, 0.5)]
)
def test_a_model_at_a_point_is_the_sum_of_shares(weights: tuple[float, ...]):
    """Also where one of two nested interpolations would divide by zero."""
    last, inner, outer = nesting(np.array([weights], float))
    theta = jax.jit(at_point)(THETAS, last[0], inner[0], outer[0])
    expected = sum(w * v for w, v in zip(weights, VECTORS, strict=True))
    np.testing.assert_allclose(vector(theta), expected, atol=1e-5)
    assert theta["count"] == 7


def test_corners_are_the_models_bit_for_bit_and_the_segment_is_lerps():
    points = np.concatenate([PLANE.corners, [[0.3 * PLANE.base, 0]]])
    last, inner, outer = nesting(PLANE.weights(points))
    step = jax.jit(at_point)
    wanted = [*THETAS, jax.jit(lerp)(THETAS[0], THETAS[1], inner[3])]
    assert inner[3] == pytest.approx(0.3)
    assert outer[3] == 0
    for row, expected in enumerate(wanted):
        found = step(THETAS, last[row], inner[row], outer[row])
        for path, leaf in flatten_paths(found).items():
            np.testing.assert_array_equal(leaf, flatten_paths(expected)[path], err_msg=path)


def test_the_grid_holds_the_models_with_room_around_them():
    grid = PLANE.grid(5, margin=0.25)
    assert grid.shape == (5, 5, 2)
    low, high = PLANE.corners.min(0), PLANE.corners.max(0)
    free = 0.25 * (high - low).max()
    np.testing.assert_allclose(grid[0, 0], low - free)
    np.testing.assert_allclose(grid[-1, -1], high + free)
    np.testing.assert_allclose(np.diff(grid[0, :, 0]), np.diff(grid[0, :, 0])[0])
    assert (grid[2, :, 1] == grid[2, 0, 1]).all()


def test_models_on_one_line_have_no_plane():
    theta_0, theta_1 = THETAS[:2]
    near = jax.tree_util.tree_map(np.asarray, lerp(theta_0, theta_1, 1e-3))
    between = jax.tree_util.tree_map(np.asarray, lerp(theta_0, near, 0.37))
    with pytest.raises(InputError, match="lies on the line"):
        plane_through(theta_0, near, between)  # short: of the direction only rounding is left
    between = jax.tree_util.tree_map(np.asarray, lerp(theta_0, theta_1, 0.5))
    with pytest.raises(InputError, match="lies on the line"):
        plane_through(theta_0, theta_1, between)
    with pytest.raises(InputError, match="lies on the line"):
        plane_through(theta_0, theta_1, theta_0)
    with pytest.raises(InputError, match="theta_1 is theta_0"):
        plane_through(theta_0, theta_0, theta_1)


def test_trees_of_other_models_are_refused():
    other = {**THETAS[2], "b": np.zeros(4, np.float32)}
    with pytest.raises(InputError, match=r"theta_2 and theta_0 .*b: theta_2 has \(4,\)"):
        plane_through(THETAS[0], THETAS[1], other)
