"""Crossings against lines and polynomials whose roots are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import Chebyshev

from wiseft_jax.core.lobatto import lobatto_nodes
from wiseft_jax.evaluation.crossings import Crossings, find_crossings, reconcile
from wiseft_jax.evaluation.logit_polynomial import LogitPolynomial

GRID = np.linspace(0, 1, 51)


def lines(z_0: np.ndarray, z_1: np.ndarray) -> LogitPolynomial:
    nodes = lobatto_nodes(3)
    values = (1 - nodes)[:, None, None] * z_0[None] + nodes[:, None, None] * z_1[None]
    return LogitPolynomial(nodes, values, None)


def classes(polynomial: LogitPolynomial, grid: np.ndarray) -> np.ndarray:
    count = polynomial.values.shape[1]
    rows = np.arange(count)
    return np.stack([np.argmax(polynomial.logits(rows, np.full(count, at)), axis=1) for at in grid])


def test_two_lines_cross_where_they_are_equal() -> None:
    polynomial = lines(np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    found = find_crossings(polynomial, GRID, classes(polynomial, GRID))
    np.testing.assert_allclose(found.alpha, [0.75], atol=1e-11)
    assert (found.example[0], found.before[0], found.after[0]) == (0, 0, 1)


def test_a_third_class_within_one_cell_is_found() -> None:
    """Class 1 wins between 0.4975 and 0.5025 only, and the grid has no point there."""
    polynomial = lines(np.array([[100.0, 50.25, 0.0]]), np.array([[0.0, 50.25, 100.0]]))
    grid = np.array([0.0, 0.49, 0.51, 1.0])
    found = find_crossings(polynomial, grid, classes(polynomial, grid))
    np.testing.assert_allclose(found.alpha, [0.4975, 0.5025], atol=1e-10)
    assert found.before.tolist() == [0, 1]
    assert found.after.tolist() == [1, 2]


@given(st.integers(0, 2**32 - 1))
def test_roots_of_polynomials_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = lobatto_nodes(9)
    difference = Chebyshev(rng.standard_normal(9), domain=[0, 1])
    values = np.stack([np.zeros(9), difference(nodes)], axis=-1)[:, None]
    polynomial = LogitPolynomial(nodes, values, None)
    found = find_crossings(polynomial, GRID, classes(polynomial, GRID))
    roots = difference.roots()
    real = np.sort(roots[np.abs(roots.imag) < 1e-12].real)
    signs = np.sign(difference(GRID))
    assert len(found) == np.sum(signs[:-1] != signs[1:])
    for at in found.alpha:
        assert np.min(np.abs(real - at)) < 1e-9


def test_no_change_is_no_crossing() -> None:
    polynomial = lines(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]]))
    assert len(find_crossings(polynomial, GRID, classes(polynomial, GRID))) == 0


def test_a_tie_that_rounding_called_otherwise_is_no_crossing() -> None:
    polynomial = lines(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]]))
    top1 = classes(polynomial, GRID)
    top1[7] = 1  # claimed by a program that rounds otherwise
    assert len(find_crossings(polynomial, GRID, top1)) == 0


def some() -> Crossings:
    return Crossings(
        np.array([0.2, 0.5, 0.5, 0.9]),
        np.array([0, 1, 2, 0], np.int32),
        np.array([1, 0, 2, 0], np.int32),
        np.array([0, 2, 0, 1], np.int32),
    )


def test_flips_and_steps_count_right_answers() -> None:
    labels = np.array([1, 2, 2])
    lost, won = some().flips(labels)
    assert lost.tolist() == [0.2, 0.5]
    assert won.tolist() == [0.5, 0.9]
    places, hits = some().steps(2, labels)
    assert places.tolist() == [0.2, 0.5, 0.9]
    assert hits.tolist() == [1, 1, 2]


def test_unlabelled_examples_neither_win_nor_lose() -> None:
    lost, won = some().flips(np.array([-1, -1, -1]))
    assert len(lost) == len(won) == 0


def test_joined_crossings_are_ordered() -> None:
    one, two = some(), some()
    joined = Crossings.join([one, two, Crossings.none()])
    assert len(joined) == 8
    assert (np.diff(joined.alpha) >= 0).all()


@pytest.mark.parametrize("name", ["alpha", "example", "before", "after"])
def test_none_has_empty_arrays(name: str) -> None:
    assert len(Crossings.none().arrays()[name]) == 0


def test_crossings_that_agree_with_the_grid_are_kept() -> None:
    polynomial = lines(np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    top1 = classes(polynomial, GRID)
    found = find_crossings(polynomial, GRID, top1)
    same = reconcile(found, GRID, top1)
    for name, values in found.arrays().items():
        np.testing.assert_array_equal(same.arrays()[name], values)


@given(st.integers(0, 2**32 - 1))
def test_reconciled_crossings_lead_from_one_prediction_to_the_next(seed: int) -> None:
    """Whatever the predictions at the grid: the step function has their counts everywhere."""
    rng = np.random.default_rng(seed)
    polynomial = lines(rng.standard_normal((6, 3)), rng.standard_normal((6, 3)))
    grid = np.linspace(0, 1, 9)
    found = find_crossings(polynomial, grid, classes(polynomial, grid))
    top1 = classes(polynomial, grid)
    other = rng.random(top1.shape) < 0.2
    top1[other] = rng.integers(0, 3, other.sum())
    labels = rng.integers(0, 3, 6)
    start = int((top1[0] == labels).sum())
    places, hits = reconcile(found, grid, top1).steps(start, labels)
    at = np.searchsorted(places, grid, side="right") - 1
    stepped = np.where(at < 0, start, np.append(hits, 0)[at])
    np.testing.assert_array_equal(stepped, (top1 == labels[None]).sum(axis=1))
