"""Image embeddings of a study's models: each extracted once, and again when it is of others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, dataset
from tests.studies.grids import run_row
from wiseft_jax.core.config_io import to_dict
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.writers import write_json
from wiseft_jax.experiment import ExperimentConfig, ExperimentData
from wiseft_jax.studies import diversity_features
from wiseft_jax.studies.diversity_config import DiversityConfig
from wiseft_jax.studies.diversity_features import ZERO_SHOT, image_embeddings
from wiseft_jax.studies.grid_files import StudyDirectory

RUNS = [run_row(place)["run"] for place in range(2)]
CONFIG = DiversityConfig(probe_splits=0, cka_images=9)


@pytest.fixture
def data() -> ExperimentData:
    tests = (dataset(12, "test"), dataset(7, "shift", role="shift"))
    train, validation = dataset(4, "train", split="train"), dataset(5, "v", split="validation")
    return ExperimentData(NAMES, train, validation, tests)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Put numbers that the weights decide in the place of a model; note what is encoded."""
    made: list[Any] = []

    def encode(classifier: Any, theta: str, sample: Any, *given: Any, **options: Any) -> Any:
        made.append((theta, sample.name))
        drawn = np.random.default_rng(list(theta.encode())).normal(size=(len(sample), 3))
        return {"features": drawn, "index": np.arange(len(sample)), "label": sample.labels}

    def ends(config: Any, run: Any) -> Any:
        return None, "zero", f"tuned {run.path.name}"

    monkeypatch.setattr(diversity_features, "load_endpoints", ends)
    monkeypatch.setattr("wiseft_jax.training.features.encode_dataset", encode)
    return made


@pytest.fixture
def study(tmp_path: Path) -> StudyDirectory:
    directory = StudyDirectory(tmp_path)
    for place, run in enumerate(RUNS):
        write_json(tmp_path / run / "config.json", {"config": to_dict(ExperimentConfig())})
        hashes = {"theta_0": "h0", "theta_1": f"h1 {place}", "class_names": list(NAMES)}
        write_json(tmp_path / run / "endpoints.json", hashes)
    return directory


def test_each_model_is_run_once_on_the_same_images(
    study: StudyDirectory, data: ExperimentData, calls: list[Any]
):
    names = ["test", "shift"]
    found = image_embeddings(CONFIG, RUNS, names, data, study)
    assert [*found] == names
    for name, count in (("test", 9), ("shift", 7)):  # 9 of 12 are drawn
        assert [*found[name]] == [ZERO_SHOT, *RUNS]
        for each in found[name].values():
            assert (each.shape, each.dtype) == ((count, 3), np.float32)
            np.testing.assert_allclose(np.linalg.norm(each, axis=1), 1, rtol=1e-6)
    assert len(calls) == 3 * 2
    assert {theta for theta, _ in calls} == {"zero", *(f"tuned {Path(r).name}" for r in RUNS)}
    again = image_embeddings(CONFIG, RUNS, names, data, study)
    assert len(calls) == 6
    np.testing.assert_array_equal(again["test"][RUNS[1]], found["test"][RUNS[1]])


def test_what_is_of_other_weights_or_images_is_made_again(
    study: StudyDirectory, data: ExperimentData, calls: list[Any]
):
    image_embeddings(CONFIG, RUNS, ["test"], data, study)
    hashes = {"theta_0": "h0", "theta_1": "another", "class_names": list(NAMES)}
    write_json(study.path / RUNS[1] / "endpoints.json", hashes)
    calls.clear()
    image_embeddings(CONFIG, RUNS, ["test"], data, study)
    assert calls == [(f"tuned {Path(RUNS[1]).name}", "test")]
    calls.clear()
    image_embeddings(dataclasses.replace(CONFIG, seed=1), RUNS, ["test"], data, study)
    assert len(calls) == 3
    (study.path / "features" / ZERO_SHOT / "test.npz").write_bytes(b"damaged")
    calls.clear()
    image_embeddings(dataclasses.replace(CONFIG, seed=1), RUNS, ["test"], data, study)
    assert calls == [("zero", "test")]


def test_models_that_read_other_images_are_refused(
    study: StudyDirectory, data: ExperimentData, calls: list[Any], monkeypatch: pytest.MonkeyPatch
):
    image_embeddings(CONFIG, RUNS[:1], ["test"], data, study)

    def fewer(classifier: Any, theta: Any, sample: Any, *given: Any, **options: Any) -> Any:
        return {"features": np.ones((8, 3)), "index": np.arange(8)}

    monkeypatch.setattr("wiseft_jax.training.features.encode_dataset", fewer)
    with pytest.raises(InputError, match="other images of test could be read"):
        image_embeddings(CONFIG, RUNS, ["test"], data, study)
