"""Copies of the log: what goes into them, no step twice, and a writer that fails stops nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from wiseft_jax.core.metrics import Accuracy
from wiseft_jax.core.results import Row, accuracy_row
from wiseft_jax.core.tracking import (
    Tracker,
    results_at,
    results_table,
    scalars_of,
    texts_of,
    values_by_alpha,
)


def rows() -> list[Row]:
    """Hits of 10: the reference has 5, 8, 9 and two shifts 4, 6, 2 and 2, 6, 6."""
    hits = {"test": (5, 8, 9), "sketch": (4, 6, 2), "pho|to": (2, 6, 6)}
    return [
        accuracy_row(
            Accuracy(count, 10),
            dataset=name,
            split="test",
            role="reference" if name == "test" else "shift",
            alpha=alpha,
            config_hash="h",
        )
        for name, counts in hits.items()
        for alpha, count in zip((0.0, 0.5, 1.0), counts, strict=True)
    ]


class Memory:
    """A writer that remembers; it fails, like a full disk, once it holds ``room`` things."""

    def __init__(self, room: int = 1000) -> None:
        self.said: list[Any] = []
        self.room = room
        self.closed = False

    def _take(self, *what: Any) -> None:
        if len(self.said) >= self.room:
            raise OSError(28, "No space left on device")
        self.said.append(what)

    def scalars(self, step: int, values: Mapping[str, float], time_secs: float | None) -> None:
        self._take(step, dict(values), time_secs)

    def text(self, name: str, text: str) -> None:
        self._take(name, text)

    def rows(self, rows: Sequence[Row], selection: Mapping[str, Any]) -> None:
        self._take("rows", len(rows), selection["alpha"])

    def close(self) -> None:
        self.closed = True


def test_records_become_scalars_and_texts():
    step = {"step": 3, "epoch": 0.5, "loss": 0.25, "hits": 7, "count": 10, "time": 9.0}
    assert scalars_of(step) == {"train/epoch": 0.5, "train/loss": 0.25}
    assert scalars_of({"step": 3, "validation_accuracy": 0.5}) == {"validation/accuracy": 0.5}
    broken = {"step": 4, "loss": None, "finite": False, "grad_norm": 1, "ids": ["a.png"]}
    assert scalars_of(broken) == {"train/grad_norm": 1.0}
    assert texts_of(broken)["stopped"].endswith("- `a.png`")
    assert texts_of({"step": 4, "skipped": ["b: torn"]}) == {"images left out": "- `b: torn`"}


def test_the_log_is_replayed_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    log = tmp_path / "train.jsonl"
    records = [{"step": 1, "loss": 0.5, "time": 100.0}, {"step": 2, "skipped": ["x"]}]
    log.write_text("".join(json.dumps(each) + "\n" for each in records) + '{"st')
    memory = Memory()
    tracker = Tracker({"memory": lambda: memory})
    tracker.replay(log)
    tracker.record({"step": 2, "loss": 0.25})
    tracker.rows(rows(), {"alpha": 0.5})
    tracker.close()
    assert memory.said == [
        (1, {"train/loss": 0.5}, 100.0),
        ("images left out", "- `x`"),
        (2, {"train/loss": 0.25}, None),
        ("rows", 9, 0.5),
    ]
    assert memory.closed
    assert "train.jsonl:3: not a record" in caplog.text


def test_a_writer_that_fails_is_left_out_and_named_once(caplog: pytest.LogCaptureFixture):
    full, fine = Memory(room=1), Memory()

    def broken() -> Memory:
        raise RuntimeError("no service")

    tracker = Tracker({"full": lambda: full, "broken": broken, "fine": lambda: fine})
    with caplog.at_level(logging.WARNING, "wiseft_jax"):
        for step in (1, 2, 3):
            tracker.record({"step": step, "loss": 1.0})
        tracker.close()
    assert [said[0] for said in fine.said] == [1, 2, 3]
    assert [said[0] for said in full.said] == [1]
    assert full.closed
    assert fine.closed
    first, second = (record.message for record in caplog.records)
    assert first.startswith("tracking: broken failed at the start (RuntimeError: no service)")
    assert "tracking: full failed at step 2 (OSError: [Errno 28] No space left" in second
    assert "train.jsonl go on, and --resume or wiseft sweep" in second


def test_a_signal_is_no_failure_of_a_writer():
    class Interrupted(Memory):
        def scalars(self, *what: Any) -> None:
            raise KeyboardInterrupt

    tracker = Tracker({"x": Interrupted})
    with pytest.raises(KeyboardInterrupt):
        tracker.record({"step": 1, "loss": 1.0})


def test_without_writers_nothing_is_read(tmp_path: Path):
    log = tmp_path / "train.jsonl"
    log.write_bytes(b"\xff not UTF-8")
    Tracker({}).replay(log)


def test_the_numbers_that_tell_runs_apart():
    found = results_at(rows(), {"alpha": 0.5})
    assert found["chosen alpha"] == 0.5
    assert (found["zero-shot/test"], found["chosen/test"], found["fine-tuned/test"]) == (
        0.5,
        0.8,
        0.9,
    )
    assert found["zero-shot/mean of shifts"] == pytest.approx(0.3)
    assert "chosen/test" not in results_at(rows(), {"alpha": 0.3})
    by_alpha = values_by_alpha(rows())
    assert list(by_alpha) == [0.0, 0.5, 1.0]
    assert by_alpha[1.0]["top1 by alpha/sketch"] == 0.2
    assert by_alpha[1.0]["top1 by alpha/mean of shifts"] == pytest.approx(0.4)


def test_the_table_has_n_and_intervals_and_escapes_names():
    table = results_table(rows(), {"alpha": 0.5, "sentence": "alpha = 0.5: why"})
    assert table.startswith("alpha = 0.5: why\n\n| set |")
    assert "| pho\\|to | top1 | 1 | 60.0 | [26.2, 87.8] | 10 |" in table
    assert len(table.splitlines()) == 2 + 2 + 9
