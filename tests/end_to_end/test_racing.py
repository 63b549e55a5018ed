"""The target of racing, on what the quickstart stores: the sweep's best, for a quarter of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.cli.main import main
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.evaluation.packing import Packing
from wiseft_jax.evaluation.predictions import load_predictions
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.evaluation.racing import race, random_order, replay

ORDERS = 200
BUDGET = 0.25


@pytest.mark.slow
def test_races_find_the_best_alpha_of_the_full_sweep_for_a_quarter(tmp_path: Path) -> None:
    """On each of the eight sets, with the padding of the batches that running models would use.

    The alphas that win must be the full sweep's own choice (the smallest of the best).
    """
    assert main(["quickstart", "--out", str(tmp_path / "run"), "-q"]) == 0
    found = load_predictions(tmp_path / "run")
    assert len(found) == 8
    for name, (same, dearest) in races(found).items():
        assert same >= 0.95, name
        assert dearest <= BUDGET, name


def races(found: dict) -> dict[str, tuple[float, float]]:
    """Return by set the share of orders with the sweep's best alpha, and the dearest race."""
    config = RaceConfig(budget=BUDGET)
    packing = Packing.of(config.batch_size, make_mesh(1))
    outcome = {}
    for name, each in found.items():
        correct = np.asarray(each.correct)[:, each.labels >= 0]
        best, (size, n) = int(correct.sum(axis=1).argmax()), correct.shape
        evaluate = replay(correct, packing)
        results = [race(evaluate, size, random_order(n, seed), config) for seed in range(ORDERS)]
        same = float(np.mean([each.winner == best for each in results]))
        outcome[name] = same, max(each.share for each in results)
    return outcome
