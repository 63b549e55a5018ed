"""The comparison with PyTorch: agreement, failures that are rows, and the whole script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import bench_train, bench_train_sides
from tests.scripts.test_bench_train_sides import TINY


def row(losses: list[float], products: str = "float32") -> dict[str, Any]:
    return {"losses": losses, "products": products}


def test_losses_agree_up_to_rounding():
    same = {"torch": row([4.0, 2.0]), "scan": row([4.0, 2.0001]), "failed": {"failed": "memory"}}
    found = bench_train.agreement(same, layers=4)
    assert found["losses_agree"]
    assert found["losses_apart"] == pytest.approx(5e-5)
    assert found["losses_tolerance"] == 1e-4
    apart = {"torch": row([4.0, 2.0]), "scan": row([4.0, 2.001])}
    assert not bench_train.agreement(apart, layers=4)["losses_agree"]
    rounded = bench_train.agreement(apart | {"scan": row([4.0, 2.001], "bfloat16")}, layers=4)
    assert rounded["losses_agree"]
    assert rounded["losses_tolerance"] == 2**-7
    nan = {"torch": row([float("nan")]), "scan": row([4.0])}
    assert not bench_train.agreement(nan, layers=4)["losses_agree"]
    assert bench_train.agreement({"scan": row([4.0])}, layers=4) == {}


def test_a_process_that_is_killed_is_an_error_that_says_so(tmp_path: Path):
    with bench_train.worker("scan", "float32", tmp_path) as process:
        process.kill()
        with pytest.raises(bench_train.VariantError, match="ended with exit code -9"):
            bench_train.answer(process, 1)


def test_a_failure_is_a_row_and_larger_batches_are_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(bench_train_sides, "SMALL", TINY)
    out = tmp_path / "found.json"
    options = [
        "--models",
        "small",
        "--dtypes",
        "float31",
        "--variants",
        "scan",
        "--batch-sizes",
        "4",
        "2",
    ]
    with pytest.raises(SystemExit, match=r"^small, float31: scan failed at every batch$"):
        bench_train.main([*options, "--out", str(out)])
    first, second = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert (first["batch_size"], second["batch_size"]) == (2, 4)
    assert "float31" in first["variants"]["scan"]["failed"]
    assert second["variants"]["scan"] == {"failed": "not tried: failed at 2"}
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.torch
@pytest.mark.slow
def test_the_script_compares_with_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench_train_sides, "SMALL", TINY)
    out = tmp_path / "found.json"
    options = ["--models", "small", "--batch-sizes", "4", "--repeats", "1"]
    bench_train.main([*options, "--out", str(out)])
    for found in json.loads(out.read_text(encoding="utf-8"))["results"]:
        assert found["losses_agree"]
        assert found["variants"].keys() == {"torch", "transformers", "scan"}
        for each in found["variants"].values():
            assert each["step_wall_secs"] > 0.0
            assert each["speed_against_torch_cpu"] > 0.0
