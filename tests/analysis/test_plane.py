"""The stored plane: its file, its rows with their intervals, and stale ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.layers_of_run import HASHES, stored_run
from wiseft_jax.analysis.options import AnalysisOptions
from wiseft_jax.analysis.plane import mean_with_interval, plane, plane_rows
from wiseft_jax.analysis.plane_result import PlaneResult, plane_file
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import clopper_pearson

POINTS = np.array([[0, 0], [2, 0], [0.1, 1.5], [0.8, 0], *([x, y] for y in (0, 1) for x in (0, 2))])


def result(images: int = 10) -> PlaneResult:
    rng = np.random.default_rng(0)
    return PlaneResult(
        "test",
        "test",
        "reference",
        "fine-tuned of other",
        0.4,
        np.asarray(POINTS, float),
        rng.random((len(POINTS), images)).astype(np.float32),
        rng.random((len(POINTS), images)) < 0.7,
        tuple(f"test[{index}]" for index in range(images)),
        {"images": 500, "points": 2, "margin": 0.25, "seed": 3},
        {"ends": HASHES, "third": "c"},
    )


def test_what_is_written_is_read_back(tmp_path: Path):
    path = result().save(tmp_path)
    assert path == plane_file(tmp_path)
    found = PlaneResult.load(path)
    for field in dataclasses.fields(PlaneResult):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(result(), field.name))


def test_rows_have_values_intervals_and_names():
    found, rows = result(), plane_rows(result(), "hash")
    assert len(rows) == 2 * len(POINTS)
    loss, accuracy = rows[4:6]
    assert (loss["metric"], accuracy["metric"]) == ("loss", "accuracy")
    assert loss["group"] == accuracy["group"] == "x=0.1 y=1.5"
    assert loss["value"] == pytest.approx(found.loss[2].mean(), rel=1e-6)
    hits = int(found.correct[2].sum())
    assert accuracy["value"] == hits / 10
    assert (accuracy["ci_low"], accuracy["ci_high"]) == clopper_pearson(hits, 10)
    names = [(row["other"], row["alpha"]) for row in rows if row["metric"] == "loss"]
    assert names[:5] == [
        ("zero_shot", 0.0),
        ("fine_tuned", 1.0),
        ("fine-tuned of other", None),
        ("chosen", 0.4),
        (None, None),
    ]
    assert {(row["n"], row["seed"], row["dataset"]) for row in rows} == {(10, 3, "test")}


def test_the_interval_of_a_mean():
    from scipy import stats

    values = np.random.default_rng(1).random(30)
    mean, low, high = mean_with_interval(values)
    expected = stats.t.interval(0.95, 29, loc=values.mean(), scale=stats.sem(values))
    assert (low, high) == pytest.approx(expected)
    assert mean == pytest.approx(values.mean())
    assert mean_with_interval(values[:1]) == (values[0], None, None)


def test_a_stored_run_is_read_and_another_plane_is_refused(tmp_path: Path):
    run = stored_run(tmp_path)
    with pytest.raises(InputError, match=r"a third model.*wiseft report .* --plane.other DIR"):
        plane(run, AnalysisOptions())
    result().save(run.path)
    assert plane(run, AnalysisOptions()) == plane_rows(result(), "run-hash")
    dataclasses.replace(result(), chosen=0.6).save(run.path)
    with pytest.raises(InputError, match=r"shows alpha 0\.6, and the run chose 0\.4"):
        plane(run, AnalysisOptions())
    dataclasses.replace(result(), made_from={"ends": {**HASHES, "theta_0": "z"}}).save(run.path)
    with pytest.raises(InputError, match=r"from other ends \(theta_0 differ\)"):
        plane(run, AnalysisOptions())


def test_damage_is_named(no_type_checks: None, tmp_path: Path):
    path = dataclasses.replace(result(), points=np.zeros((3, 2))).save(tmp_path)
    with pytest.raises(InputError, match="its arrays differ in length"):
        PlaneResult.load(path)
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match="can't be read as a plane"):
        PlaneResult.load(path)
