"""The rows of every analysis of a small stored run: golden ones, which agree with plain NumPy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.analysis_oracle import Facts, mean_of_differences
from tests.helpers.analysis_wanted import faults, uncorrected, wanted
from tests.helpers.golden_run import (
    ALPHAS,
    CHOSEN,
    CLASSES,
    FIELDS,
    FROM_PREDICTIONS,
    OTHER,
    ROWS_FILE,
    SETS,
    compact,
    rows_of_package,
    stored_arrays,
    write_golden_run,
)
from wiseft_jax.core.paired_intervals import correlations_of, interval_of_mean, newcombe

CLOSE = {"rel": 1e-7, "abs": 1e-9}
"""Of float64 sums in another order, and a temperature that Newton's method has found to 1e-8."""


@pytest.fixture(scope="module")
def golden() -> dict[str, list[list[Any]]]:
    return json.loads(ROWS_FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Any]]]:
    path = write_golden_run(tmp_path_factory.mktemp("golden"), stored_arrays())
    return {name: compact(rows) for name, rows in rows_of_package(path).items()}


def test_the_golden_file_is_of_every_analysis_that_reads_predictions(
    golden: dict[str, list[list[Any]]],
):
    assert tuple(golden) == FROM_PREDICTIONS
    assert all(len(rows) > 5 for rows in golden.values())
    assert ROWS_FILE.stat().st_size <= 100_000


@pytest.mark.parametrize("name", FROM_PREDICTIONS)
def test_rows_are_the_golden_ones(
    name: str, made: dict[str, list[list[Any]]], golden: dict[str, list[list[Any]]]
):
    assert len(made[name]) == len(golden[name])
    for ours, theirs in zip(made[name], golden[name], strict=True):
        for field, own, value in zip(FIELDS, ours, theirs, strict=True):
            expected = pytest.approx(value, **CLOSE) if isinstance(value, float) else value
            assert own == expected, (field, theirs)


@pytest.mark.parametrize("name", FROM_PREDICTIONS)
def test_golden_rows_agree_with_plain_numpy(name: str, golden: dict[str, list[list[Any]]]):
    arrays = stored_arrays()
    sets = {each: Facts.of(each, ALPHAS, arrays) for each in (*SETS, OTHER)}
    shared = {"chosen": CHOSEN, "names": CLASSES, "baselines": arrays["baselines"]}
    rows = [dict(zip(FIELDS, each, strict=True)) for each in golden[name]]
    for row in rows:
        assert faults(row, wanted(name, row, sets, **shared)) == [], row
    assert uncorrected(name, rows) == []


def test_the_comparison_sees_a_wrong_number(golden: dict[str, list[list[Any]]]):
    arrays = stored_arrays()
    sets = {each: Facts.of(each, ALPHAS, arrays) for each in SETS}
    row = dict(zip(FIELDS, golden["classes"][0], strict=True))
    shared = {"chosen": CHOSEN, "names": CLASSES, "baselines": arrays["baselines"]}
    by = wanted("classes", row, sets, **shared)
    for field, off in (("value", 0.01), ("n", 1), ("ci_low", 0.001), ("p_value", 0.001)):
        assert faults(row | {field: row[field] + off}, by) != []
    rows = [dict(zip(FIELDS, each, strict=True)) for each in golden["classes"]]
    tested = [each for each in rows if each["p_holm"] is not None]
    smallest = min(tested, key=lambda each: each["p_holm"])
    assert uncorrected("classes", rows) == []
    smallest["p_holm"] *= 0.5
    assert len(uncorrected("classes", rows)) == 1
    smallest["p_holm"] = None
    assert len(uncorrected("classes", rows)) == 1


@pytest.mark.parametrize("shown", [["a", "a", "b"], ["a", "c", "b"]])
def test_a_mean_of_sets_of_the_same_images_agrees_with_plain_numpy(shown: list[str]):
    sketch, night = (Facts.of(each, ALPHAS, stored_arrays()) for each in ("sketch", "night"))
    pairs = [
        (of.right(0.0), of.right(at)) for of, at in ((sketch, 0.5), (sketch, 1.0), (night, 1.0))
    ]
    differences = [after.astype(float) - before for before, after in pairs]
    values = [float(each.mean()) for each in differences]
    intervals = [newcombe(*pair) for pair in pairs]
    ours = interval_of_mean(values, intervals, correlations_of(differences, shown))
    mean, theirs = mean_of_differences(pairs, shown)
    assert mean == pytest.approx(sum(values) / 3)
    assert ours == pytest.approx(theirs, **CLOSE)
    apart = interval_of_mean(values, intervals)
    assert (ours == pytest.approx(apart)) == (shown[0] != shown[1])
