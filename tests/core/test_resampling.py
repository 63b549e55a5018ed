"""Counts of bootstrap samples: their law, and that blocks change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from wiseft_jax.core import resampling
from wiseft_jax.core.resampling import drawn_sums, even_counts, multinomial_counts, placed_counts


@pytest.mark.parametrize("draw", [even_counts, placed_counts])
def test_samples_of_examples_have_the_law_of_drawing_with_replacement(draw):
    counts = np.concatenate(list(draw(np.random.default_rng(0), 6, 20_000)))
    assert counts.shape == (20_000, 6)
    assert (counts.sum(axis=1) == 6).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(6), abs=0.04)
    wanted = np.full((6, 6), -1 / 6) + np.eye(6)  # of a multinomial of n = 6 and even shares
    assert np.cov(counts.T) == pytest.approx(wanted, abs=0.04)


def test_kinds_are_drawn_by_their_shares():
    shares = np.array([0.5, 0.3, 0.2])
    counts = np.concatenate(list(multinomial_counts(np.random.default_rng(1), 40, shares, 5000)))
    assert counts.mean(axis=0) == pytest.approx(40 * shares, abs=0.2)
    assert counts.var(axis=0) == pytest.approx(40 * shares * (1 - shares), rel=0.1)


def test_blocks_draw_what_one_call_draws(monkeypatch: pytest.MonkeyPatch):
    def drawn() -> list[np.ndarray]:
        found = []
        for draw in (even_counts, placed_counts):
            blocks = list(draw(np.random.default_rng(2), 5, 9))
            found.append(np.concatenate(blocks))
            sizes.append(len(blocks))
        return found

    sizes: list[int] = []
    whole = drawn()
    np.testing.assert_array_equal(
        whole[0], np.random.default_rng(2).multinomial(5, np.full(5, 0.2), 9)
    )
    places = np.random.default_rng(2).integers(5, size=(9, 5))
    np.testing.assert_array_equal(whole[1], [np.bincount(row, minlength=5) for row in places])
    monkeypatch.setattr(resampling, "_DRAWS_AT_ONCE", 20)
    np.testing.assert_array_equal(drawn(), whole)
    assert sizes == [1, 1, 3, 3]


def test_sums_are_of_what_was_drawn():
    values = np.random.default_rng(3).normal(size=(4, 2))
    blocks = [np.array([[1, 2, 0, 1]]), np.array([[0, 0, 4, 0], [2, 2, 0, 0]])]
    found = drawn_sums(iter(blocks), values)
    wanted = [values[0] + 2 * values[1] + values[3], 4 * values[2], 2 * (values[0] + values[1])]
    assert found == pytest.approx(np.array(wanted))
