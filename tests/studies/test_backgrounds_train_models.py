"""The study's models: what they are fed, and which stored ones are taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.small_release import masked_images
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.data.pipeline import load_image
from wiseft_jax.data.source import Dataset
from wiseft_jax.studies.backgrounds_train_config import Cell
from wiseft_jax.studies.backgrounds_train_data import data_of_masked
from wiseft_jax.studies.backgrounds_train_models import MODELS_DIR, Kind, answer, trained


def test_images_of_the_models_size_are_fed_as_they_are():
    """Even where the model's own preprocessing would enlarge them before its crop."""
    images = masked_images()
    found = answer(
        lambda _, pixels: pixels.astype(np.int32).sum((1, 2, 3)),
        np.zeros(1),
        images.dataset("original"),
        Preprocess(8, 9),
    )
    np.testing.assert_array_equal(found, images.images.astype(np.int32).sum((1, 2, 3)))


def counting_kind(weights: str, calls: list[str]) -> Kind:
    """A family whose models are the mean of their images."""

    def train(cell: Cell, images: Dataset) -> dict[str, np.ndarray]:
        calls.append(cell.name)
        pixels = [np.asarray(load_image(images, at)) for at in range(len(images))]
        return {"mean": np.mean(pixels, (0, 1, 2))}

    def read(path: Path) -> dict[str, np.ndarray] | None:
        file = path / "model.safetensors"
        return read_tensors(file) if file.is_file() else None

    def write(path: Path, theta: dict[str, np.ndarray]) -> None:
        write_tensors(path / "model.safetensors", theta)

    return Kind(Preprocess(8, 8), lambda *_: None, weights, train, read, write, None)


def test_a_stored_model_of_other_images_or_weights_is_refused(tmp_path: Path):
    """As after a study that was killed between a model and its row, and another --data."""
    calls: list[str] = []
    cell, kind = Cell("resnet", "original", 0), counting_kind("random, 8 x 8 pixels", calls)
    data, other = (
        data_of_masked(masked_images(count), masked_images(2), ("original",)) for count in (3, 4)
    )
    for _ in range(2):
        theta = trained(cell, kind, data, tmp_path)
    assert calls == [cell.name]
    for now, images in ((kind, other), (counting_kind("published", calls), data)):
        with pytest.raises(InputError, match="was trained on other images than today's, or from"):
            trained(cell, now, images, tmp_path)
    (tmp_path / MODELS_DIR / cell.name / "model.safetensors").unlink()
    np.testing.assert_array_equal(trained(cell, kind, data, tmp_path)["mean"], theta["mean"])
    for file in (tmp_path / MODELS_DIR).glob("*.json"):  # killed before it was written
        file.unlink()
    trained(cell, kind, data, tmp_path)
    assert calls == [cell.name] * 3
