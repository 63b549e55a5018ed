"""A signal is heeded before a validation; the resumed run makes it up, and nothing differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.test_fine_tune_resume import assert_equal, crash, stops_at, terminate, train
from wiseft_jax.core.checkpoint import Checkpoints, restore_params
from wiseft_jax.core.checkpoint_files import read_facts
from wiseft_jax.core.errors import Interrupted
from wiseft_jax.core.interrupt import Interruption


def by_the_weights(theta: Any) -> float:
    """An accuracy that no two steps share, and that the same weights have again."""
    return float(np.abs(theta["head"]["kernel"]).sum(dtype=np.float64) % 1)


def told(run_dir: Path) -> list[dict[str, Any]]:
    """Return the records of ``train.jsonl`` without what depends on the clock."""
    clock = {"images_per_second", "data_wait_secs", "time"}
    lines = (run_dir / "train.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name not in clock}
        for line in lines
    ]


def kept(run_dir: Path) -> dict[int, Any]:
    checkpoints = Checkpoints(run_dir)
    return {step: read_facts(checkpoints.path(step)) for step in checkpoints.steps()}


@pytest.mark.parametrize(
    ("step", "best_at"),
    [
        *((1, 1), (3, 3), (4, 1), (4, 4)),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in ((3, 1), (3, 4), (4, 2), (4, 3))),
    ],
)
def test_a_signal_is_heeded_before_a_validation_and_that_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, best_at: int
):
    calls: list[float] = []

    def evaluate(theta: Any) -> float:
        calls.append(by_the_weights(theta))
        return calls[-1]

    train(tmp_path / "first", evaluate=evaluate)
    best = calls[best_at - 1]

    def favouring(theta: Any) -> float:
        found = evaluate(theta)
        return 1.0 if found == best else found / 2

    whole = train(tmp_path / "whole", evaluate=favouring)
    asks = Interruption.stop_requested

    def during_the_step(self: Interruption, at: int = 0, *, last: bool = False) -> bool:
        if at == step and not self._signum:
            terminate()
        return asks(self, at, last=last)

    calls.clear()
    broken = tmp_path / "broken"
    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "stop_requested", during_the_step)
        with pytest.raises(Interrupted, match=f"saved after step {step} in"):
            train(broken, evaluate=favouring)
    assert len(calls) == step - 1  # none after the signal
    assert "validation_accuracy" not in kept(broken)[step].metrics
    with pytest.raises(RuntimeError, match="power cut"):  # the validation isn't lost by a crash
        train(broken, evaluate=stops_at(1, crash), resume=True)
    assert_equal(train(broken, evaluate=favouring, resume=True), whole)
    assert kept(broken) == kept(tmp_path / "whole")
    assert told(broken) == told(tmp_path / "whole")
    for each in kept(broken):
        files = (
            base / "checkpoints" / str(each) / name
            for name in ("meta/metadata", "metrics/metrics")
            for base in (broken, tmp_path / "whole")
        )
        ours, theirs, our_rank, their_rank = (file.read_bytes() for file in files)
        assert (ours, our_rank) == (theirs, their_rank)
    assert restore_params(broken, "best")[1] == best_at


def test_a_signal_while_a_validation_is_made_up_for_stops_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asks = Interruption.stop_requested

    def during_the_step(self: Interruption, at: int = 0, *, last: bool = False) -> bool:
        if not self._signum:
            terminate()
        return asks(self, at, last=last)

    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "stop_requested", during_the_step)
        with pytest.raises(Interrupted, match="saved after step 1 in"):
            train(tmp_path, evaluate=stops_at(1, crash))
        with pytest.raises(Interrupted, match="step 1 is saved in"):
            train(tmp_path, evaluate=stops_at(1, crash), resume=True)
    with pytest.raises(Interrupted, match="saved after step 2 in"):
        train(tmp_path, evaluate=stops_at(1, terminate), resume=True)
    assert kept(tmp_path)[1].metrics["validation_accuracy"] == 0.5
    assert "validation_accuracy" not in kept(tmp_path)[2].metrics
