"""The benchmark of analyses, on a run small enough for a test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from scripts import bench_analyses


def test_it_measures_a_small_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    file = tmp_path / "figures.json"
    argv = ["bench", "--sets", "2", "--examples", "300", "--classes", "5", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", argv)
    bench_analyses.main()
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(file.read_text())
    assert (found["sets"], found["examples"], found["alphas"]) == (2, 300, 21)
    assert all(found["rows"][name] > 0 for name in bench_analyses.ANALYSES)
    assert found["cpu_secs"] > 0
    assert found["peak_mb"] > 20
