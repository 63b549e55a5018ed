"""The schedule against the paper's formula in NumPy, float64."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from wiseft_jax.training.schedule import warmup_cosine


def paper_schedule(base: float, w: int, T: int) -> np.ndarray:
    rates = []
    for step in range(T):
        if step < w:
            rates.append(base * (step + 1) / w)
        else:
            rates.append(base * (1 + np.cos(np.pi * (step - w) / (T - w))) / 2)
    return np.array(rates)


@pytest.mark.parametrize(
    ("w", "T"),
    [(0, 1), (0, 7), (1, 2), (3, 10), (500, 501), (500, 2000), (10, 10), (500, 30), (7, 20_000)],
)
def test_every_step_is_the_papers(w: int, T: int):
    schedule = jax.jit(jax.vmap(warmup_cosine(3e-5, w, T)))
    np.testing.assert_allclose(
        schedule(np.arange(T, dtype=np.int32)), paper_schedule(3e-5, w, T), rtol=2e-5, atol=0
    )


def test_the_ends():
    schedule = warmup_cosine(1.0, 5, 20)
    assert float(schedule(0)) == pytest.approx(0.2)
    assert float(schedule(4)) == 1.0
    assert float(schedule(5)) == 1.0
    assert 0 < float(schedule(19)) < 0.02


def test_it_is_not_optaxs():
    ours = warmup_cosine(1.0, 5, 20)
    theirs = optax.warmup_cosine_decay_schedule(0.0, 1.0, 5, 20)
    assert float(theirs(0)) == 0.0
    assert float(ours(0)) > 0.0
