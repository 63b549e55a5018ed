"""The loop's order: hand over, fetch, read the step before; nothing waits for the newest step."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.training.config import Plan
from wiseft_jax.training.log import TrainLog
from wiseft_jax.training.loop import run_loop
from wiseft_jax.training.problem import Problem
from wiseft_jax.training.state import TrainState

BATCH_SIZE = 4


class Scalar:
    """A metric on the devices; waiting for it alone lasts until the test is over."""

    def __init__(self, value: Any, on_read: Callable[[], None], over: threading.Event) -> None:
        self.value, self.on_read, self.over = value, on_read, over

    def block_until_ready(self) -> Scalar:
        assert self.over.wait(60)
        return self

    def __array__(self, *unused: Any, **options: Any) -> np.ndarray:
        self.on_read()
        return np.asarray(self.value)


class Recorder:
    """Steps that compute nothing, and batches; what happened, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.over = threading.Event()
        self.making: Callable[[int], None] = lambda number: None

    def note(self, what: str, number: int) -> None:
        self.events.append((what, number))

    def batches(self, start_step: int) -> Iterator[dict[str, Any]]:
        number = start_step
        while True:
            number += 1
            self.note("fetch", number)
            self.making(number)
            yield {"index": np.full(BATCH_SIZE, number), "image": np.full(BATCH_SIZE, number)}

    def step(self, state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, dict[str, Any]]:
        number = int(batch["image"][0])
        assert "index" not in batch
        self.note("hand over", number)
        values = {"loss": 0.5, "hits": 1, "count": BATCH_SIZE, "learning_rate": 0.1}
        values |= {"grad_norm": 1.0, "finite": True}
        metrics: dict[str, Any] = {name: np.asarray(value) for name, value in values.items()}
        metrics["loss"] = Scalar(0.5, lambda: self.note("read", number), self.over)
        return TrainState(number, state.params, state.opt), metrics


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.over.set()


def run(
    recorder: Recorder, steps: int, *, start_step: int = 0, path: Path | None = None, **options: Any
) -> TrainState:
    problem = Problem({}, lambda params, batch: None, recorder.batches, iter, lambda params: params)
    plan = Plan(BATCH_SIZE, BATCH_SIZE, steps, 0, options.pop("eval_steps", ()))
    log = TrainLog(path, plan, str, lambda: "none")
    state = TrainState(start_step, {}, {})
    try:
        return run_loop(
            state,
            recorder.step,
            problem,
            plan,
            make_mesh(1),
            log,
            start_step=start_step,
            **options,
        )
    finally:
        log.close()


def test_the_next_batch_is_fetched_before_the_step_before_is_read(recorder: Recorder):
    state = run(recorder, 4)
    assert state.step == 4
    assert recorder.events == [
        ("fetch", 1),
        ("hand over", 1),
        ("fetch", 2),
        ("hand over", 2),
        ("fetch", 3),
        ("read", 1),
        ("hand over", 3),
        ("fetch", 4),
        ("read", 2),
        ("hand over", 4),
        ("read", 3),
        ("read", 4),
    ]


def test_a_resume_gives_each_step_its_own_batch(recorder: Recorder):
    run(recorder, 5, start_step=3)
    handed_over = [number for what, number in recorder.events if what == "hand over"]
    assert handed_over == [4, 5]
    assert ("fetch", 6) not in recorder.events


def test_a_bad_image_ahead_does_not_take_the_validation_before_it(recorder: Recorder):
    def fail(number: int) -> None:
        if number == 3:
            raise ValueError("a bad image")

    def validate(params: Any) -> float:
        recorder.note("validate", 2)
        return 0.5

    recorder.making = fail
    with pytest.raises(ValueError, match="a bad image"):
        run(recorder, 4, eval_steps=(2,), validate=validate)
    assert recorder.events[-2:] == [("read", 2), ("validate", 2)]
    assert ("hand over", 3) not in recorder.events


def test_batches_that_are_made_during_a_step_are_not_waited_for(recorder: Recorder, tmp_path: Path):
    run(recorder, 4, path=tmp_path / "log")
    first, *others = read_waits(tmp_path / "log")
    assert first >= 0
    assert others == [0.0, 0.0, 0.0]


def test_slow_batches_are_waited_for(recorder: Recorder, tmp_path: Path):
    recorder.over.set()  # steps are over at once
    recorder.making = lambda number: time.sleep(0.02)
    run(recorder, 8, path=tmp_path / "log")
    waits = read_waits(tmp_path / "log")
    assert len(waits) == 8
    assert waits[0] >= 0.02
    assert max(waits[1:]) > 0


def read_waits(path: Path) -> list[float]:
    return [json.loads(line)["data_wait_secs"] for line in path.read_text().splitlines()]
