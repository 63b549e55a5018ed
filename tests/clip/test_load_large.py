"""A CLIP of ViT-B/32's size, as a user would bring it."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from tests.helpers.tiny import tiny_clip_directory, tiny_images
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.core.trees import count_parameters

VIT_B_32 = {
    "image_size": 224,
    "patch_size": 32,
    "vision_width": 768,
    "vision_layers": 12,
    "vision_heads": 12,
    "vision_hidden": 3072,
    "text_width": 512,
    "text_layers": 12,
    "text_heads": 8,
    "text_hidden": 2048,
    "projection": 512,
    "context": 77,
    "vocabulary": 49408,
}


@pytest.mark.slow
def test_a_vit_b_32_loads_and_classifies(tmp_path: Path):
    clip = load_clip(tiny_clip_directory(tmp_path, eos_token_id=2, **VIT_B_32))
    assert count_parameters(clip.params) == 151_277_313  # as published
    classifier, theta = zero_shot_classifier(clip, ["red circle", "blue square"])
    logits = np.asarray(jax.jit(classifier.logits)(theta, tiny_images(2, 224)))
    assert logits.shape == (2, 2)
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() <= 100
