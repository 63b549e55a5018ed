"""Linear CKA against loops over the definitions, its laws, and the exact value of the paper's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wiseft_jax.analysis.linear_cka import (
    centred_gram,
    cka,
    minibatch_cka,
    ratio_of_sums,
    unbiased_hsic,
)
from wiseft_jax.core.errors import InputError

X = np.array([[1, 0], [0, 1], [-1, -1], [2, 1], [0, -2]], float)
Y = np.array([[1, 2, 0], [0, 1, 1], [-1, -1, 0], [2, 2, 1], [1, -1, -1]], float)
EXACT = 0.9383481622


def slow_cka(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, one covariance at a time."""

    def squares(a: np.ndarray, b: np.ndarray) -> float:
        total = 0.0
        for i, j in itertools.product(range(a.shape[1]), range(b.shape[1])):
            mean_a, mean_b = sum(a[:, i]) / len(a), sum(b[:, j]) / len(b)
            covariance = 0.0
            for p, q in zip(a[:, i], b[:, j], strict=True):
                covariance += (p - mean_a) * (q - mean_b)
            total += covariance**2
        return total

    return squares(x, y) / (squares(x, x) * squares(y, y)) ** 0.5


def slow_hsic(k: np.ndarray, other: np.ndarray) -> float:
    """The U-statistic: the mean of its kernel over all ordered quadruples of distinct examples."""
    total = 0.0
    quadruples = list(itertools.permutations(range(len(k)), 4))
    for i, j, q, r in quadruples:
        total += k[i, j] * other[i, j] + k[i, j] * other[q, r] - 2 * k[i, j] * other[i, q]
    return total / len(quadruples)


def features(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns)) + 3


def orthogonal(size: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


matrices = arrays(np.float64, (6, 3), elements=st.floats(-100, 100).map(lambda v: round(v, 2)))


def varies(x: np.ndarray) -> bool:
    return bool(np.ptp(x, axis=0).max() > 0)


def test_the_exact_value():
    assert cka(X, Y) == pytest.approx(EXACT, abs=1e-10)
    assert slow_cka(X, Y) == pytest.approx(EXACT, abs=1e-10)


def test_turned_scaled_and_shifted_features_are_the_same():
    assert cka(X, 3 * X @ orthogonal(2, 0) + 5) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("shape", [(12, 3, 5), (5, 12, 3), (5, 3, 12), (6, 9, 9)])
def test_both_forms_are_the_definition(shape: tuple[int, int, int]):
    """With few columns the feature form runs, with many Gram's."""
    x, y = features(shape[0], shape[1], 1), features(shape[0], shape[2], 2)
    assert cka(x, y) == pytest.approx(slow_cka(x, y), rel=1e-12)


@given(matrices, matrices)
def test_laws(x: np.ndarray, y: np.ndarray):
    if not (varies(x) and varies(y)):
        with pytest.raises(InputError, match="all examples are equal"):
            cka(x, y)
        return
    value = cka(x, y)
    assert 0 <= value <= 1
    assert cka(y, x) == pytest.approx(value, abs=1e-12)
    assert cka(x, x) == pytest.approx(1, abs=1e-12)
    assert cka(1e-3 * x @ orthogonal(3, 1), 50 * y - 7) == pytest.approx(value, abs=1e-9)


def test_it_is_not_invariant_to_any_linear_map():
    x = features(40, 3)
    assert cka(x, x * np.array([[1.0, 10.0, 0.1]])) < 0.9


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_no_square_overflows(scale: float):
    assert cka(scale * X, Y) == pytest.approx(EXACT, abs=1e-10)


def test_equal_float32_rows_are_refused_whatever_their_mean_rounds_to():
    constant = np.full((2000, 3), 0.1, np.float32)
    with pytest.raises(InputError, match="y: all examples are equal"):
        cka(features(2000, 2), constant)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y[:4], "found 5 and 4 rows"),
        (X[:1], Y[:1], "at least 2 examples, found 1"),
        (X * np.nan, Y, "x: expected finite numbers"),
        (X[0], Y, r"expected numbers \[examples, features\]"),
    ],
)
def test_what_has_no_cka_is_refused(no_type_checks: None, x: object, y: object, message: str):
    with pytest.raises(InputError, match=message):
        cka(x, y)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [4, 5, 7])
def test_unbiased_hsic_is_the_u_statistic(count: int):
    k, other = (centred_gram(features(count, 3, seed)) for seed in (1, 2))
    assert unbiased_hsic(k, other) == pytest.approx(slow_hsic(k, other), rel=1e-10)
    assert unbiased_hsic(k, k) == pytest.approx(slow_hsic(k, k), rel=1e-10)


def test_unbiased_hsic_of_kernels_that_are_not_symmetric():
    k, other = features(6, 6, 3), features(6, 6, 4)
    off = ~np.eye(6, dtype=bool)
    trace = sum(k[i, j] * other[j, i] for i, j in np.argwhere(off))
    ones = [np.where(off, each, 0) for each in (k, other)]
    cross = (np.ones(6) @ ones[0]) @ (ones[1] @ np.ones(6))
    expected = (trace + ones[0].sum() * ones[1].sum() / 20 - 2 * cross / 4) / 18
    assert unbiased_hsic(k, other) == pytest.approx(expected, rel=1e-12)


def test_unbiased_hsic_does_not_read_diagonals_nor_change_its_arguments():
    k, other = centred_gram(features(6, 3)), centred_gram(features(6, 2, 1))
    before = k.copy()
    value = unbiased_hsic(k, other)
    assert unbiased_hsic(k + np.diag(np.arange(6.0)), other) == pytest.approx(value, rel=1e-12)
    np.testing.assert_array_equal(k, before)


@given(st.integers(0, 10_000))
def test_unbiased_hsic_is_the_same_without_centring(seed: int):
    x, y = features(7, 3, seed), features(7, 2, seed + 1)
    assert unbiased_hsic(x @ x.T, y @ y.T) == pytest.approx(
        unbiased_hsic(centred_gram(x), centred_gram(y)), rel=1e-9, abs=1e-9
    )


def test_unbiased_hsic_of_what_is_independent_is_negative_about_half_the_time():
    """It would be biased if it were clipped; the mean over draws is 0 within its error."""
    values = [
        unbiased_hsic(centred_gram(features(8, 2, 2 * s)), centred_gram(features(8, 2, 2 * s + 1)))
        for s in range(400)
    ]
    assert 0.3 < np.mean(np.array(values) < 0) < 0.8
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


def test_unbiased_hsic_needs_four_examples(no_type_checks: None):
    with pytest.raises(InputError, match="at least 4 examples, found 3"):
        unbiased_hsic(np.eye(3), np.eye(3))
    with pytest.raises(InputError, match=r"two of shape \[n, n\]"):
        unbiased_hsic(np.ones((4, 4)), np.ones((4, 3)))  # type: ignore[arg-type]


def batches_of(
    x: np.ndarray, y: np.ndarray, sizes: tuple[int, ...]
) -> list[tuple[np.ndarray, np.ndarray]]:
    ends = np.cumsum((0, *sizes))
    return [(x[a:b], y[a:b]) for a, b in itertools.pairwise(ends)]


def related(rows: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    x = features(rows, 3, seed)
    return x, x @ features(3, 4, seed + 1) + 4 * features(rows, 4, seed + 2)


def test_minibatch_cka_is_the_ratio_of_sums_and_not_the_mean_of_ratios():
    x, y = related(15)
    batches = batches_of(x, y, (5, 5, 5))
    sums, ratios = np.zeros(3), []
    for part_x, part_y in batches:
        k, other = part_x @ part_x.T, part_y @ part_y.T
        terms = slow_hsic(k, other), slow_hsic(k, k), slow_hsic(other, other)
        sums += terms
        ratios.append(terms[0] / np.sqrt(terms[1] * terms[2]))
    expected = sums[0] / np.sqrt(sums[1] * sums[2])
    assert minibatch_cka(batches) == pytest.approx(expected, rel=1e-9)
    assert abs(minibatch_cka(batches) - np.mean(ratios)) > 0.1


def test_minibatches_come_to_the_cka_of_all_images_and_means_of_ratios_do_not():
    x, y = related(4000)
    whole = cka(x, y)
    batches = batches_of(x, y, (4,) * 1000)
    ratios = [minibatch_cka([batch]) for batch in batches]
    assert abs(minibatch_cka(batches) - whole) < 0.03
    assert abs(np.mean(ratios) - whole) > 0.1


def test_a_short_last_batch_joins_the_one_before_it():
    x, y = related(23)
    joined = minibatch_cka(batches_of(x, y, (10, 13)))
    for sizes in ((10, 10, 3), (10, 12, 1), (10, 13, 0)):
        assert minibatch_cka(iter(batches_of(x, y, sizes))) == pytest.approx(joined, rel=1e-12)
    assert minibatch_cka(batches_of(x, y, (10, 9, 4))) != pytest.approx(joined, rel=1e-6)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((10, 3, 10), "batch 2: expected at least 4 examples, found 3; only the last"),
        ((3,), "found one of 3"),
        ((), "found none"),
    ],
)
def test_other_short_batches_are_refused(sizes: tuple[int, ...], message: str):
    with pytest.raises(InputError, match=message):
        minibatch_cka(batches_of(*related(23), sizes))


def test_minibatch_cka_takes_float32_and_sums_in_float64():
    x, y = related(24)
    exact = minibatch_cka(batches_of(x, y, (8, 8, 8)))
    single = minibatch_cka(batches_of(x.astype(np.float32), y.astype(np.float32), (8, 8, 8)))
    assert single == pytest.approx(exact, rel=1e-5)
    # A mean of 10 000 costs float32 all digits of the spread; in float64 it costs none that count.
    shifted = minibatch_cka(batches_of(x + 1e6, y, (8, 8, 8)))
    assert shifted == pytest.approx(exact, rel=1e-7)


def test_features_that_do_not_vary_have_no_ratio():
    x, y = related(24)
    with pytest.raises(InputError, match="y: expected features that vary"):
        minibatch_cka([(x, np.ones_like(y))])
    with pytest.raises(InputError, match=r"x: .* found a sum of HSIC_1 of -1"):
        ratio_of_sums(1.0, -1.0, 1.0)
