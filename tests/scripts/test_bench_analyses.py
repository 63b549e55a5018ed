"""The benchmark of analyses, on a run small enough for a test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from scripts import bench_analyses


@pytest.mark.parametrize(
    ("logits", "analyses"),
    [
        ("none", bench_analyses.ANALYSES),
        pytest.param(
            "ends",
            (*bench_analyses.ANALYSES, *bench_analyses.OF_LOGITS),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_it_measures_a_small_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    logits: str,
    analyses: tuple[str, ...],
):
    file = tmp_path / "figures.json"
    argv = ["bench", "--sets", "2", "--examples", "300", "--classes", "5", "--json", str(file)]
    argv += ["--logits", logits]
    monkeypatch.setattr(sys, "argv", argv)
    bench_analyses.main()
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(file.read_text())
    assert (found["sets"], found["examples"], found["alphas"]) == (2, 300, 21)
    assert found["rows"].keys() == set(analyses)
    assert all(found["rows"].values())
    assert found["cpu_secs"] > 0
    assert found["peak_mb"] > 20
