"""Rows of analyses: what is written is read back, and what isn't a row is refused by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wiseft_jax.core.analysis_rows import (
    AnalysisRow,
    add_p_holm,
    analysis_file,
    analysis_row,
    read_analysis_rows,
    stored_analyses,
    write_analysis_rows,
)
from wiseft_jax.core.errors import InputError

ROW = analysis_row(
    "diversity",
    "prediction_diversity",
    0.25,
    40,
    config_hash="x",
    dataset="test",
    split="test",
    role="reference",
    alpha=0,
    other="fine_tuned",
    group="zero_shot/fine_tuned",
    interval=(0.1, 0.4),
    p_value=0.03,
    seed=0,
)


def test_rows_are_read_back(tmp_path: Path):
    bare = analysis_row("layers", "distance", 1, 3, config_hash="")
    write_analysis_rows(analysis_file(tmp_path, "diversity"), [ROW, bare])
    assert read_analysis_rows(tmp_path, "diversity") == [ROW, bare]
    assert read_analysis_rows(tmp_path / "analyses" / "diversity.jsonl") == [ROW, bare]
    assert stored_analyses(tmp_path) == ["diversity"]
    assert ROW["alpha"] == 0.0
    assert bare["ci_low"] is bare["p_holm"] is None


def test_p_values_are_corrected_by_family_and_each_test_counts_once():
    def row(metric: str, dataset: str, p_value: float | None) -> AnalysisRow:
        return analysis_row(
            "flips", metric, 0.1, 9, config_hash="", dataset=dataset, p_value=p_value
        )

    rows = [row("won", "a", 0.01), row("lost", "a", 0.01), row("changed", "a", None)]
    rows += [row("won", "b", 0.04), row("lost", "b", 0.04), row("won", "c", 0.03)]
    twins = ("won", "lost")
    add_p_holm(rows, twins=twins)
    # Three tests of 0.01, 0.04 and 0.03, as in the example of Holm's method.
    assert [each["p_holm"] for each in rows] == pytest.approx([0.03, 0.03, None, 0.06, 0.06, 0.06])
    add_p_holm(rows, family=lambda row: row["dataset"], twins=twins)
    assert [each["p_holm"] for each in rows] == [0.01, 0.01, None, 0.04, 0.04, 0.03]
    equal = [row("won", "a", 0.01), row("won", "b", 0.01)]  # equal p-values of two tests
    add_p_holm(equal)
    assert [each["p_holm"] for each in equal] == [0.02, 0.02]
    equal = [row("gain", "a", 0.01), row("loss", "a", 0.01)]  # as are those of two metrics
    add_p_holm(equal, twins=twins)
    assert [each["p_holm"] for each in equal] == [0.02, 0.02]
    with pytest.raises(ValueError, match=r"won and lost of .* expected one p-value, found 0.01"):
        add_p_holm([row("won", "a", 0.01), row("lost", "a", 0.02)], twins=twins)


def test_a_missing_analysis_is_named_with_the_command(tmp_path: Path):
    with pytest.raises(InputError, match="make them: wiseft report RUN --analyses"):
        read_analysis_rows(tmp_path, "diversity")
    write_analysis_rows(analysis_file(tmp_path, "diversity"), [ROW])
    with pytest.raises(InputError, match="Did you mean 'diversity'"):
        read_analysis_rows(tmp_path, "diversty")


def test_nothing_is_written_of_a_number_that_is_not_finite(tmp_path: Path):
    with pytest.raises(ValueError, match="Out of range"):
        write_analysis_rows(analysis_file(tmp_path, "x"), [ROW | {"value": float("nan")}])
    assert stored_analyses(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": None}, "row 1: value: expected a finite number, found None"),
        ({"value": True}, "value: expected a finite number"),
        ({"n": -1}, "n: expected a count, found -1"),
        ({"n": 1.5}, "n: expected a count"),
        ({"ci_low": None}, "expected two numbers or none"),
        ({"ci_high": "1"}, "expected two numbers or none"),
        ({"schema": 2}, "schema 2 is newer than 1; upgrade"),
    ],
)
def test_what_is_no_row_is_refused(tmp_path: Path, change: dict, message: str):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ROW | change) + "\n")
    with pytest.raises(InputError, match=message):
        read_analysis_rows(file)


def test_a_lacking_field_is_named(tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({name: value for name, value in ROW.items() if name != "n"}))
    with pytest.raises(InputError, match=r"rows.jsonl:1: a row of an analysis lacks n"):
        read_analysis_rows(file)
