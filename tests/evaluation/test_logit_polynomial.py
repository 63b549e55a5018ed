"""Logits as functions of alpha against the model's formula, and differences against logits."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.core.lobatto import lobatto_nodes
from wiseft_jax.evaluation.crossings import find_crossings
from wiseft_jax.evaluation.logit_polynomial import LogitPolynomial


def test_heads_norms_and_biases_are_those_of_the_logits() -> None:
    rng = np.random.default_rng(0)
    nodes, features = lobatto_nodes(5), rng.standard_normal((5, 4, 6))
    heads = tuple(rng.standard_normal(shape) for shape in ((6, 3), (3,), (6, 3), (3,)))
    polynomial = LogitPolynomial(nodes, features, heads)  # type: ignore[arg-type]
    rows = np.arange(4)
    for place, alpha in enumerate(nodes):
        found = polynomial.logits(rows, np.full(4, alpha))
        kernel = (1 - alpha) * heads[0] + alpha * heads[2]
        bias = (1 - alpha) * heads[1] + alpha * heads[3]
        norm = np.linalg.norm(features[place], axis=1, keepdims=True)
        np.testing.assert_allclose(found / norm, features[place] / norm @ kernel + bias, rtol=1e-12)


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return values at five nodes that bend a little between random ends."""
    alpha = lobatto_nodes(5)[:, None, None]
    start, end, bend = rng.standard_normal((3, *shape))
    return (1 - alpha) * start + alpha * end + alpha * (1 - alpha) * bend


def some(kind: str, count: int = 40, classes: int = 30) -> LogitPolynomial:
    """Return random features under heads with or without biases, or random logits."""
    rng = np.random.default_rng(1)
    nodes = lobatto_nodes(5)
    if kind == "logits":
        return LogitPolynomial(nodes, smooth(rng, (count, classes)), None)
    shapes = ((8, classes), (classes,), (8, classes), (classes,))
    heads = [rng.standard_normal(shape) for shape in shapes]
    if kind == "no bias":
        heads[1][:] = heads[3][:] = 0
    return LogitPolynomial(nodes, smooth(rng, (count, 8)), tuple(heads))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["bias", "no bias", "logits"])
def test_differences_are_those_of_the_logits(kind: str) -> None:
    polynomial, rng = some(kind), np.random.default_rng(2)
    rows = rng.integers(0, 40, 100)
    first, second = rng.integers(0, 30, (2, 100))
    alpha = rng.random(100)
    logits, across = polynomial.logits(rows, alpha), np.arange(100)
    found = polynomial.difference(rows, first, second)(alpha)
    expected = logits[across, first] - logits[across, second]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def predictions(polynomial: LogitPolynomial, grid: np.ndarray) -> np.ndarray:
    count = polynomial.values.shape[1]
    rows, at = np.tile(np.arange(count), len(grid)), np.repeat(grid, count)
    return polynomial.classes(rows, at).reshape(len(grid), count)


@pytest.mark.parametrize("kind", ["bias", "no bias", "logits"])
def test_crossings_are_those_that_a_fine_grid_sees(kind: str) -> None:
    """In cells of a coarse grid that hold several changes too; the oracle looks at 4,000 cells."""
    polynomial = some(kind)
    coarse, fine = np.linspace(0, 1, 11), np.linspace(0, 1, 4001)
    top1, oracle = predictions(polynomial, coarse), predictions(polynomial, fine)
    found = find_crossings(polynomial, coarse, top1)
    cell, example = np.nonzero(oracle[:-1] != oracle[1:])
    searched = top1[:-1] != top1[1:]
    expected = {
        (row, place)
        for row, place in zip(example.tolist(), cell.tolist(), strict=True)
        if searched[place // 400, row]
    }
    place = np.floor(found.alpha * 4000).astype(int).tolist()
    assert set(zip(found.example.tolist(), place, strict=True)) == expected
    assert len(expected) > np.sum(searched), "no cell has several changes"
