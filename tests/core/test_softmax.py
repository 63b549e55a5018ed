"""Softmax on the host, and by blocks, against scipy; its entropy is in ``tests/evaluation``."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax
from scipy.special import softmax as scipy_softmax

from wiseft_jax.core.softmax import finite_rows, log_softmax, row_blocks, softmax


def test_softmax_is_scipys_also_far_out_and_in_float64():
    logits = 300 * np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
    logits[0, 0] = 3e38  # exp of it alone is infinite
    found = softmax(logits)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, scipy_softmax(logits.astype(float), axis=1), rtol=1e-13)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-14)
    equal = softmax(np.array([[1000.0, 1000.0], [-1000.0, 0.0]], np.float32))
    np.testing.assert_allclose(equal, [[0.5, 0.5], [0, 1]])


def test_log_softmax_is_scipys_also_far_out():
    logits = 300 * np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    logits[0, 0] = -1e10  # a class that is never predicted
    assert log_softmax(logits) == pytest.approx(scipy_log_softmax(logits.astype(float), axis=1))


def test_blocks_cover_every_row_once():
    blocks = list(row_blocks((10_000, 1000)))
    assert len(blocks) > 1
    covered = np.concatenate([np.arange(10_000)[block] for block in blocks])
    assert np.array_equal(covered, np.arange(10_000))


def test_rows_that_are_not_finite_are_found():
    logits = np.zeros((4, 3), np.float32)
    logits[1, 2], logits[3, 0] = np.nan, np.inf
    assert finite_rows(logits).tolist() == [True, False, True, False]
