"""A tiny classifier with two ends, and small datasets; made once for all tests of this folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from tests.helpers.tiny import tiny_clip, tiny_images
from tests.helpers.tiny_models import TinyModels, mostly_right, tiny_models
from wiseft_jax.clip.classifier import Classifier, zero_shot_classifier
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.typing import Params
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.evaluation.candidates import Candidate

NAMES = ("red circle", "blue square", "green digit")


@dataclasses.dataclass(frozen=True)
class Tiny:
    """A classifier, its ends, and a validation, a test and a shifted set."""

    classifier: Classifier
    theta_0: Params
    theta_1: Params
    datasets: tuple[Dataset, ...]

    def fresh(self) -> Classifier:
        """Return an equal classifier that nothing is compiled for."""
        return dataclasses.replace(self.classifier)


def dataset(count: int, name: str, **options: Any) -> Dataset:
    labels = np.random.default_rng(count).integers(0, len(NAMES), count)
    return array_dataset(tiny_images(count, seed=count), labels, NAMES, name=name, **options)


def tiny_ends(directory: Path) -> tuple[Classifier, Params, Params]:
    """Return a tiny classifier, its start, and an end that noise has moved away from it."""
    clip = tiny_clip(directory, vision_layers=1)
    classifier, theta_0 = zero_shot_classifier(clip, NAMES)
    return classifier, theta_0, moved(theta_0)


def moved(theta: Params, share: float = 0.5) -> Params:
    """Return parameters with noise, of a share of each leaf's standard deviation."""
    rng = np.random.default_rng(0)

    def move(leaf: Any) -> np.ndarray:
        noise = rng.standard_normal(np.shape(leaf)).astype(np.float32)
        return np.asarray(leaf + np.float32(share) * np.std(leaf) * noise, np.float32)

    return jax.tree_util.tree_map(move, theta)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    ends = tiny_ends(tmp_path_factory.mktemp("clip"))
    datasets = (
        dataset(11, "validation", split="validation"),
        dataset(23, "test"),
        dataset(16, "shift", role="shift"),
    )
    return Tiny(*ends, datasets)


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    """Three models of two architectures."""
    return tiny_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def models(several: TinyModels) -> list[Candidate]:
    return several.candidates


@pytest.fixture(scope="session")
def data(several: TinyModels) -> Dataset:
    """Images that ``several`` are mostly right about."""
    return mostly_right(several, 90)


@pytest.fixture(scope="session")
def one_device() -> Mesh:
    return make_mesh(1)
