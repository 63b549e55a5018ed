"""Models in batches of one shape, and configurations that differ in the mixing alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.studies.patch_config import Cell, PatchConfig
from wiseft_jax.studies.patch_models import Family, in_batches, train_config, trained


@pytest.mark.parametrize("count", [1, 7, 250, 251, 600])
def test_batches_are_of_one_shape_and_rows_come_back_in_order(count: int):
    images = np.arange(count, dtype=np.uint16)[:, None]
    shapes = set()

    def double(part: np.ndarray, classes: np.ndarray) -> np.ndarray:
        shapes.add((part.shape, classes.shape))
        return 2.0 * part[:, 0] + classes

    found = in_batches(double, images, np.arange(count))
    np.testing.assert_array_equal(found, 3 * np.arange(count))
    assert len(shapes) == 1


def test_models_of_a_seed_differ_in_the_mixing_alone():
    config = PatchConfig(epochs=3)
    one, other = (train_config(config, Cell("clip", mixer, 1)) for mixer in ("none", "cutmix"))
    assert one == other
    assert (one.seed, one.epochs, one.learning_rate) == (1, 3.0, 1e-3)
    assert train_config(config, Cell("resnet", "none", 1)).learning_rate == 3e-3


def test_a_model_is_trained_once(tmp_path: Path):
    calls = []

    def train(cell: Cell) -> dict[str, object]:
        calls.append(cell)
        return {"params": {"body": {"kernel": np.full((2, 3), 7.0, np.float32)}}}

    def read(path: Path) -> object:
        file = path.with_suffix(".safetensors")
        return unflatten_paths(read_tensors(file)) if file.is_file() else None

    def write(path: Path, theta: object) -> None:
        write_tensors(path.with_suffix(".safetensors"), flatten_paths(theta))

    family = Family(None, None, lambda *_: None, lambda *_: None, train, read, write)
    cell = Cell("resnet", "none", 0)
    first, second = (trained(cell, family, tmp_path) for _ in range(2))
    assert calls == [cell]
    assert flatten_paths(first.theta).keys() == {"params/body/kernel"}
    np.testing.assert_array_equal(
        flatten_paths(second.theta)["params/body/kernel"],
        flatten_paths(unflatten_paths({"a": np.full((2, 3), 7.0, np.float32)}))["a"],
    )
