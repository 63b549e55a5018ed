"""``wiseft quickstart``: the embedded job, shortened for the fast tier, and whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wiseft_jax.cli.main import main
from wiseft_jax.core.results import mean_over_shifts, read_rows, select_rows

FILES = (
    "results.jsonl",
    "curves.jsonl",
    "curve.png",
    "curve.svg",
    "flips.png",
    "report.md",
    "report.html",
    "merged/model.safetensors",
)


@pytest.mark.slow
def test_the_whole_job(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = tmp_path / "run"
    assert main(["quickstart", "--out", str(run), "--json", "-q"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [name for name in FILES if not (run / name).is_file()] == []
    rows = read_rows(run)
    assert printed["rows"] == rows
    reference = {row["alpha"]: row["value"] for row in select_rows(rows, dataset="test")}
    shifts = mean_over_shifts(rows)
    assert len(reference) == len(shifts) == 21
    assert reference[0.0] >= 0.80
    assert reference[1.0] >= 0.97
    inner = [value for alpha, value in shifts.items() if 0 < alpha < 1]
    assert max(inner) > max(shifts[0.0], shifts[1.0])


def test_other_data_beside_the_embedded_ones_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["quickstart", "--out", str(tmp_path / "run"), "-q"]
    assert main([*command, "--data.shifts", "folder:somewhere"]) == 2
    assert "data.shifts" in capsys.readouterr().err
