"""The directory of a study: what goes on there, what is refused, what is read again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.studies.grids import run_row
from wiseft_jax.core.errors import InputError
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.studies.grid_config import Variation, replaced
from wiseft_jax.studies.grid_files import StudyDirectory

BASE = ExperimentConfig()
RATE = "training.learning_rate"
DATA = {"class_names": ["a", "b"], "sets": {"train": "1", "test": "2"}}


@pytest.fixture
def study(tmp_path: Path) -> StudyDirectory:
    directory = StudyDirectory(tmp_path / "study")
    directory.check(BASE, [RATE], resume=False)
    directory.prepare(BASE, [RATE], DATA, "wiseft a")
    return directory


def test_a_study_goes_on_with_the_same_options_and_more_values(study: StudyDirectory) -> None:
    with pytest.raises(InputError, match="there is a study; continue it"):
        study.check(BASE, [RATE], resume=False)
    neutral = replaced(BASE, {"name": "x", "training.num_workers": 2, "data.num_threads": 1})
    study.check(neutral, [RATE], resume=True)
    study.check(replaced(BASE, {RATE: 1.0}), ["training.epochs"], resume=True)
    for command in ("wiseft b", "wiseft a"):
        study.prepare(BASE, ["training.epochs"], DATA, command)
    stored = study.read_study()
    assert stored["fields"] == [RATE, "training.epochs"]
    assert stored["commands"] == ["wiseft a", "wiseft b"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("training.epochs", 3.0, r"training.epochs \(10.0 -> 3.0\)"),
        ("sweep.alphas", (0.0, 1.0), "sweep.alphas"),
        ("data.train", "folder:x", r"data.train \('' -> 'folder:x'\)"),
        ("model.name", "y", "model.name"),
    ],
)
def test_other_options_are_refused_by_name(
    study: StudyDirectory, field: str, value: object, message: str
) -> None:
    other = replaced(BASE, {field: value})
    with pytest.raises(InputError, match=f"another configuration; these differ: {message}"):
        study.check(other, [RATE], resume=True)


def test_other_images_are_refused(study: StudyDirectory) -> None:
    changed = {**DATA, "sets": {"train": "1", "test": "3"}}
    with pytest.raises(InputError, match=r"not those of the study there \(sets.test differ\)"):
        study.prepare(BASE, [RATE], changed)


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="expected a directory, found a file"):
        StudyDirectory(tmp_path / "file").check(BASE, [RATE], resume=True)
    with pytest.raises(InputError, match="isn't empty and holds no study"):
        StudyDirectory(tmp_path).check(BASE, [RATE], resume=True)
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(InputError, match="not the description of a study"):
        StudyDirectory(tmp_path).check(BASE, [RATE], resume=True)
    StudyDirectory(tmp_path / "none").check(BASE, [RATE], resume=True)


def test_a_configuration_keeps_its_directory_and_others_get_the_next(
    study: StudyDirectory,
) -> None:
    variations = [
        Variation({RATE: rate}, replaced(BASE, {RATE: rate})) for rate in (1e-5, 1e-4, 1e-3)
    ]
    names = []
    for variation in variations[:2]:
        run = study.run_directory(variation)
        run.path.mkdir()
        names.append(run.path.name)
    assert names == [f"{place:03d}-{each.key}" for place, each in enumerate(variations[:2])]
    assert [study.run_directory(each).path.name for each in variations[:2]] == names
    assert study.run_directory(variations[2]).path.name == f"002-{variations[2].key}"
    assert not study.run_directory(variations[2]).path.exists()


def test_rows_come_back_in_order(study: StudyDirectory) -> None:
    assert study.read_rows() == []
    rows = [run_row(2), run_row(0), run_row(1)]
    study.write_rows(rows)
    assert study.read_rows() == [run_row(0), run_row(1), run_row(2)]
    moved = study.path.rename(study.path.with_name("moved"))
    again = StudyDirectory(moved)
    assert again.run_of(again.read_rows()[0]).path == moved / run_row(0)["run"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"runs.jsonl:2: not a JSON object"),
        ("[]", "runs.jsonl:2: not a row of a study"),
        ("{}", "runs.jsonl:2: not a row of a study"),
        (json.dumps({**run_row(1), "schema": 99}), "runs.jsonl:2: of a newer version"),
    ],
)
def test_a_line_that_is_no_row_is_named(study: StudyDirectory, line: str, message: str) -> None:
    study.rows_file.write_text(json.dumps(run_row(0)) + "\n" + line + "\n")
    with pytest.raises(InputError, match=message):
        study.read_rows()


def test_a_newer_study_is_refused(study: StudyDirectory) -> None:
    facts = json.loads(study.study_file.read_text())
    study.study_file.write_text(json.dumps(facts | {"schema": 99}))
    with pytest.raises(InputError, match="of a newer version"):
        study.read_study()
