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


def test_accuracies_that_the_predictions_do_not_give_are_refused(tmp_path: Path):
    predictions = made_predictions("test", 5)
    rows, sets = predictions.rows("x"), {"test": predictions}
    count = predictions.accuracy(2)
    edited = {**rows[2], "value": 0.123}
    with pytest.raises(InputError) as error:
        check_of_one_sweep(tmp_path, [*rows[:2], edited, *rows[3:]], sets, "x")  # type: ignore[list-item]
    assert str(error.value) == (
        f"{tmp_path / 'results.jsonl'}: not what predictions/ give: test at alpha"
        f" {rows[2]['alpha']:g}: 0.123 of {count.n:,} in the rows, {count.compute():.6g} of"
        f" {count.n:,} by the predictions; a file was changed after it was written; make both"
        f" again: wiseft sweep {tmp_path}"
    )
    other_n = [{**each, "n": each["n"] + 1} for each in rows]
    with pytest.raises(InputError, match=r"by the predictions.*wiseft sweep"):
        check_of_one_sweep(tmp_path, other_n, sets, "x")  # type: ignore[arg-type]
    other_metric = {**rows[2], "metric": "macro_f1", "value": 0.123}
    check_of_one_sweep(tmp_path, [*rows, other_metric], sets, "x")  # type: ignore[list-item]
