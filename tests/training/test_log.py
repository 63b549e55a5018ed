"""The log: one step late, valid JSON whatever the numbers, and clean after a resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wiseft_jax.core.errors import NonFiniteLossError
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
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_step_is_written_when_the_next_one_is_on_its_way(tmp_path: Path):
    path = tmp_path / "train.jsonl"
    log = make_log(path)
    log.push(1, metrics(0.5), np.arange(10))
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
    }
    assert (second["step"], second["loss"]) == (2, 0.25)


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
