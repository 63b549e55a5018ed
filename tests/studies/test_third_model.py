"""The third model of a plane: of a run, or exported; what can't be mixed is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, tiny_ends
from wiseft_jax.clip.export import export_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.studies import third_model
from wiseft_jax.studies.third_model import ThirdModel


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any]:
    return tiny_ends(tmp_path_factory.mktemp("clip"))


def load_config(name: str) -> ExperimentConfig:
    return ExperimentConfig()


def run_directory(path: Path, names: tuple[str, ...] = NAMES) -> Path:
    path.mkdir()
    write_json(path / "config.json", {"config": {}, "config_hash": "h"})
    facts = {"theta_0": "a", "theta_1": "b", "class_names": list(names)}
    write_json(path / "endpoints.json", facts)
    return path


def test_a_runs_fine_tuned_end(
    tmp_path: Path, ends: tuple[Any, Any, Any], monkeypatch: pytest.MonkeyPatch
):
    found = ThirdModel.of(run_directory(tmp_path / "other"))
    assert (found.name, found.fingerprint, found.start) == ("fine-tuned of other", "b", "a")
    monkeypatch.setattr(third_model, "load_endpoints", lambda config, directory: ends)
    assert same(found.load(ends[0], load_config), ends[2])


def test_an_exported_model(tmp_path: Path, ends: tuple[Any, Any, Any]):
    classifier, theta_0, theta_1 = ends
    directory = tmp_path / "merged"
    export_classifier(directory, classifier, theta_1, alpha=0.5)
    found = ThirdModel.of(directory)
    assert found.name == "model merged"
    assert same(found.load(classifier, load_config), theta_1)
    export_classifier(directory, classifier, theta_0, alpha=0.25, overwrite=True)
    assert ThirdModel.of(directory).fingerprint != found.fingerprint


def same(found: Any, expected: Any) -> bool:
    leaves, others = flatten_paths(found), flatten_paths(expected)
    return leaves.keys() == others.keys() and all(
        np.array_equal(leaf, others[path]) for path, leaf in leaves.items()
    )


def test_other_classes_are_refused(tmp_path: Path, ends: tuple[Any, Any, Any]):
    found = ThirdModel.of(run_directory(tmp_path / "other", ("a", "b", "c")))
    with pytest.raises(InputError, match=r"its classes \(a, b, c\) aren't the run's \(red circle"):
        found.load(ends[0], load_config)


def test_what_is_no_finished_run_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such run directory"):
        ThirdModel.of(tmp_path / "none")
    directory = run_directory(tmp_path / "other")
    (directory / "endpoints.json").unlink()
    with pytest.raises(InputError, match="fine-tuning isn't complete there"):
        ThirdModel.of(directory)
