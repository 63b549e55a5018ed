"""The comparison of sweeps: which sides run, what a row says, and the whole script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import bench_sweep

KEYS = {
    "name",
    "model",
    "dtype",
    "alphas",
    "exact",
    "wall_s",
    "cpu_s",
    "peak_rss_mb",
    "compile_s",
    "ratio_to_reference",
    "max_count_difference",
}


def turn(wall: float, correct: list[int], peak: float = 1.0) -> dict[str, Any]:
    times = {"wall": wall, "cpu": 2 * wall, "compile": 0.5, "late_compile": 0.0}
    return {**times, "peak": peak, "correct": correct}


def test_options_are_checked(capsys: pytest.CaptureFixture[str]):
    assert bench_sweep.parse(["--alphas", "21,1,21"]).alphas == [1, 21]
    assert bench_sweep.parse(["--model", "b32"]).images == bench_sweep.IMAGES["b32"]
    for wrong in (
        ["--alphas", "0,1"],
        ["--images", "8", "--batch-size", "16"],
        ["--reference-alphas", "1"],
    ):
        with pytest.raises(SystemExit):
            bench_sweep.parse(wrong)
    assert "expected at least a batch, 16, found 8" in capsys.readouterr().err


def test_the_reference_runs_in_each_group():
    groups = bench_sweep.chosen_sides(["map-scan", "vmap", "torch"], ["float32", "bfloat16"])
    names = ["map-scan", "vmap-transformers", "vmap-scan"]
    assert groups["float32"] == [("torch", "float32"), *((name, "float32") for name in names)]
    both = [("torch", "float32"), ("torch", "bfloat16")]
    assert groups["bfloat16"] == [*both, *((name, "bfloat16") for name in names)]
    assert bench_sweep.chosen_sides(["map-scan"], ["bfloat16"])["bfloat16"][0] == both[0]
    with pytest.raises(SystemExit, match=r"^--only: 'nmap' is none of torch, "):
        bench_sweep.chosen_sides(["nmap"], ["float32"])


@pytest.mark.parametrize(
    ("name", "count", "limit", "expected"),
    [
        ("torch", 101, None, 101),
        ("torch", 101, 11, 11),
        ("torch", 101, 12, 11),
        ("torch", 21, 11, 11),
        ("torch", 11, 11, 11),
        ("torch", 12, 5, 2),
        ("map-scan", 101, 11, 101),
    ],
)
def test_pytorch_can_be_given_a_part_of_the_grid(
    name: str, count: int, limit: int | None, expected: int
):
    assert bench_sweep.timed_count((name, "float32"), count, limit) == expected


def test_vmap_is_left_out_where_its_copies_have_no_room(monkeypatch: pytest.MonkeyPatch):
    assert bench_sweep.free_mebibytes() > 0.0
    monkeypatch.setattr(bench_sweep, "free_mebibytes", lambda: 1000.0)
    assert bench_sweep.too_large(("vmap-scan", "float32"), 101, 5.0)
    assert not bench_sweep.too_large(("vmap-scan", "float32"), 100, 5.0)
    assert not bench_sweep.too_large(("map-scan", "float32"), 101, 5.0)


def test_differences_are_counted_on_the_alphas_of_both():
    assert bench_sweep.count_difference([5, 7, 9], [5, 9, 9]) == 2
    assert bench_sweep.count_difference([5, 7, 9], [5, 0, 8, 0, 9]) == 1
    assert bench_sweep.count_difference([5, 0, 8, 0, 9], [5, 8, 4]) == 5
    with pytest.raises(ValueError, match="no grid of 3 alphas is a part of one of 4"):
        bench_sweep.count_difference([1, 2, 3], [1, 2, 3, 4])


def test_a_row_is_the_median_and_says_what_was_scaled():
    turns = {
        ("torch", "float32"): [turn(10.0, [1, 3]), turn(30.0, [1, 3]), turn(20.0, [1, 3])],
        ("curve-scan", "float32"): [turn(2.0, [1, 9, 4], peak=2.0), turn(4.0, [1, 9, 4])],
        ("curve+exact-scan", "float32"): [turn(6.0, [1, 9, 3])],
    }
    reference, curve, exact = bench_sweep.summary("small", 3, turns)
    assert all(row.keys() == KEYS for row in (reference, curve, exact))
    assert reference["name"] == "torch (2 of 3 timed)"
    assert (reference["wall_s"], reference["cpu_s"]) == (30.0, 60.0)
    assert (reference["ratio_to_reference"], reference["max_count_difference"]) == (1.0, 0)
    assert (curve["name"], curve["exact"], curve["max_count_difference"]) == (
        "curve-scan",
        False,
        1,
    )
    assert (curve["ratio_to_reference"], curve["peak_rss_mb"]) == (10.0, 2.0)
    assert (exact["name"], exact["exact"], exact["max_count_difference"]) == ("curve-scan", True, 0)
    assert exact["ratio_to_reference"] == 5.0
    lines = bench_sweep.table([reference, curve, exact]).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["torch", "curve-scan", "curve-scan"]
    assert "5.00x" in lines[3]


def test_a_later_group_s_reference_has_a_name_of_its_own():
    rows = [{"name": "torch", "dtype": dtype} for dtype in ("float32", "bfloat16")]
    names = [row["name"] for row in bench_sweep.told_apart(rows, "bfloat16")]
    assert names == ["torch (beside bfloat16)", "torch"]


@pytest.mark.torch
@pytest.mark.slow
def test_the_script_compares_with_pytorch(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    found, picture = tmp_path / "found.json", tmp_path / "times.png"
    options = ["--images", "32", "--steps", "2", "--repeats", "1", "--alphas", "1,5"]
    options += ["--only", "torch", "map-scan", "--reference-alphas", "3"]
    bench_sweep.main([*options, "--json", str(found), "--picture", str(picture)])
    rows = json.loads(found.read_text(encoding="utf-8"))
    printed = capfd.readouterr()
    assert rows == json.loads(printed.out)
    assert bench_sweep.processor() in printed.err
    assert all(row.keys() == KEYS for row in rows)
    assert len(rows) == 2 * 2 + 2 * 3
    float32 = [row for row in rows if row["dtype"] == "float32"]
    assert {row["name"] for row in float32} == {
        "torch",
        "torch (3 of 5 timed)",
        "map-scan",
        "torch (beside bfloat16)",
        "torch (3 of 5 timed) (beside bfloat16)",
    }
    assert all(row["max_count_difference"] == 0 for row in float32)
    assert all(row["compile_s"] > 0 for row in rows if row["name"] == "map-scan")
    assert all(row["wall_s"] > 0 and row["peak_rss_mb"] > 100 for row in rows)
    assert picture.read_bytes().startswith(b"\x89PNG")
