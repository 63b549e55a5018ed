"""Softmax by blocks, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax

from wiseft_jax.analysis.softmax import finite_rows, log_softmax, row_blocks


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
