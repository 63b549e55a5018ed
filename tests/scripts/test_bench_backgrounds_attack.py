from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import bench_backgrounds_attack as bench


def test_both_ways_are_timed_in_turn(monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []
    turns = {name: (lambda name=name: order.append(name)) for name in ("compiled", "host")}
    args = bench.parse(["--rounds", "3", "--foregrounds", "2", "--backgrounds", "5"])
    times = iter([1.0, 2.0, 4.0, 2.0, 3.0, 6.0])
    monkeypatch.setattr(bench, "timed", lambda turn: (turn(), {"wall": next(times), "cpu": 1.0})[1])
    compiled, host = bench.rows_of(args, turns, 32)
    assert "".join(name[0] for name in order) == "chhcch"
    assert compiled["pairs_per_sec"] == 10 / 2.0
    assert compiled["official_hours"] == pytest.approx(4050**2 / 5 / 3600)
    assert (compiled["model"], compiled["size"]) == ("small", 32)
    assert compiled["ratio_to_host"] == 0.5
    assert host["ratio_to_host"] == 1.0


def test_the_script_writes_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "rows.jsonl"
    size = ["--foregrounds", "2", "--backgrounds", "3", "--rounds", "1"]
    assert bench.main([*size, "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["name"] for row in rows] == ["compiled", "host"]
    assert [row["size"] for row in rows] == [32, 32]
    assert "differ" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "64"], "--size: the small model's is 32"),
        (["--model", "b32", "--size", "60"], "--size: expected a multiple of 32, found 60"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        bench.parse(options)
    assert message in capsys.readouterr().err
