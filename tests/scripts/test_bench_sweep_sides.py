"""The sides that are timed: the same answers from all, and what is measured of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts import bench_sweep_sides as sides
from tests.scripts.conftest import BATCH_SIZE, IMAGES
from wiseft_jax.clip.towers import normalise_pixels
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.load import load_dataset
from wiseft_jax.data.pipeline import load_image
from wiseft_jax.data.transforms import eval_transform


def test_a_grid_goes_from_0_to_1():
    assert sides.grid(1) == [0.5]
    assert sides.grid(5) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_a_grid_s_tenths_are_those_of_the_finer_grid():
    assert sides.grid(11) == sides.grid(101)[::10]


def test_the_back_ends_are_the_package_s():
    assert {"map", "vmap", "auto"} <= set(sides.methods())
    assert "linear" not in sides.methods()


@pytest.mark.parametrize("tower", sides.TOWERS)
def test_back_ends_answer_alike(pair: Path, tower: str, no_type_checks: None):
    found = [
        sides.jax_side(f"{method}-{tower}", "float32", pair)(sides.grid(3), False)
        for method in ("map", "vmap")
    ]
    assert found[0] == found[1]
    assert 0 < max(found[0]) <= IMAGES


def test_few_images_are_a_batch(pair: Path, no_type_checks: None):
    evaluate = sides.jax_side("map-scan", "float32", pair)
    assert max(evaluate(sides.grid(3), True)) <= BATCH_SIZE


def test_a_turn_is_timed_and_compiling_is_told_apart(pair: Path, no_type_checks: None):
    clock = sides.CompileClock()
    evaluate = sides.jax_side("map-scan", "float32", pair)
    first = sides.turn(evaluate, 3, clock)
    second = sides.turn(evaluate, 3, clock)
    assert first["late_compile"] > second["late_compile"] == 0.0
    assert first["wall"] > second["wall"] > 0.0
    assert second["cpu"] > 0.0
    assert first["correct"] == second["correct"]


def test_the_peak_starts_again():
    ones = np.ones(2**25)  # 256 MiB
    sides.reset_peak()
    before = sides.peak_mebibytes()
    del ones
    sides.reset_peak()
    assert sides.peak_mebibytes() < before - 200


@pytest.mark.torch
def test_pytorch_s_pixels_are_those_of_the_package(pair: Path):
    images = sides.TorchImages(pair / "test", 16)
    dataset, preprocess = load_dataset(f"folder:{pair / 'test'}"), Preprocess(16, 16)
    assert len(images) == len(dataset)
    for index in (0, IMAGES - 1):
        pixels, label = images[index]
        ours = eval_transform(preprocess)(load_image(dataset, index))
        expected = np.asarray(normalise_pixels(ours[None], preprocess))[0]
        np.testing.assert_allclose(pixels.numpy().transpose(1, 2, 0), expected, atol=1e-6)
        assert label == dataset.labels[index]


@pytest.mark.torch
def test_pytorch_answers_as_the_package_does(pair: Path, no_type_checks: None):
    reference = sides.torch_side("float32", pair)(sides.grid(5), False)
    ours = sides.jax_side("map-transformers", "float32", pair)(sides.grid(5), False)
    assert reference == ours
    assert len(set(reference)) > 1
