"""What is asked of a model: on a made-up one whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.source import array_dataset
from wiseft_jax.experiment import ExperimentData
from wiseft_jax.studies.patch_config import Cell, PatchConfig
from wiseft_jax.studies.patch_measures import TestImages, make_test_images, measure
from wiseft_jax.studies.patch_models import Family, Subject

NAMES = ("dark", "light")
SIZE = 16


def data(count: int = 30) -> ExperimentData:
    labels = np.arange(count) % 2
    images = np.repeat(np.where(labels, 200, 40), SIZE**2 * 3).reshape(count, SIZE, SIZE, 3)

    def dataset(name: str, role: Any, of: np.ndarray) -> Any:
        return array_dataset(of.astype(np.uint8), labels, NAMES, name=name, role=role)

    test, turned = dataset("test", "reference", images), dataset("turned", "shift", 255 - images)
    return ExperimentData(NAMES, test, test, (turned, test))


def subject() -> Subject:
    """Says how bright a pixel is, and looks at the upper half."""

    def logits(theta: Any, images: np.ndarray) -> np.ndarray:
        level = images[:, 4, 4, 0].astype(float) - 120
        return np.stack([-level, level], 1)

    def maps(theta: Any, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        return np.repeat([[[1.0, 1.0], [0.0, -1.0]]], len(images), 0)

    def nothing(*_: Any) -> None:
        return None

    family = Family(None, None, logits, maps, nothing, nothing, nothing)
    return Subject(Cell("resnet", "none", 0), family, 0)


@pytest.fixture(scope="module")
def images() -> TestImages:
    return make_test_images(PatchConfig(patch_size=8), data(), Preprocess(SIZE, SIZE))


def test_the_reference_is_patched_whatever_its_place(images: TestImages):
    assert images.reference == "test"
    assert images.shifts == ["turned"]
    assert len(images.corrupted) == 14
    for patched in images.patched.values():
        assert patched.area == 0.25
        outside = ~patched.masks
        clean = images.sets["test"][0]
        np.testing.assert_array_equal(patched.images[outside], clean[outside])


def test_a_known_model_is_measured_rightly(images: TestImages):
    values, examples = measure(subject(), images)
    assert (values["clean"], values["shifts"]) == (1.0, 0.0)
    covered = images.patched["image"].masks[:, 4, 4]
    assert covered.any()
    np.testing.assert_array_equal(examples["flip/image"], covered.astype(np.float32))
    assert values["flip/image"] == pytest.approx(covered.mean())
    assert values["drop/image"] == pytest.approx(covered.mean())
    assert values["score_drop/image"] == pytest.approx(covered.mean(), abs=1e-6)
    upper = images.patched["noise"].masks[:, : SIZE // 2].sum((1, 2)) / (SIZE**2 / 2)
    np.testing.assert_allclose(examples["energy/noise"], upper, rtol=1e-6)
    assert values["energy_ratio/noise"] == pytest.approx(upper.mean() / 0.25, rel=1e-6)


def test_patches_are_the_study_s_seed_s(images: TestImages):
    same, other = (
        make_test_images(PatchConfig(patch_size=8, patch_seed=seed), data(), Preprocess(SIZE, SIZE))
        for seed in (0, 1)
    )
    for kind, patched in images.patched.items():
        np.testing.assert_array_equal(patched.images, same.patched[kind].images)
        assert not np.array_equal(patched.images, other.patched[kind].images)
