"""What a report reads of a run, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.reported_run import CLASSES, write_reported_run
from wiseft_jax.cli.report_facts import StoredFacts, public_config
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.results import read_rows
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.evaluation.predictions import save_predictions


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(write_reported_run(tmp_path / "run", tmp_path / "data"))


def load(directory: RunDirectory) -> StoredFacts:
    return StoredFacts.load(directory, "run")


def test_a_whole_run(directory: RunDirectory) -> None:
    found = load(directory)
    facts = found.facts
    assert list(facts.predictions) == ["train-validation", "test", "fog"]
    assert facts.images == {name: name for name in facts.predictions}
    assert facts.class_names["fog"] == list(CLASSES)
    assert facts.alpha == 0.5
    assert facts.possible_best
    assert facts.omitted == []
    assert facts.hashes["zero-shot weights"] == "abc"
    assert facts.commands[0] == "wiseft run RUN/config.json --out NEW_DIRECTORY"
    assert facts.versions["python"]
    assert {name: spec.name for name, spec in found.specs.items()} == {
        "train-validation": "data-train", "test": "test", "fog": "fog",
    }  # fmt: skip


def test_sets_of_the_same_images_are_known_by_their_ids(directory: RunDirectory) -> None:
    stored = load(directory).facts.predictions
    counted = [
        dataclasses.replace(each, ids=tuple(f"{name}[{i}]" for i in range(len(each))))
        for name, each in stored.items()
        if name != "train-validation"
    ]
    save_predictions(directory.path, [stored["train-validation"], *counted])
    images = load(directory).facts.images
    assert images == {"train-validation": "train-validation", "test": "test", "fog": "test"}


def test_what_is_missing_is_said(directory: RunDirectory) -> None:
    for file in (directory.path / "predictions").glob("*.npz"):
        file.unlink()
    directory.endpoints_file.unlink()
    directory.config_file.unlink()
    facts = load(directory).facts
    assert facts.predictions == {}
    assert [sentence.split(":")[0] for sentence in facts.omitted] == [
        "There are no classes, no images that flip and no paired tests",
        "There are no settings, no versions and no command to do it again",
        "The names of the classes aren't stored, so they are numbers.",
    ]


def test_a_set_without_predictions_is_named(directory: RunDirectory) -> None:
    (directory.path / "predictions" / "fog.npz").unlink()
    assert load(directory).facts.omitted == ["fog has rows and no stored predictions."]


def test_classes_that_are_not_the_runs_are_numbers(directory: RunDirectory) -> None:
    directory.endpoints_file.write_text(json.dumps({"class_names": ["one"]}))
    facts = load(directory).facts
    assert facts.class_names["test"] == ["class 0", "class 1"]
    assert "test: its classes aren't the run's, so they are numbers." in facts.omitted


def test_analyses_of_this_sweep_alone(directory: RunDirectory) -> None:
    config_hash = read_rows(directory.path)[0]["config_hash"]
    folder = directory.path / "analyses"
    folder.mkdir()
    row = {"schema": 1, "analysis": "calibration", "metric": "ece", "value": 0.1}
    lines = [{**row, "config_hash": config_hash}, {**row, "config_hash": "another"}]
    (folder / "calibration.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    facts = load(directory).facts
    assert facts.analyses == {"calibration": lines[:1]}
    assert facts.omitted == [
        "1 row of the analysis calibration left out, of another sweep; make it again: wiseft report"
        " RUN --analyses calibration"
    ]


def _damage(name: str, content: bytes) -> Callable[[RunDirectory], None]:
    def damage(directory: RunDirectory) -> None:
        (directory.path / name).parent.mkdir(exist_ok=True)
        (directory.path / name).write_bytes(content)

    return damage


def _without_alphas(directory: RunDirectory) -> None:
    lines = directory.results_file.read_text().splitlines(keepends=True)
    directory.results_file.write_text("".join(lines[1:]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_damage("results.jsonl", b"{}\n"), "results.jsonl:1: a result row lacks schema"),
        (_damage("results.jsonl", b"nonsense\n"), "results.jsonl:1: not a JSON object"),
        (_damage("predictions/fog.npz", b"PK"), "fog.npz: can't be read as predictions"),
        (_damage("selection.json", b"{"), "selection.json: not valid JSON"),
        (_damage("selection.json", b"{}"), "selection.json: alpha: expected a number, found None"),
        (_damage("endpoints.json", b"[]"), "endpoints.json: expected a JSON object"),
        (_damage("config.json", b"[]"), "config.json: not the configuration of a run"),
        (_damage("curves.jsonl", b"{}"), "curves.jsonl:1: a curve row lacks"),
        (_damage("analyses/layers.jsonl", b"{}"), "layers.jsonl:1: a row of an analysis lacks"),
        (_without_alphas, "are of two sweeps"),
        (_damage("predictions/backend.json", b'{"config_hash": "old"}'), "old of the predictions"),
        (_damage("predictions/backend.json", b"[]"), "backend.json: can't be read as facts of a"),
        (lambda directory: directory.selection_file.unlink(), "selection.json: missing; make it"),
        (lambda directory: directory.results_file.unlink(), "no such results file"),
    ],
)
def test_damaged_files_are_named(
    directory: RunDirectory, damage: Callable[[RunDirectory], None], message: str
) -> None:
    damage(directory)
    with pytest.raises(InputError, match=message.replace("[", "\\[")):
        load(directory)


def test_a_configuration_that_travels_has_no_directories() -> None:
    config = {
        "model": {"name": "/models/clip", "base": ""},
        "data": {
            "train": "mine=folder:/home/ann/pets", "test": None, "data_dir": "~/tfds",
            "shifts": ["table:/home/ann/x.csv", "tfds:mnist:test"], "class_names_file": "C:/b.txt",
            "matched_references": ["published:imagenet-r-val-classes:val@/home/ann/sets"],
        },
        "alphas": [0.0, 1.0],
    }  # fmt: skip
    assert public_config(config) == {
        "model": {"name": "clip", "base": ""},
        "data": {
            "train": "folder:pets", "test": None, "data_dir": "tfds",
            "shifts": ["table:x.csv", "tfds:mnist:test"], "class_names_file": "b.txt",
            "matched_references": ["published:imagenet-r-val-classes:val"],
        },
        "alphas": [0.0, 1.0],
    }  # fmt: skip
    assert public_config({}) == {}
