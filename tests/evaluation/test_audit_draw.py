"""The audit's sample: the chance of each pair, what it costs, and the bound that it allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wiseft_jax.evaluation.audit_draw import AuditDraw
from wiseft_jax.evaluation.curve_result import Audit

BETWEEN = np.delete(np.arange(101), [0, 50, 100])
SMALL = 8


def draw(images: int, seed: int = 0, between: np.ndarray = BETWEEN, passes: float = 0.25) -> Any:
    return AuditDraw.of(between, images=images, passes=passes, small=SMALL, seed=seed, name="test")


@pytest.mark.parametrize(("images", "count"), [(20, 8), (256, 16), (1000, 62), (5000, 98)])
def test_a_larger_set_is_audited_at_more_alphas_and_then_at_all(images: int, count: int) -> None:
    found = draw(images)
    assert len(found.alphas) == len(set(found.alphas.tolist()) & set(BETWEEN.tolist())) == count
    assert found.everywhere == (count == len(BETWEEN))


def test_every_pair_between_the_nodes_has_the_same_chance() -> None:
    counts = sum(draw(256, seed).pairs(0, 256, 101).sum(axis=1) for seed in range(300))
    expected = 300 * 256 * 0.25 / len(BETWEEN)
    assert counts[[0, 50, 100]].sum() == 0
    assert counts[BETWEEN].mean() == pytest.approx(expected, rel=0.02)
    assert counts[BETWEEN].std() < 0.25 * expected  # of 196: clusters of 16 that 49 draws hold


@pytest.mark.parametrize("images", [256, 1000, 2000, 10000])
def test_batches_of_one_alpha_are_mostly_filled(images: int) -> None:
    pairs = draw(images).pairs(0, images, 101)
    rows = SMALL * np.sum(-(-pairs.sum(axis=1) // SMALL))
    assert rows < 2.5 * 0.25 * images
    if images == 10000:
        assert rows < 1.3 * 0.25 * images


@pytest.mark.parametrize("images", [256, 3000])
def test_the_bound_holds_though_mistakes_cluster_at_few_alphas(images: int) -> None:
    """3 of 98 alphas are wrong for every image."""
    wrong = np.zeros((101, images), bool)
    wrong[36:39] = True
    too_low = accepted = 0
    for seed in range(200):
        found = draw(images, seed)
        sample = found.pairs(0, images, 101)
        hit = sample & wrong
        audit = Audit(
            int(sample.sum()),
            int(hit.sum()),
            alphas=int(sample.any(axis=1).sum()),
            wrong_alphas=int(hit.any(axis=1).sum()),
            everywhere=found.everywhere,
        )
        too_low += audit.upper < 3 / len(BETWEEN)
        accepted += not hit.any()
    assert too_low <= 18  # the 98 % point of a binomial of 200 at 5 % is 17
    if found.everywhere:
        assert accepted == 0


def test_the_same_seed_draws_the_same_and_another_attempt_anew() -> None:
    first, second = draw(256), draw(256)
    again = AuditDraw.of(
        BETWEEN, images=256, passes=0.25, small=SMALL, seed=0, name="test", attempt=1
    )
    np.testing.assert_array_equal(first.pairs(3, 64, 101), second.pairs(3, 64, 101))
    assert first.alphas.tolist() != again.alphas.tolist()
    assert (first.pairs(3, 64, 101) != first.pairs(4, 64, 101)).any()


def test_a_grid_of_nodes_alone_has_nothing_to_audit() -> None:
    found = draw(256, between=np.asarray([], int))
    assert not found.pairs(0, 64, 3).any()
    assert found.everywhere
