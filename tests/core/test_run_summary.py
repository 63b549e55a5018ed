"""What a directory is and how far it came, for every state there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.stored_runs import predictions, write_run
from wiseft_jax.core.run_directory import RunDirectory, describe
from wiseft_jax.core.run_summary import Summary, is_ours, summarise
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig


def told(path: Path, **options: Any) -> Summary:
    assert is_ours(path)
    return summarise(path, "shown", **options)


def test_a_finished_run_has_its_key_numbers(tmp_path: Path):
    directory = write_run(tmp_path / "mine")
    found = told(directory.path)
    assert (found.kind, found.state, found.why) == ("run", "finished", "")
    assert (found.name, found.recipe, found.alpha) == ("mine", "end_to_end", 0.5)
    assert (found.n, found.shifts) == (40, 2)
    test, *shifts = (predictions(name).correct.mean(axis=1) for name in ("test", "sketch"))
    assert found.reference["zero_shot"] == pytest.approx(test[0])
    assert found.reference["chosen"] == pytest.approx(test[1])
    shifts.append(predictions("50%_off & more").correct.mean(axis=1))
    mean = sum(shifts) / 2
    assert found.mean_of_shifts["fine_tuned"] == pytest.approx(mean[2])
    assert found.config_hash == describe(ExperimentConfig(name="mine"))["config_hash"]
    assert json.dumps(found.to_json())
    assert told(directory.path, held=True).state == "running"


def test_how_far_an_unfinished_run_came(tmp_path: Path):
    directory = write_run(tmp_path / "run")
    directory.selection_file.unlink()
    found = told(directory.path)
    assert (found.state, found.why) == ("interrupted", "while its results were written")
    directory.results_file.unlink()
    assert told(directory.path).state == "trained"
    directory.endpoints_file.unlink()
    assert (found := told(directory.path)).state == "interrupted"
    assert found.why == "after step 7"
    with directory.train_log_file.open("a") as log:
        log.write('{"step": 8, "finite": false}\n{"torn')
    found = told(directory.path)
    assert (found.state, found.why) == ("failed", "step 8: the loss isn't finite")
    directory.train_log_file.unlink()
    assert told(directory.path).why == "before the first step"


def test_results_of_two_sweeps_and_of_an_earlier_configuration(tmp_path: Path):
    directory = write_run(tmp_path / "run")
    facts = json.loads(directory.selection_file.read_text())
    write_json(directory.selection_file, facts | {"config_hash": "other"})
    assert told(directory.path).state == "damaged"
    write_json(directory.selection_file, facts)
    write_json(directory.config_file, describe(ExperimentConfig(name="later")))
    assert told(directory.path).why == "its results are of an earlier configuration"
    write_json(directory.sweep_config_file, describe(ExperimentConfig(name="run")))
    assert told(directory.path).state == "finished"


@pytest.mark.parametrize(
    ("files", "kind", "state", "why"),
    [
        ({"config.json": "{"}, "run", "damaged", "config.json: not valid JSON"),
        ({"config.json": "[1]"}, "other", "foreign", "config.json isn't the configuration of a"),
        ({"config.json": '{"model_type": "clip"}'}, "other", "foreign", "config.json isn't the"),
        ({"config.json": '{"config": 1, "config_hash": "x"}'}, "run", "damaged", "unexpected"),
        ({"results.jsonl": ""}, "other", "damaged", "results.jsonl without config.json"),
        ({"study.json": "{}"}, "study", "damaged", "unexpected content: 'fields'"),
        ({"wiseft.json": "{}"}, "run", "damaged", "unexpected content: 'alpha'"),
        ({"wiseft.json": '{"alpha": 0.5, "source": "x"}'}, "model", "finished", "an exported"),
        (
            {"config.json": '{"config": {"name": "p"}, "config_hash": "x"}', "summary.json": "{}"},
            "study",
            "finished",
            "of patches or backgrounds",
        ),
    ],
)
def test_damaged_and_foreign_ones_are_told(
    tmp_path: Path, files: dict[str, str], kind: str, state: str, why: str
):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = told(tmp_path)
    assert (found.kind, found.state) == (kind, state)
    assert found.why.startswith(why), found.why


def test_a_damaged_row_is_named(tmp_path: Path):
    directory = write_run(tmp_path / "run")
    with directory.results_file.open("a") as file:
        file.write("torn")
    found = told(directory.path)
    assert found.state == "damaged"
    assert found.why.startswith("results.jsonl:10: not a JSON object")
    assert not is_ours(tmp_path)


def test_a_study_counts_its_runs(tmp_path: Path):
    base = describe(ExperimentConfig(name="grid"))["config"]
    facts = {"base": base, "fields": ["training.learning_rate"], "data": {}}
    write_json(tmp_path / "study.json", facts)
    (tmp_path / "runs.jsonl").write_text('{"failed": "nan"}\n{}\n{}\n')
    found = told(tmp_path)
    assert (found.kind, found.state, found.name) == ("study", "interrupted", "grid")
    assert found.why == "2 runs finished, 1 failed; varied: training.learning_rate"
    write_json(tmp_path / "grid.json", {})
    assert told(tmp_path).state == "finished"
    assert RunDirectory(tmp_path).is_run() is False
