"""A curve made by 2 processes: all decide alike, and predict what the sweep of one process does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.uneven_sets import UNEVEN_SETS
from tests.helpers.processes import run_processes
from wiseft_jax.core.curve_rows import read_curve_rows
from wiseft_jax.evaluation.predictions import Predictions, load_predictions

PROGRAM = (
    UNEVEN_SETS
    + """
from wiseft_jax.evaluation.curve import curve
from wiseft_jax.evaluation.curve_config import CurveConfig
from wiseft_jax.evaluation.sweep import sweep

options = {"batch_size": 8, "mesh": MeshConfig(**MESH), "keep_logits": "all"}
alphas = np.linspace(0, 1, 11)
if DIRECT:
    result = sweep(classifier, theta_0, theta_1, datasets, alphas, **options)
else:
    config = CurveConfig(exact=True)
    result = curve(classifier, theta_0, theta_1, datasets, alphas, config=config, **options)
    rows = result.curve_rows()
    assert gather_json(rows) == [rows] * jax.process_count()
if jax.process_index() == 0:
    result.save(OUT)
"""
)


def run(processes: int, devices: int, directory: Path, *, direct: bool, **mesh: int) -> None:
    facts = f"OUT, MESH, DIRECT = {str(directory)!r}, {mesh!r}, {direct!r}\n"
    done = run_processes(processes, facts + PROGRAM, devices_per_process=devices)
    assert [each.returncode for each in done] == [0] * processes, done


def assert_logits(found: Predictions, expected: Predictions) -> None:
    """Check that both ends are the model's, and that what is stored beside logits is theirs."""
    for end in (0.0, 1.0):
        np.testing.assert_allclose(found.logits_at(end), expected.logits_at(end), atol=1e-5)
    for place, alpha in enumerate(found.alphas):
        logits = found.logits_at(alpha)
        np.testing.assert_array_equal(logits.argmax(axis=1), found.top1[place])
        ordered = np.sort(logits, axis=1)
        np.testing.assert_allclose(ordered[:, -1] - ordered[:, -2], found.margin[place], atol=2e-5)


@pytest.mark.parametrize(
    ("devices", "mesh"),
    [(1, {}), pytest.param(2, {"alpha": 2}, marks=pytest.mark.slow)],
    ids=str,
)
def test_two_processes_make_the_exact_curve(
    tmp_path: Path, devices: int, mesh: dict[str, int]
) -> None:
    run(1, 1, tmp_path / "alone", direct=True)
    run(2, devices, tmp_path / "two", direct=False, **mesh)
    expected, found = load_predictions(tmp_path / "alone"), load_predictions(tmp_path / "two")
    assert found.keys() == expected.keys()
    for name, predictions in found.items():
        assert predictions.ids == expected[name].ids
        np.testing.assert_array_equal(predictions.top1, expected[name].top1)
        np.testing.assert_array_equal(predictions.correct, expected[name].correct)
        assert_logits(predictions, expected[name])
    counts = {row["dataset"]: row["n"] for row in read_curve_rows(tmp_path / "two")}
    assert counts == {"uneven": 37, "fewer-than-a-batch": 3, "two-bad": 19}
