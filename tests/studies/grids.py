"""Results of studies made of numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wiseft_jax.evaluation.predictions import Predictions
from wiseft_jax.studies.grid_files import RunRow
from wiseft_jax.studies.grid_results import GridResults, GridSet


def grid_results(
    accuracies: np.ndarray, alphas: Sequence[float], *, chosen: np.ndarray | None = None
) -> GridResults:
    """Return the results of M runs on a validation set, a test set, and D - 2 shifts."""
    runs, sets = accuracies.shape[:2]
    named = [GridSet("validation", "validation", "reference", 100)]
    named.append(GridSet("test", "test", "reference", 100))
    named += [GridSet(f"shift {place}", "test", "shift", 100) for place in range(sets - 2)]
    rows = tuple(run_row(index) for index in range(runs))
    own = np.full(runs, 0.5) if chosen is None else chosen
    return GridResults(rows, (), tuple(named), tuple(alphas), accuracies, own)


def run_row(index: int) -> RunRow:
    """Return a row with what every row has."""
    return {
        "schema": 1,
        "index": index,
        "key": f"{index:016x}",
        "config_hash": "0",
        "varied": {"training.epochs": float(index + 1)},
        "run": f"runs/{index:03d}-{index:016x}",
        "wall_secs": 1.0,
        "resumed": False,
    }


def predictions(
    correct: np.ndarray, alphas: Sequence[float], name: str, split: str, role: str
) -> Predictions:
    """Return predictions of two classes, right where ``correct`` bool[A, N] says so."""
    count = correct.shape[1]
    labels = np.zeros(count, np.int32)
    entropy = np.random.default_rng(count).uniform(0.1, 0.6, correct.shape).astype(np.float32)
    return Predictions(
        name,
        split,  # type: ignore[arg-type]
        role,  # type: ignore[arg-type]
        tuple(alphas),
        np.where(correct, 0, 1).astype(np.int32),
        correct,
        np.ones(correct.shape, np.float32),
        labels,
        tuple(f"{name}[{place}]" for place in range(count)),
        entropy=entropy,
    )
