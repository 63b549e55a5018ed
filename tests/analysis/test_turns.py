"""Which examples flip where, against loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.analysis.runs import ALPHAS, made_predictions, predictions_of, write_run
from wiseft_jax.analysis import turns
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.analysis.turns import KINDS, find_turns, flips
from wiseft_jax.core.errors import InputError


@given(
    top1=arrays(np.int32, (4, 12), elements=st.integers(0, 2)),
    labels=arrays(np.int32, 12, elements=st.integers(0, 2)),
)
def test_turns_are_the_loops_and_lead_from_end_to_end(top1: np.ndarray, labels: np.ndarray):
    correct = top1 == labels
    found = find_turns(top1, correct)
    wanted = []
    for step in range(1, 4):
        for example in range(12):
            old, new = top1[step - 1, example], top1[step, example]
            if old != new:
                was, now = correct[step - 1, example], correct[step, example]
                kind = "won" if now else "lost" if was else "changed"
                wanted.append((step, example, old, new, KINDS.index(kind)))
    arrays_ = (found.step, found.example, found.before, found.after, found.kind)
    assert list(zip(*(each.tolist() for each in arrays_), strict=True)) == wanted
    won, lost = ((found.kind == kind).sum() for kind in (0, 1))
    assert correct[-1].sum() - correct[0].sum() == won - lost


def test_one_alpha_has_nothing_to_flip_between():
    with pytest.raises(InputError, match="expected two or more to flip between, found 1"):
        find_turns(np.zeros((1, 3), np.int32), np.zeros((1, 3), bool))


def test_the_analysis(tmp_path: Path):
    labels = np.array([0, 1, 2, -1, 3], np.int32)
    logits = np.full((3, 5, 4), -1.0, np.float32)
    path = [[0, 1, 2], [1, 1, 0], [0, 1, 1], [0, 1, 2], [3, 3, 3]]  # the classes of each example
    for example, classes in enumerate(path):
        for step, label in enumerate(classes):
            logits[step, example, label] = 1 + example
    predictions = predictions_of("test", logits, labels, (0.0, 0.5, 1.0))
    rows = flips(StoredRun.load(write_run(tmp_path, [predictions])), AnalysisOptions())
    found = {(row["metric"], row["alpha"], row["group"]): row for row in rows}
    assert found["flips", None, None]["value"] == 0.75  # of the four with a label
    assert found["lost", 0.5, None]["value"] == 0.25
    assert found["lost", 0.5, None]["other"] == "alpha 0"
    assert found["won", 0.5, None]["value"] == 0
    assert found["changed", 0.5, None]["value"] == 0.25
    assert found["lost", 0.5, None]["p_value"] == 1
    lost = found["flip_lost", 1.0, "test/1.png"]
    assert (lost["other"], lost["value"], lost["n"]) == ("dog -> cat", 3.0, 1)
    listed = [row for row in rows if row["metric"].startswith("flip_")]
    assert [row["group"] for row in listed] == [
        "test/0.png", "test/1.png", "test/2.png", "test/0.png",
    ]  # fmt: skip


def test_the_clearest_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "MOST_LISTED", 3)
    predictions = made_predictions("test", 200)
    rows = flips(StoredRun.load(write_run(tmp_path, [predictions])), AnalysisOptions())
    won = [row for row in rows if row["metric"] == "flip_won"]
    assert len(won) == 3
    margins = []
    for step in range(1, len(ALPHAS)):
        turned = predictions.correct[step] & ~predictions.correct[step - 1]
        margins += predictions.margin[step, turned].tolist()
    assert sorted(row["value"] for row in won) == pytest.approx(sorted(margins)[-3:])
