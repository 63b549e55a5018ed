"""A tracker sees each step of a run once, whatever stopped the run in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.core.test_tracking import Memory
from tests.training.toy import toy_classifier, toy_config, toy_dataset
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.tracking import Tracker, scalars_of
from wiseft_jax.training.fine_tune import fine_tune

FOUR_STEPS = toy_config(epochs=4 / 3, eval_every_epochs=1 / 3)


def train(run_dir: Path, memory: Memory, evaluate: Callable[[Any], float], resume: bool) -> None:
    classifier, theta_0 = toy_classifier()
    fine_tune(
        classifier,
        theta_0,
        toy_dataset(48),
        toy_dataset(12, seed=9),
        FOUR_STEPS,
        run_dir=run_dir,
        resume=resume,
        evaluate=evaluate,
        mesh=make_mesh(1),
        tracker=Tracker({"memory": lambda: memory}),
    )


def test_a_resumed_run_gives_each_step_once_and_what_the_log_has(tmp_path: Path):
    calls: list[int] = []

    def power_cut(theta: Any) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("power cut")
        return 0.5

    broken, whole = Memory(), Memory()
    with pytest.raises(RuntimeError, match="power cut"):
        train(tmp_path, broken, power_cut, resume=False)
    assert [step for step, values, _ in broken.said if "train/loss" in values] == [1, 2, 3]
    train(tmp_path, whole, lambda theta: 0.5, resume=True)
    lines = (tmp_path / "train.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert whole.said == [(each["step"], scalars_of(each), each["time"]) for each in records]
    assert [step for step, values, _ in whole.said if "train/loss" in values] == [1, 2, 3, 4]
    assert [step for step, values, _ in whole.said if "validation/accuracy" in values] == [
        1, 2, 3, 4,
    ]  # fmt: skip


def test_a_full_disk_of_the_tracker_stops_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    train(tmp_path, Memory(room=2), lambda theta: 0.5, resume=False)
    assert caplog.text.count("tracking: memory failed at step 2") == 1
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "train.jsonl").read_text().splitlines()
    ]
    assert steps == [1, 1, 2, 2, 3, 3, 4, 4]
