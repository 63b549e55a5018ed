"""Nodes and the barycentric formula: nesting, exactness on polynomials, geometric convergence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import Chebyshev

from wiseft_jax.core.lobatto import LEVELS, barycentric_matrix, lobatto_nodes, nested_order


@pytest.mark.parametrize("count", [2, *LEVELS])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.5, 1.5)])
def test_nodes_are_the_extrema_with_exact_ends(count: int, low: float, high: float) -> None:
    nodes = lobatto_nodes(count, low, high)
    angles = np.pi * np.arange(count)[::-1] / (count - 1)
    np.testing.assert_allclose(nodes, low + (high - low) * (1 + np.cos(angles)) / 2, atol=2e-7)
    assert (nodes[0], nodes[-1]) == (low, high)
    assert np.array_equal(nodes, np.float32(nodes))
    assert (np.diff(nodes) > 0).all()


def test_the_middle_is_a_half() -> None:
    assert lobatto_nodes(5)[2] == 0.5


@pytest.mark.parametrize(("coarse", "fine"), list(itertools.pairwise(LEVELS)))
def test_levels_are_nested_bit_for_bit(coarse: int, fine: int) -> None:
    assert np.array_equal(lobatto_nodes(coarse), lobatto_nodes(fine)[::2])


def test_nested_order_brings_each_level_in_turn() -> None:
    order = nested_order((3, 5, 9))
    assert sorted(order.tolist()) == list(range(9))
    nodes = lobatto_nodes(9)[order]
    for count in (3, 5, 9):
        assert np.array_equal(np.sort(nodes[:count]), lobatto_nodes(count))


def test_levels_that_are_not_nested_are_refused() -> None:
    with pytest.raises(ValueError, match="7 nodes don't contain those of 5"):
        nested_order((3, 5, 7))


@pytest.mark.parametrize("arguments", [(1, 0.0, 1.0), (5, 1.0, 1.0)])
def test_no_interval_is_refused(arguments: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="proper interval"):
        lobatto_nodes(*arguments)


@given(st.sampled_from(LEVELS[:4]), st.integers(0, 2**32 - 1), st.booleans())
def test_polynomials_below_the_number_of_nodes_are_reproduced(
    count: int, seed: int, wide: bool
) -> None:
    rng = np.random.default_rng(seed)
    low, high = (-1.0, 2.0) if wide else (0.0, 1.0)
    polynomial = Chebyshev(rng.standard_normal(count), domain=[low, high])
    nodes = lobatto_nodes(count, low, high)[rng.permutation(count)]
    at = np.concatenate([rng.uniform(low, high, 50), nodes[:2]])
    found = barycentric_matrix(at, nodes) @ polynomial(nodes)
    np.testing.assert_allclose(found, polynomial(at), atol=1e-11)


def test_a_polynomial_of_higher_degree_is_not() -> None:
    polynomial = Chebyshev([0, 0, 0, 0, 0, 1.0], domain=[0, 1])
    nodes = lobatto_nodes(5)
    at = np.linspace(0, 1, 21)
    assert np.abs(barycentric_matrix(at, nodes) @ polynomial(nodes) - polynomial(at)).max() > 0.5


def test_a_node_gives_its_value_exactly() -> None:
    nodes = lobatto_nodes(9)
    assert np.array_equal(barycentric_matrix(nodes, nodes), np.eye(9))


def test_the_error_of_an_analytic_function_falls_geometrically() -> None:
    at = np.linspace(0, 1, 101)
    errors = []
    for count in (3, 5, 9):
        nodes = lobatto_nodes(count)
        values = 1 / (1 + nodes * nodes)
        errors.append(np.abs(barycentric_matrix(at, nodes) @ values - 1 / (1 + at * at)).max())
    assert errors[1] < errors[0] / 10
    assert errors[2] < errors[1] / 100
