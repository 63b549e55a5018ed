"""Gains and losses of classes, against loops and single tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.analysis.runs import CLASSES, made_predictions, predictions_of, write_run
from wiseft_jax.analysis.class_changes import by_class, class_changes, comparisons
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.paired import holm, mcnemar

COUNT = st.shared(st.integers(1, 50), key="n")


@given(
    before=arrays(np.bool_, COUNT),
    after=arrays(np.bool_, COUNT),
    labels=arrays(np.int64, COUNT, elements=st.integers(0, 5)),
)
def test_changes_are_the_loops(before: np.ndarray, after: np.ndarray, labels: np.ndarray):
    found = class_changes(before, after, labels)
    tests = []
    for place, label in enumerate(found.classes):
        kept = labels == label
        assert found.n[place] == kept.sum()
        assert found.change[place] == pytest.approx(after[kept].mean() - before[kept].mean())
        tests.append(mcnemar(before[kept], after[kept]).p_value)
    assert found.p_values == pytest.approx(tests)
    assert found.p_holm == pytest.approx(holm(tests))
    assert found.classes.tolist() == sorted(set(labels.tolist()))
    whole = after.mean() - before.mean()
    assert (found.change * found.n).sum() / len(labels) == pytest.approx(whole)


def test_labels_that_are_missing_are_refused():
    with pytest.raises(InputError, match="labels: expected"):
        class_changes(np.zeros(2, bool), np.zeros(2, bool), np.array([0, -1]))
    with pytest.raises(InputError, match="labels: expected"):
        class_changes(np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, int))


def test_the_analysis(tmp_path: Path):
    labels = np.repeat(np.arange(4), 10).astype(np.int32)
    labels[-2:] = -1
    logits = np.zeros((3, 40, 4), np.float32)
    logits[:, np.arange(38), labels[:38]] = 1
    logits[0, :10] = [0, 1, 0, 0]  # zero-shot takes every cat for a dog
    logits[2, 10:12] = [1, 0, 0, 0]  # fine-tuned takes two dogs for cats
    predictions = predictions_of("test", logits, labels, (0.0, 0.5, 1.0))
    rows = by_class(StoredRun.load(write_run(tmp_path, [predictions])), AnalysisOptions())
    found = {(r["metric"], r["group"], r["alpha"], r["other"]): r for r in rows}
    cat = found["class_gain", "cat", 1.0, "zero_shot"]
    assert (cat["value"], cat["n"]) == (1.0, 10)
    assert cat["p_value"] == pytest.approx(2**-9)
    assert cat["p_holm"] == pytest.approx(4 * 2**-9)
    assert found["class_gain", "dog", 0.5, "fine_tuned"]["value"] == pytest.approx(0.2)
    assert found["class_gain", "fox", 0.5, "fine_tuned"]["n"] == 8
    assert found["classes_up", None, 1.0, "zero_shot"]["value"] == 0.25
    assert found["classes_down", None, 1.0, "zero_shot"]["value"] == 0
    assert found["classes_up", None, 0.5, "fine_tuned"]["value"] == 0  # two dogs are no evidence
    assert len(rows) == 3 * (len(CLASSES) + 2)


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        (0.5, [(1.0, "zero_shot", 0.0), (0.5, "zero_shot", 0.0), (0.5, "fine_tuned", 1.0)]),
        (1.0, [(1.0, "zero_shot", 0.0)]),
        (0.0, [(1.0, "zero_shot", 0.0)]),
    ],
)
def test_what_is_compared(tmp_path: Path, chosen: float, wanted: list):
    predictions = made_predictions("test")
    run = StoredRun.load(write_run(tmp_path, [predictions], chosen=chosen))
    assert comparisons(run, predictions) == wanted
