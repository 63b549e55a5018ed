"""TensorBoard's copy of a run: of a sweep, and of a resumed run; without the package, nothing."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from tests.core.test_tracking_tensorboard import scalars
from tests.end_to_end.conftest import Workshop
from wiseft_jax.cli.main import main

TRACKED = ["--tracking.writers", "tensorboard"]


@pytest.fixture
def run(workshop: Workshop, tmp_path: Path) -> Path:
    """Return a copy of the run: sweeping writes into it."""
    shutil.copytree(workshop.run, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboardX") is None,
    reason="needs the extra: pip install 'wiseft-jax[tensorboard]'",
)
def test_a_sweep_and_a_resumed_run_are_tracked_whole(workshop: Workshop, run: Path):
    log = [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]
    steps = [each["step"] for each in log if "loss" in each]
    assert main(["sweep", str(run), *TRACKED, "-q"]) == 0
    found = scalars(run / "tensorboard")
    assert [step for step, _ in found["train/loss"]] == steps
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    expected = [
        (round(1000 * row["alpha"]), round(row["value"], 6))
        for row in rows
        if row["dataset"] == "inverted"
    ]
    assert found["top1 by alpha/inverted"] == expected
    command = ["run", "custom/folder", *workshop.options(), "--out", str(run), "--resume", "-q"]
    assert main([*command, *TRACKED]) == 0
    assert scalars(run / "tensorboard") == found


def test_a_missing_package_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "tensorboardX" else find_spec(name, *more),
    )
    nowhere = ["--data.train", f"folder:{tmp_path / 'none'}", "--out", str(tmp_path / "run")]
    for verb in ("run", "train"):
        assert main([verb, "custom/folder", *nowhere, *TRACKED]) == 2
        assert "pip install 'wiseft-jax[tensorboard]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
