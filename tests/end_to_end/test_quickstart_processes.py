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
    *("--training.epochs", "0.5", "--training.eval-every-epochs", "0.5"),
    *("--sweep.alphas", "0", "1", "--no-export"),
)
"""27 steps: measured over the whole 547, rounding grows from 1e-7 to 1e-4 of the loss in 100."""


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
        np.testing.assert_array_equal(predictions.labels, others.labels)
        np.testing.assert_allclose(predictions.margin, others.margin, rtol=0, atol=1e-2)
        sure = others.margin > 1e-2
        assert sure.mean() > 0.9
        np.testing.assert_array_equal(predictions.top1[sure], others.top1[sure])
    facts = ("dataset", "split", "role", "alpha", "n")
    rows, other_rows = read_rows(run), read_rows(alone)
    assert [[r[f] for f in facts] for r in rows] == [[r[f] for f in facts] for r in other_rows]
    np.testing.assert_allclose(_losses(run), _losses(alone), rtol=1e-4)


def _losses(run: Path) -> list[float]:
    records = map(json.loads, (run / "train.jsonl").read_text(encoding="utf-8").splitlines())
    return [record["loss"] for record in records if "loss" in record]
