from __future__ import annotations

import json
from pathlib import Path

import pytest

from wiseft_jax.core import results
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.metrics import Accuracy, clopper_pearson
from wiseft_jax.core.typing import Role


def row(dataset: str = "photos", alpha: float = 0.5, hits: int = 3, role: Role = "reference"):
    return results.accuracy_row(
        Accuracy(hits, 4),
        dataset=dataset,
        split="test",
        role=role,
        alpha=alpha,
        config_hash="abc",
    )


def test_a_row_has_every_field_of_the_schema():
    low, high = clopper_pearson(3, 4)
    assert row() == {
        "schema": 2,
        "dataset": "photos",
        "split": "test",
        "role": "reference",
        "alpha": 0.5,
        "metric": "top1",
        "value": 0.75,
        "n": 4,
        "ci_low": low,
        "ci_high": high,
        "method": "direct",
        "config_hash": "abc",
    }


def test_rows_survive_a_round_trip_by_file_and_by_directory(tmp_path: Path):
    rows = [row(alpha=0.0), row("sketches", 1.0, role="shift")]
    results.write_rows(tmp_path / results.RESULTS_FILE, rows)
    assert results.read_rows(tmp_path / "results.jsonl") == rows
    assert results.read_rows(str(tmp_path)) == rows


def test_rows_with_and_without_a_band_are_read(tmp_path: Path):
    rows = [row() | {"method": "curve", "band_low": 0.5, "band_high": 1.0}, row()]
    results.write_rows(tmp_path / results.RESULTS_FILE, rows)
    assert results.read_rows(tmp_path) == rows
    assert results.metrics_at(rows[:1], 0.5)["photos/test"]["band_low"] == 0.5


def test_rows_of_the_first_schema_have_the_roles_of_now(tmp_path: Path):
    names = ("imagenet-r-val-classes-val", "imagenet-r-test", "imagenet-r-val-classes")
    rows = [row(name, role="shift") for name in names]
    results.write_rows(tmp_path / "results.jsonl", [each | {"schema": 1} for each in rows])
    found = results.read_rows(tmp_path)
    assert [each["role"] for each in found] == ["matched_reference", "shift", "matched_reference"]
    assert results.mean_over_shifts(found) == results.mean_over_shifts(rows[1:2])
    results.write_rows(tmp_path / "results.jsonl", rows)
    assert results.read_rows(tmp_path) == rows


def test_rows_name_the_matched_reference_of_their_set():
    rows = [row("a", role="shift"), row("b", role="shift"), row("photos")]
    named = results.with_matched_references(rows, {"a": "photos-a", "b": ""})
    assert named == [rows[0] | {"matched_reference": "photos-a"}, *rows[1:]]
    assert "matched_reference" not in rows[0]


@pytest.mark.parametrize(
    ("split", "role", "kind"),
    [
        ("test", "shift", "shift"),
        ("test", "matched_reference", "matched reference"),
        ("validation", "reference", "validation"),
    ],
)
def test_what_a_set_is_for_in_a_word(split: str, role: str, kind: str):
    assert results.kind_of_set(split, role) == kind


def test_blank_lines_are_no_rows(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    path.write_text("\n" + json.dumps(row()) + "\n\n")
    assert results.read_rows(path) == [row()]


def test_unknown_fields_are_kept(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps({**row(), "note": "later"}) + "\n")
    (read,) = results.read_rows(path)
    assert read["note"] == "later"  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", r"results\.jsonl:2: not a JSON object"),
        ("[1]", r"results\.jsonl:2: expected a JSON object, found list"),
        ('{"schema": 1}', r"results\.jsonl:2: a result row lacks dataset, split"),
        (
            json.dumps({**row(), "schema": 3}),
            r"results\.jsonl:2: schema 3 is newer than 2; upgrade",
        ),
    ],
    ids=["no json", "no object", "fields missing", "newer schema"],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str):
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(row()) + "\n" + line + "\n")
    with pytest.raises(InputError, match=message) as error:
        results.read_rows(path)
    command = f"; make it again: wiseft sweep {tmp_path}"
    assert str(error.value).endswith(command) == ("newer" not in message)


def test_a_field_that_cannot_be_is_named_with_what_makes_it_again(tmp_path: Path):
    path = tmp_path / "a run" / "results.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(row()) + "\n\n" + json.dumps({**row(), "value": 1.7}) + "\n")
    with pytest.raises(InputError) as error:
        results.read_rows(path.parent)
    assert str(error.value) == (
        f"{path}:3: value: expected a number in [0, 1], found 1.7;"
        f" make it again: wiseft sweep '{path.parent}'"
    )


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    (tmp_path / "results.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"results\.jsonl: expected text in UTF-8 .*wiseft sweep"):
        results.read_rows(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"results\.jsonl: no such results file"):
        results.read_rows(tmp_path)


def test_select_rows_matches_every_given_field():
    rows = [row("a"), row("b", role="shift"), row("b", 1.0, role="shift")]
    assert results.select_rows(rows) == rows
    assert results.select_rows(rows, dataset="b") == rows[1:]
    assert results.select_rows(rows, role="reference", split="test") == rows[:1]
    assert results.select_rows(rows, dataset="a", role="shift") == []


def test_the_mean_over_shifts_is_unweighted_and_sorted():
    rows = [
        row("a", 1.0, hits=4, role="shift"),
        row("a", 0.0, hits=1, role="shift"),
        row("b", 0.0, hits=2, role="shift"),
        row("reference", 0.0, hits=4),
    ]
    rows[1]["n"] = 1_000_000
    means = results.mean_over_shifts(rows)
    assert list(means.items()) == [(0.0, (0.25 + 0.5) / 2), (1.0, 1.0)]


def test_the_mean_over_shifts_leaves_validation_rows_out():
    validation = {**row("a", hits=0, role="shift"), "split": "validation"}
    rows = [row("a", hits=4, role="shift"), validation]
    assert results.mean_over_shifts(rows) == {0.5: 1.0}  # type: ignore[arg-type]


def test_a_row_that_is_not_a_number_is_not_written(tmp_path: Path):
    row = results.accuracy_row(
        Accuracy(0, 0), dataset="a", split="test", role="shift", alpha=0, config_hash=""
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write_rows(tmp_path / results.RESULTS_FILE, [row])
    assert not list(tmp_path.iterdir())


def test_files_of_two_sweeps_are_one_error_with_what_to_do():
    plain = results.of_two_sweeps("runs/a", "selection.json and results.jsonl")
    again = "one was broken off while it replaced the other; do it again: wiseft sweep RUN, with"
    assert str(plain).startswith(
        f"runs/a: selection.json and results.jsonl are of two sweeps: {again}"
    )
    why = results.of_two_sweeps("runs/a", "x and y", "5 alphas and 2")
    assert str(why).startswith(f"runs/a: x and y are of two sweeps (5 alphas and 2): {again}")
