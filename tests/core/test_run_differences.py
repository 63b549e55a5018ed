"""What differs between two runs by what their files say."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.stored_runs import write_run
from wiseft_jax.core.results import read_rows
from wiseft_jax.core.run_differences import (
    NOT_THERE,
    Difference,
    data_differing,
    described,
    settings_differing,
    versions_differing,
)
from wiseft_jax.core.run_directory import describe
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig


def test_settings_versions_and_data(tmp_path: Path):
    first = write_run(tmp_path / "a", learning_rate=0.5)
    second = write_run(tmp_path / "b", seed=1)
    stored = json.loads(second.config_file.read_text())
    stored["versions"]["jax"] = "9.9"
    write_json(second.config_file, stored)
    rows = [read_rows(each.path) for each in (first, second)]
    told = [described(each, own) for each, own in zip((first, second), rows, strict=True)]
    assert settings_differing(*told) == [
        Difference("name", "a", "b"),
        Difference("training.learning_rate", 0.5, ExperimentConfig().training.learning_rate),
    ]
    assert [each.name for each in versions_differing(*told)] == ["jax"]
    assert data_differing(first, second, rows) == [Difference("theta_1", "0", "1")]
    second.endpoints_file.unlink()
    found = {each.name: each.second for each in data_differing(first, second, [rows[0], []])}
    assert found["classes"] == NOT_THERE
    assert found["n of test"] == NOT_THERE


def test_the_configuration_is_that_of_the_sweep_that_made_the_rows(tmp_path: Path):
    directory = write_run(tmp_path / "a")
    rows = read_rows(directory.path)
    write_json(directory.sweep_config_file, describe(ExperimentConfig(name="a")) | {"python": "x"})
    assert described(directory, rows)["python"] == "x"
    write_json(directory.sweep_config_file, describe(ExperimentConfig(name="other")))
    assert described(directory, rows)["python"] != "x"
