"""The steps that are timed: what they count, and that they train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts import bench_train_sides as sides
from wiseft_jax.clip.load import read_config
from wiseft_jax.planning.jaxpr import count_jaxpr

TINY = {"width": 32, "layers": 2, "heads": 2, "image_size": 16, "patch_size": 4}
BATCH_SIZE = 3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_type_checks: None) -> Path:
    """Return the inputs of a tiny model; its step is made without a tokenizer."""
    monkeypatch.setattr(sides, "SMALL", TINY)
    sides.write_inputs("small", BATCH_SIZE, tmp_path)
    return tmp_path


@pytest.mark.parametrize("variant", ["transformers", "scan"])
def test_the_operations_of_a_step_are_those_of_its_trace(folder: Path, variant: str):
    """The model's own: the scan tower's backward pass computes queries times keys once more."""
    step, state, batch = sides.jax_step(variant, "float32", folder)
    counted = count_jaxpr(step.trace(state, batch).jaxpr).flops
    config = read_config(folder)
    vision = config.vision_config
    tokens = (vision.image_size // vision.patch_size) ** 2 + 1
    again = 2 * BATCH_SIZE * tokens**2 * vision.hidden_size * vision.num_hidden_layers
    expected = sides.step_flops(config, BATCH_SIZE) + (again if variant == "scan" else 0)
    assert expected == pytest.approx(counted, rel=0.01)


def test_the_package_s_step_trains(folder: Path):
    advance, facts = sides.jax_variant("scan", "float32", folder)
    first, second = advance(1), advance(1)
    assert 0.0 < second < first < 2 * np.log(sides.CLASSES)
    assert facts["compile_secs"] > 0.0
    assert facts["products"] == "float32"
    assert facts["device_peak"]() is None


def test_a_rate_is_measured_on_random_matrices_that_stay_finite():
    assert 1e5 < sides.matmul_rate(size=64, repeats=100) < 1e14
