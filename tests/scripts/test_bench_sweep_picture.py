"""The picture of the times: a line for each side, with names that don't overlap."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
from matplotlib.figure import Figure

from scripts import bench_sweep_picture


def row(name: str, wall: float, alphas: int = 11, exact: bool = True, dtype: str = "float32"):
    facts = {"name": name, "wall_s": wall, "alphas": alphas, "exact": exact, "dtype": dtype}
    return facts | {"ratio_to_reference": 10.0 / wall}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (row("torch", 1.0), "torch"),
        (row("torch (11 of 101 timed)", 1.0), "torch"),
        (row("map-scan", 1.0), "map · scan"),
        (row("curve-scan", 1.0, exact=False), "curve · scan"),
        (row("curve-transformers", 1.0), "curve, exact · transformers"),
    ],
)
def test_names_of_lines(found: dict[str, Any], expected: str):
    assert bench_sweep_picture.line_name(found, "float32") == expected


def test_the_reference_beside_another_dtype_says_its_own():
    found = row("torch (beside bfloat16)", 1.0)
    assert bench_sweep_picture.line_name(found, "bfloat16") == "torch · float32"


def test_names_keep_their_distance_and_order():
    axes = Figure().subplots()
    axes.set_yscale("log")
    axes.set_ylim(0.1, 100.0)
    ends = [(11.0, wall, str(wall), "#000000") for wall in (1.0, 1.02, 1.01, 50.0)]
    bench_sweep_picture.label_ends(axes, ends)
    heights = {text.get_text(): math.log(text.xyann[1]) for text in axes.texts}
    gap = bench_sweep_picture.LABEL_HEIGHT * math.log(1000.0)
    names = ["1.0", "1.01", "1.02", "50.0"]
    for low, high in itertools.pairwise(names):
        assert heights[high] - heights[low] >= gap - 1e-9
    assert heights["50.0"] == pytest.approx(math.log(50.0))


def test_a_panel_for_each_dtype(tmp_path: Path):
    sides = {"torch": 10.0, "map-scan": 2.0, "map-transformers": 2.1}
    groups = {
        dtype: [
            row(name, wall * alphas, alphas, dtype=dtype)
            for name, wall in sides.items()
            for alphas in (1, 11)
        ]
        for dtype in ("float32", "bfloat16")
    }
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    bench_sweep_picture.draw_times({"float32": groups["float32"]}, one, "small")
    bench_sweep_picture.draw_times(groups, two, "small")
    widths = [matplotlib.image.imread(path).shape[1] for path in (one, two)]
    assert widths[1] > 1.5 * widths[0]
