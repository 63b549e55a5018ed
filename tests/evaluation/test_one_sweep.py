"""Rows and predictions of two sweeps are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analysis.runs import made_predictions
from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.one_sweep import check_of_one_sweep, read_sweep_facts


def test_facts_are_read_and_may_be_missing(tmp_path: Path):
    assert read_sweep_facts(tmp_path) == {}
    file = tmp_path / "predictions" / "backend.json"
    file.parent.mkdir()
    file.write_text('{"config_hash": "x"}')
    assert read_sweep_facts(tmp_path) == {"config_hash": "x"}


@pytest.mark.parametrize("text", ["[]", "{", "3"])
def test_damaged_facts_are_refused(tmp_path: Path, text: str):
    file = tmp_path / "predictions" / "backend.json"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(InputError, match="can't be read as facts of a sweep"):
        read_sweep_facts(tmp_path)


def test_rows_of_another_sweep_are_refused(tmp_path: Path):
    predictions = made_predictions("test", 5)
    rows, sets = predictions.rows("x"), {"test": predictions}
    check_of_one_sweep(tmp_path, rows, sets, "x")
    check_of_one_sweep(tmp_path, rows, sets, None)
    with pytest.raises(InputError, match="x of the rows, y of the predictions"):
        check_of_one_sweep(tmp_path, rows, sets, "y")
    with pytest.raises(InputError, match="4 alphas in the rows and 5 in the predictions"):
        check_of_one_sweep(tmp_path, rows[1:], sets, "x")
