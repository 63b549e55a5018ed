"""End-to-end fine-tuning of a real Flax CLIP tower."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.tiny import tiny_clip, tiny_images
from tests.training.toy import toy_config
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.data.source import array_dataset
from wiseft_jax.training.fine_tune import fine_tune

NAMES = ("red circle", "blue square")


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def test_the_whole_image_side_is_trained_in_float32(tmp_path: Path, dtype: str):
    clip = tiny_clip(tmp_path / "clip", vision_layers=1, dtype=dtype)
    classifier, theta_0 = zero_shot_classifier(clip, NAMES)
    train = array_dataset(tiny_images(16), np.arange(16) % 2, NAMES, name="train", split="train")
    config = toy_config(batch_size=16, epochs=8.0, learning_rate=3e-3)
    run_dir = tmp_path / "run"
    theta_1 = fine_tune(
        classifier, theta_0, train, None, config, run_dir=run_dir, mesh=make_mesh(2)
    )
    before, after = flatten_paths(theta_0), flatten_paths(theta_1)
    assert list(after) == list(before)
    assert {name.split("/")[1] for name in after} == {
        "vision_model",
        "visual_projection",
        "kernel",
        "bias",
    }
    for name, leaf in after.items():
        assert leaf.dtype == np.float32, name
        assert np.all(np.isfinite(leaf)), name
        assert not np.array_equal(leaf, before[name]), name
    lines = (run_dir / "train.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert len(losses) == 8
    assert losses[-1] < 0.5 * losses[0]
