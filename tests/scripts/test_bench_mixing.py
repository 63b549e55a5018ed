"""The benchmark of mixing: turns that alternate, ratios of the same round, and the whole script."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import bench_mixing


def test_turns_alternate_and_their_order_is_turned_round():
    order: list[str] = []

    def turn(name: str) -> bench_mixing.Turn:
        def take() -> dict[str, float]:
            order.append(name)
            return {"wall": 1.0}

        return take

    found = bench_mixing.interleaved({name: turn(name) for name in "abc"}, 3)
    assert "".join(order) == "abccbaabc"
    assert [len(each) for each in found.values()] == [3, 3, 3]


def test_a_ratio_is_of_turns_of_the_same_round():
    """A machine that slows down tenfold in between changes no ratio."""
    args = bench_mixing.parse(["--steps", "2"])
    slow = [1.0, 10.0, 100.0]
    plain = [{"wall": each, "cpu": each, "loss": 1.0} for each in slow]
    mixed = [{"wall": 1.02 * each, "cpu": 1.01 * each, "loss": 2.0} for each in slow]
    found = bench_mixing.row(args, "cutmix", {"none": plain, "cutmix": mixed})
    assert found["wall_ratio"] == pytest.approx(1.02)
    assert found["cpu_ratio_high"] == pytest.approx(1.01)
    assert found["wall_plain_step_secs"] == 5.0
    assert (found["loss"], found["plain_loss"]) == (2.0, 1.0)


def test_the_interval_of_a_median_covers_it():
    random = np.random.default_rng(0)
    draws = random.exponential(size=(1500, 20))
    ends = np.array([bench_mixing.median_interval(each) for each in draws.tolist()])
    covered = np.mean((ends[:, 0] <= np.log(2)) & (np.log(2) <= ends[:, 1]))
    assert 0.94 < covered < 0.995
    assert bench_mixing.median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert bench_mixing.median_interval([3.0]) == (3.0, 3.0)


def test_numbers_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str]):
    for option in ("--batch-size", "--steps", "--rounds"):
        with pytest.raises(SystemExit):
            bench_mixing.parse([option, "0"])
        assert "expected --batch-size >= 2" in capsys.readouterr().err


@pytest.mark.slow
def test_the_script_times_a_small_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "rows.jsonl"
    options = ["--batch-size", "8", "--rounds", "2", "--mixers", "cutmix", "smoothmix"]
    for _ in range(2):
        rows = bench_mixing.main([*options, "--out", str(out)])
        printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert printed == rows
    stored: list[dict[str, Any]] = [json.loads(line) for line in out.read_text().splitlines()]
    assert [each["mixer"] for each in stored] == ["cutmix", "smoothmix"] * 2
    for each, clock in itertools.product(stored, ("wall", "cpu")):
        assert each[f"{clock}_ratio_low"] <= each[f"{clock}_ratio"] <= each[f"{clock}_ratio_high"]
        assert each[f"{clock}_step_secs"] > 0
        assert each["loss"] != each["plain_loss"]
