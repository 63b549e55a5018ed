"""A sweep in 2 and 4 processes counts each example once, and predicts what one process does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.uneven_sets import UNEVEN_SETS
from tests.helpers.processes import run_processes
from wiseft_jax.evaluation.predictions import Predictions, load_predictions

PROGRAM = (
    UNEVEN_SETS
    + """
from wiseft_jax.evaluation.sweep import sweep

result = sweep(
    classifier, theta_0, theta_1, datasets, [0.0, 0.5, 1.0],
    batch_size=8, keep_logits=True, mesh=MeshConfig(**MESH),
)
assert gather_json(result.rows) == [result.rows] * jax.process_count()
if jax.process_index() == 0:
    result.save(OUT)
"""
)


def swept(processes: int, devices: int, directory: Path, **mesh: int) -> dict[str, Predictions]:
    """Return what ``processes`` processes predicted; all of them found the same rows."""
    program = f"OUT, MESH = {str(directory)!r}, {mesh!r}\n{PROGRAM}"
    done = run_processes(processes, program, devices_per_process=devices)
    assert [each.returncode for each in done] == [0] * processes, done
    return load_predictions(directory)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictions]:
    """Return the predictions of one process with one device."""
    return swept(1, 1, tmp_path_factory.mktemp("alone"))


def assert_equal(found: dict[str, Predictions], expected: dict[str, Predictions]) -> None:
    assert found.keys() == expected.keys()
    for name, predictions in found.items():
        others = expected[name]
        assert predictions.ids == others.ids
        assert len(set(predictions.ids)) == len(predictions)
        for field in ("labels", "top1", "correct"):
            np.testing.assert_array_equal(getattr(predictions, field), getattr(others, field))
        assert predictions.logits is not None
        np.testing.assert_allclose(predictions.logits, _logits(others), rtol=0, atol=2e-6)
        assert predictions.accuracy(1) == others.accuracy(1)


def _logits(predictions: Predictions) -> Any:
    assert predictions.logits is not None
    return predictions.logits


def assert_each_once(found: dict[str, Predictions]) -> None:
    assert {name: len(each) for name, each in found.items()} == {
        "uneven": 37,
        "fewer-than-a-batch": 3,
        "two-bad": 19,
    }
    assert {name: each.accuracy(0).n for name, each in found.items()} == {
        name: len(each) for name, each in found.items()
    }
    skipped = [line.split(":")[0] for line in found["two-bad"].skipped]
    assert skipped == ["two-bad[4]", "two-bad[11]"]


def test_two_processes_count_each_example_once(alone: dict[str, Predictions], tmp_path: Path):
    found = swept(2, 1, tmp_path)
    assert_each_once(alone)
    assert_each_once(found)
    assert_equal(found, alone)


@pytest.mark.slow
@pytest.mark.parametrize("mesh", [{"fsdp": 4}, {"alpha": 2}], ids=str)
def test_four_processes_count_each_example_once(
    alone: dict[str, Predictions], tmp_path: Path, mesh: dict[str, int]
):
    found = swept(4, 2, tmp_path, **mesh)
    assert_each_once(found)
    assert_equal(found, alone)
