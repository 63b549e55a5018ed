"""The quickstart's job, shortened: eight devices, and two processes, find what one device finds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.processes import run_processes
from wiseft_jax.core.results import read_rows
from wiseft_jax.evaluation.predictions import load_predictions

SHORT = (
    *("--training.epochs", "2", "--training.eval-every-epochs", "2"),
    *("--sweep.alphas", "0", "0.5", "1", "--no-export"),
)
MOST_THAT_DIFFER = 0.002
"""Share of predictions that rounding may change: 110 steps of Adam enlarge it."""


def quickstart(run: Path, processes: int, devices: int) -> None:
    command = [sys.executable, "-m", "wiseft_jax", "quickstart", "--out", str(run), *SHORT]
    done = run_processes(processes, command, devices_per_process=devices, timeout_secs=1200)
    assert [each.returncode for each in done] == [0] * processes, done


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("alone") / "run"
    quickstart(run, 1, 1)
    return run


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "devices"), [(1, 8), (2, 1)])
def test_eight_devices_and_two_processes_equal_one(
    alone: Path, tmp_path: Path, processes: int, devices: int
) -> None:
    run = tmp_path / "run"
    quickstart(run, processes, devices)
    found, expected = load_predictions(run), load_predictions(alone)
    assert found.keys() == expected.keys()
    for name, predictions in found.items():
        others = expected[name]
        assert predictions.ids == others.ids
        # alpha = 0 is the same model: only the order of sums differs.
        np.testing.assert_allclose(predictions.margin[0], others.margin[0], rtol=0, atol=1e-3)
        np.testing.assert_array_equal(predictions.labels, others.labels)
        assert np.mean(predictions.top1 != others.top1) <= MOST_THAT_DIFFER, name
    facts = ("dataset", "split", "role", "alpha", "n")
    rows, other_rows = read_rows(run), read_rows(alone)
    assert [[r[f] for f in facts] for r in rows] == [[r[f] for f in facts] for r in other_rows]
    for row, other in zip(rows, other_rows, strict=True):
        assert row["value"] == pytest.approx(other["value"], abs=MOST_THAT_DIFFER)
    losses, other_losses = _losses(run), _losses(alone)
    assert losses[0] == pytest.approx(other_losses[0], rel=1e-5)
    np.testing.assert_allclose(losses, other_losses, rtol=0.02, atol=0.005)


def _losses(run: Path) -> list[float]:
    records = map(json.loads, (run / "train.jsonl").read_text(encoding="utf-8").splitlines())
    return [record["loss"] for record in records if "loss" in record]
