"""Sets of other classes: heads of their own, the run's image tower, and what is stored."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, dataset, moved
from tests.helpers.tiny import tiny_clip_directory, tiny_images
from wiseft_jax.clip.config import ModelConfig
from wiseft_jax.core.config_io import config_hash
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.run_directory import RunDirectory
from wiseft_jax.data.source import array_dataset
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.evaluation.predictions import load_predictions
from wiseft_jax.experiment import ExperimentConfig, load_start
from wiseft_jax.studies.of_run import Ends
from wiseft_jax.studies.other_sets import evaluate_other_sets
from wiseft_jax.weights.interpolate import lerp

OTHER = ("photo", "square", "circle", "green red")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ExperimentConfig:
    clip = tiny_clip_directory(tmp_path_factory.mktemp("clip"), vision_layers=1)
    return ExperimentConfig(
        model=ModelConfig(name=str(clip), templates="simple"),
        sweep=SweepConfig(alphas=(0.0, 0.5, 1.0), batch_size=16),
    )


@pytest.fixture(scope="module")
def ends(config: ExperimentConfig) -> Ends:
    classifier, theta_0 = load_start(config, NAMES)
    return classifier, theta_0, moved(theta_0)


def others(count: int = 19, name: str = "others") -> Any:
    labels = np.random.default_rng(count).integers(0, len(OTHER), count)
    return array_dataset(tiny_images(count, seed=count), labels, OTHER, name=name)


def test_the_towers_are_the_runs_and_the_head_is_the_sets(
    config: ExperimentConfig, ends: Ends, tmp_path: Path
):
    directory = RunDirectory(tmp_path)
    found = evaluate_other_sets(config, [others()], ends, directory)["others"]
    assert found.alphas == (0.0, 0.5, 1.0)
    assert found.class_names == OTHER
    other, start = load_start(config, OTHER)
    for place, alpha in enumerate(found.alphas):
        encoder = lerp(ends[1]["encoder"], ends[2]["encoder"], alpha)
        theta = {"encoder": encoder, "head": start["head"]}
        wanted = evaluate(other, theta, others(), batch_size=16)
        assert np.array_equal(found.top1[place], wanted.top1[0])
    stored = load_predictions(tmp_path / "other_sets")["others"]
    assert np.array_equal(stored.top1, found.top1)
    assert stored.class_names == OTHER
    assert config_hash(config) in (tmp_path / "other_sets" / "results.jsonl").read_text()


def test_what_is_no_other_set_is_refused(config: ExperimentConfig, ends: Ends, tmp_path: Path):
    directory = RunDirectory(tmp_path)
    with pytest.raises(InputError, match="expected other classes than the run's, found the same"):
        evaluate_other_sets(config, [dataset(9, "test")], ends, directory)
    with pytest.raises(InputError, match="the name 'others' is given twice"):
        evaluate_other_sets(config, [others(), others(5)], ends, directory)
    late = dataclasses.replace(config, sweep=SweepConfig(alphas=(0.5, 1.0)))
    with pytest.raises(InputError, match="expected 0 among them"):
        evaluate_other_sets(late, [others()], ends, directory)
    assert not (tmp_path / "other_sets").exists()
