"""The measurement of the input pipeline, on a few images."""

from __future__ import annotations

import json

import pytest

from scripts import bench_pipeline


def test_a_small_run_measures_every_variant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(bench_pipeline, "DISTINCT", 8)
    options = [
        "--images",
        "8",
        "--repeats",
        "1",
        "--batch-size",
        "4",
        "--threads",
        "1",
        "--workers",
    ]
    bench_pipeline.main(options)
    report = json.loads(capsys.readouterr().out)
    assert report["jpeg_bytes"] > 10_000
    for name in ("500 x 375 JPEG to 224", "32 x 32 arrays"):
        measured = report[name]
        assert len(measured) == 5
        assert measured[bench_pipeline.TRAINING_LIMIT]["wall_ratio"] == 1.0
        assert "pipeline, training, 1 thread(s)" in measured
        assert all(each["images_per_wall_sec"] > 0 for each in measured.values())
