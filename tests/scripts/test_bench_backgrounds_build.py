"""The measurement of a build on a few images; its memory doesn't depend on how many there are."""

from __future__ import annotations

import json

import pytest

from scripts import bench_backgrounds_build


@pytest.mark.slow
def test_a_build_stays_below_a_gigabyte(capsys: pytest.CaptureFixture[str]):
    bench_backgrounds_build.main(["--per-class", "12", "--workers", "3"])
    report = json.loads(capsys.readouterr().out)
    assert report["accepted"] == 108
    assert report["images_per_sec"] > 0
    assert 50 < report["peak_memory_mb"] < 1000
