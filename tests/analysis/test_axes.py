"""Which set a shift is set against."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.runs import made_predictions, write_matched_run, write_run
from wiseft_jax.analysis.axes import axis_of, num_classes_of
from wiseft_jax.analysis.stored_run import StoredRun
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.writers import write_json
from wiseft_jax.evaluation.predictions import Predictions


def of_classes(each: Predictions, count: int) -> Predictions:
    labels = np.where(each.labels < count, each.labels, -1).astype(np.int32)
    return dataclasses.replace(each, labels=labels, correct=each.correct & (labels >= 0))


def test_a_shift_is_set_against_its_matched_reference_whatever_it_is_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    sets = [
        made_predictions("photos"),
        of_classes(made_predictions("mine", role="shift"), 2),
        of_classes(made_predictions("ours", role="matched_reference"), 2),
        made_predictions("night", role="shift"),
    ]
    run = StoredRun.load(write_matched_run(tmp_path, sets, {"mine": "ours"}))
    axes = {each.dataset: axis_of(run, each).dataset for each in run.shifts}
    assert axes == {"mine": "ours", "night": "photos"}
    assert not caplog.text


def test_without_its_images_the_reference_stands_in(tmp_path: Path):
    sets = [made_predictions("photos"), made_predictions("mine", role="shift")]
    run = StoredRun.load(write_matched_run(tmp_path, sets, {"mine": "gone"}))
    assert axis_of(run, run.set_named("mine")).dataset == "photos"


@pytest.mark.parametrize(
    ("spec", "fix"),
    [
        ("mine=published:imagenet-r:test@/data", "published:imagenet-r-val-classes:val@/data\n"),
        ("mine=published:imagenet-v2:test", "SPEC, SPEC being images of the reference"),
        ("mine=folder:photos", "SPEC, SPEC being images of the reference, of its classes alone"),
        ("another=published:imagenet-r:test", "SPEC, SPEC being images of the reference"),
        ("embedded", "SPEC, SPEC being images of the reference"),
    ],
)
def test_fewer_classes_without_a_matched_reference_are_said_with_the_fix(
    spec: str, fix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    sets = [made_predictions("photos"), of_classes(made_predictions("mine", role="shift"), 2)]
    run = StoredRun.load(write_run(tmp_path, sets))
    data = {"shifts": [spec], "matched_references": ["folder:its own"]}
    write_json(tmp_path / "config.json", {"config": {"data": data}})
    assert axis_of(run, run.set_named("mine")).dataset == "photos"
    assert "mine: it has 2 classes and is set against photos, which has 4" in caplog.text
    assert (
        f"wiseft sweep {tmp_path} --data.matched_references 'folder:its own' {fix}" in caplog.text
    )


def test_classes_of_its_own_are_counted_among_the_classifiers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    photos = of_classes(made_predictions("photos"), 2)
    mine = dataclasses.replace(made_predictions("mine", role="shift"), class_names=("a", "b", "c"))
    run = StoredRun.load(write_run(tmp_path, [photos, mine]))
    assert num_classes_of(run, mine, photos) == (3, 4)
    assert num_classes_of(run, mine, dataclasses.replace(photos, class_names=("a", "b"))) == (3, 2)
    axis_of(run, run.set_named("mine"))
    assert "mine: it has 3 classes and is set against photos, which has 4" in caplog.text


def test_without_a_reference_there_is_no_axis(tmp_path: Path):
    run = StoredRun.load(write_run(tmp_path, [made_predictions("mine", role="shift")]))
    with pytest.raises(InputError, match="no set of the reference to set mine against"):
        axis_of(run, run.predictions["mine"])
