from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from scripts import draw_runs
from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.results import Row, accuracy_row, write_rows


def rows_of(reference: list[int], shift: list[int]) -> list[Row]:
    rows = []
    for name, role, hits in (("mnist", "reference", reference), ("noisy", "shift", shift)):
        for place, alpha in enumerate((0.0, 0.5, 1.0)):
            accuracy = Accuracy(hits[place], 100)
            rows.append(
                accuracy_row(
                    accuracy, dataset=name, split="test", role=role, alpha=alpha, config_hash="x"
                )
            )
    return rows


def test_a_picture_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_rows(tmp_path / "a" / "results.jsonl", rows_of([90, 95, 97], [80, 88, 70]))
    write_rows(tmp_path / "b" / "results.jsonl", rows_of([90, 92, 93], [80, 81, 82]))
    out = tmp_path / "pictures" / "runs.png"
    assert draw_runs.main([str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out)]) == 0
    with Image.open(out) as picture:
        assert picture.size == (1290, 840)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| a | 90.0 / 80.0 | 95.0 / 88.0 | 97.0 / 70.0 | 95.0 / 88.0 at 0.5 |"
    assert lines[3].endswith("| 93.0 / 82.0 at 1 |")


def test_a_run_without_shifts_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_rows(tmp_path / "a" / "results.jsonl", rows_of([90, 95, 97], [80, 88, 70])[:3])
    assert draw_runs.main([str(tmp_path / "a"), "--out", str(tmp_path / "x.png")]) == 2
    assert f"{tmp_path / 'a'}: expected a reference and shifts" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_a_missing_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert draw_runs.main([str(tmp_path / "no"), "--out", str(tmp_path / "x.png")]) == 2
    assert "no such results file" in capsys.readouterr().err
