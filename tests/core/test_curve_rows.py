"""Curve rows survive the disk, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wiseft_jax.core.curve_rows import CURVES_FILE, CurveRow, read_curve_rows, write_curve_rows
from wiseft_jax.core.errors import InputError


def row() -> CurveRow:
    return CurveRow(
        schema=1,
        dataset="test",
        split="test",
        role="reference",
        n=3,
        alphas=[0.0, 1.0],
        hits=[1, 3],
        low=[1, 2],
        high=[2, 3],
        lost=[],
        won=[0.25, 0.5],
        summary={"nodes": {"5": 3}},
        config_hash="",
    )


def test_rows_survive_the_disk(tmp_path: Path) -> None:
    write_curve_rows(tmp_path / CURVES_FILE, [row(), row()])
    assert read_curve_rows(tmp_path) == [row(), row()]


def test_empty_lines_do_not_count(tmp_path: Path) -> None:
    (tmp_path / CURVES_FILE).write_text(f"{json.dumps(row())}\n\n{json.dumps(row())}\n \n")
    assert read_curve_rows(tmp_path) == [row(), row()]


def test_a_run_without_curves_has_none(tmp_path: Path) -> None:
    assert read_curve_rows(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "curves.jsonl:1: not a JSON object"),
        ('{"schema": 1}', "curves.jsonl:1: a curve row lacks dataset"),
        ("5", "curves.jsonl:1: expected a JSON object, found int"),
        (json.dumps(row() | {"schema": "x"}), "curves.jsonl:1: schema: expected a number"),
    ],
)
def test_damage_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / CURVES_FILE).write_text(line)
    with pytest.raises(InputError, match=message):
        read_curve_rows(tmp_path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    write_curve_rows(tmp_path / CURVES_FILE, [row() | {"schema": 99}])  # type: ignore[list-item]
    with pytest.raises(InputError, match="schema 99 is newer"):
        read_curve_rows(tmp_path)
