"""The log: one step late, valid JSON whatever the numbers, and clean after a resume."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.test_tracking import Memory
from tests.helpers.processes import run_processes
from wiseft_jax.core.errors import NonFiniteLossError
from wiseft_jax.core.tracking import Tracker
from wiseft_jax.training.config import Plan
from wiseft_jax.training.log import TrainLog, drop_records_after

PLAN = Plan(100, 10, 20, 2, ())


def metrics(loss: float = 0.5, finite: bool = True) -> dict[str, Any]:
    return {
        "loss": np.float32(loss),
        "hits": np.int32(7),
        "count": np.int32(10),
        "learning_rate": np.float32(0.25),
        "grad_norm": np.float32(2.0),
        "finite": np.bool_(finite),
    }


def make_log(path: Path | None) -> TrainLog:
    return TrainLog(path, PLAN, lambda position: f"image-{position}", lambda: "checkpoints/3")


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the records without when they were written, which each has."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(abs(record.pop("time") - time.time()) < 600 for record in records)
    return records


def test_a_step_is_written_when_the_next_one_is_on_its_way(tmp_path: Path):
    path = tmp_path / "train.jsonl"
    log = make_log(path)
    log.push(1, metrics(0.5), np.arange(10), data_wait_secs=0.12345)
    assert lines(path) == []
    log.push(2, metrics(0.25), np.arange(10))
    assert [record["step"] for record in lines(path)] == [1]
    log.flush()
    log.flush()
    log.close()
    first, second = lines(path)
    assert first.pop("images_per_second") > 0
    assert first == {
        "step": 1,
        "epoch": 0.1,
        "loss": 0.5,
        "hits": 7,
        "count": 10,
        "learning_rate": 0.25,
        "grad_norm": 2.0,
        "accuracy": 0.7,
        "data_wait_secs": 0.1235,
    }
    assert (second["step"], second["loss"]) == (2, 0.25)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def waited(
    caplog: pytest.LogCaptureFixture, step_secs: float, wait_secs: float
) -> list[logging.LogRecord]:
    """Log three steps, a pause of 500 s after the second; return what is said of waiting."""
    clock = Clock()
    log = TrainLog(None, PLAN, str, lambda: "none", clock=clock)
    for step in (1, 2, 3):
        log.start_clock()
        clock.now += step_secs
        log.push(step, metrics(), np.arange(2), data_wait_secs=100.0 if step == 1 else wait_secs)
        if step == 2:
            log.flush()
            clock.now += 500.0
    log.flush()
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        log.report_data_wait()
    return [record for record in caplog.records if "waited for data" in record.message]


def test_the_share_of_waiting_leaves_out_the_first_batch_and_pauses(
    caplog: pytest.LogCaptureFixture,
):
    (record,) = waited(caplog, 100.0, 7.5)
    assert record.message == "the devices waited for data 5 % of the time (15.0 s of 300.0 s)"
    assert record.levelno == logging.INFO


def test_much_waiting_is_a_warning_with_advice(caplog: pytest.LogCaptureFixture):
    (record,) = waited(caplog, 10.0, 3.0)
    assert "waited for data 20 % of the time (6.0 s of 30.0 s); images are read" in record.message
    assert "training.num_workers" in record.message
    assert record.levelno == logging.WARNING


def test_waiting_of_a_moment_is_worth_no_advice(caplog: pytest.LogCaptureFixture):
    (record,) = waited(caplog, 0.1, 0.05)
    assert record.message.endswith("waited for data 33 % of the time (0.1 s of 0.3 s)")


PROGRAM = """
import logging, sys

import jax

from tests.training.test_log import PLAN, Clock, metrics
from wiseft_jax.training.log import TrainLog

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s")
logging.getLogger("jax").setLevel(logging.ERROR)
clock = Clock()
log = TrainLog(None, PLAN, str, lambda: "none", clock=clock)
log.report_data_wait()
for step in (1, 2):
    log.start_clock()
    clock.now += 10.0
    log.push(step, metrics(), [0], data_wait_secs=4.0 * jax.process_index())
log.flush()
log.report_data_wait()
"""


def test_of_several_processes_the_one_that_waited_longest_is_told_everywhere():
    for done in run_processes(2, PROGRAM):
        assert done.returncode == 0, done
        (line,) = [line for line in done.stdout.splitlines() if "waited for data" in line]
        assert line.startswith(
            "WARNING process 1's devices waited for data 20 % of the time (4.0 s of 20.0 s), the"
            " longest of 2 processes; images are read too slowly"
        )


def test_a_log_without_steps_says_nothing_of_waiting(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        make_log(None).report_data_wait()
    assert caplog.records == []


def test_a_tracker_gets_what_the_file_does(tmp_path: Path):
    memory = Memory()
    tracker = Tracker({"memory": lambda: memory})
    log = TrainLog(tmp_path / "train.jsonl", PLAN, str, lambda: "none", tracker=tracker)
    log.push(1, metrics(0.5), np.arange(10))
    log.flush()
    log.validation(1, 0.75)
    log.skipped(1, ["a.png: torn"])
    log.close()
    (step, values, secs), validation, skipped = memory.said
    first, *_ = map(json.loads, (tmp_path / "train.jsonl").read_text().splitlines())
    assert (step, secs) == (1, first["time"])
    assert values["train/loss"] == 0.5
    assert values["train/accuracy"] == 0.7
    assert validation[:2] == (1, {"validation/accuracy": 0.75})
    assert skipped == ("images left out", "- `a.png: torn`")


def test_validation_is_a_record_of_its_own(tmp_path: Path):
    log = make_log(tmp_path / "train.jsonl")
    log.validation(10, 0.75)
    log.close()
    assert lines(log_file := tmp_path / "train.jsonl") == [
        {"step": 10, "epoch": 1.0, "validation_accuracy": 0.75}
    ]
    assert log_file.read_text(encoding="utf-8").endswith("\n")


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_json_all_the_same(tmp_path: Path, loss: float):
    log = make_log(tmp_path / "train.jsonl")
    log.push(4, metrics(loss, finite=False), np.arange(10))
    with pytest.raises(NonFiniteLossError, match=rf"step 4: loss {loss}.* and 2 more; last good "):
        log.flush()
    log.close()
    (record,) = lines(tmp_path / "train.jsonl")
    assert "NaN" not in (tmp_path / "train.jsonl").read_text(encoding="utf-8")
    assert record["loss"] is None
    assert record["ids"] == [f"image-{position}" for position in range(10)]


def test_without_a_file_the_loss_is_watched_too():
    log = make_log(None)
    log.push(1, metrics(float("nan"), finite=False), np.arange(2))
    with pytest.raises(NonFiniteLossError, match="image-0, image-1; last good"):
        log.push(2, metrics(), np.arange(2))
    log.close()


def test_later_records_go_and_so_does_a_torn_one(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "train.jsonl"
    drop_records_after(path, 2)
    assert not path.exists()
    kept = '{"step": 1, "loss": 0.5}\n{"step": 2, "validation_accuracy": 0.5}\n'
    path.write_text(kept + '{"step": 3, "loss": 0.1}\n{"step": 2, "lo', encoding="utf-8")
    drop_records_after(path, 2)
    assert path.read_text(encoding="utf-8") == kept
    assert "an incomplete record was dropped" in caplog.text


def test_bad_images_are_a_record_that_survives_a_resume(tmp_path: Path):
    path = tmp_path / "train.jsonl"
    log = make_log(path)
    log.skipped(3, [])
    log.skipped(7, ["a.png: truncated"])
    log.close()
    drop_records_after(path, 7)
    assert lines(path) == [{"step": 7, "skipped": ["a.png: truncated"]}]
