"""Parity with PyTorch's CLIPModel from identical weights (golden files; see tests/golden)."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from tests.helpers.golden import CLASS_NAMES, TEMPLATES, TEXTS, VARIANTS, weights_digest
from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.load import load_clip

GOLDEN = Path(__file__).parent.parent / "golden"
TOLERANCE = 1e-4


@pytest.mark.parametrize("tower", ["transformers", "scan"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_features_head_and_logits_equal_pytorchs(variant: str, tower: str, tmp_path: Path):
    with np.load(GOLDEN / f"clip_{variant}.npz", allow_pickle=False) as file:
        expected = {name: file[name] for name in file.files}
    directory = tiny_clip_directory(tmp_path, **VARIANTS[variant])
    assert weights_digest(directory) == str(expected["weights_sha256"]), "not the golden's weights"
    clip = load_clip(directory, tower=tower)
    classifier, theta = zero_shot_classifier(clip, CLASS_NAMES, TEMPLATES)
    images, (ids, mask) = expected["images"], clip.tokenizer(TEXTS)

    @jax.jit
    def compute(theta, params, images, ids, mask):
        return {
            "image_features": classifier.features(theta, images),
            "logits": classifier.logits(theta, images),
            "text_features": clip.tower.text_features(params, ids, mask),
        }

    found = compute(theta, clip.params, images, ids, mask)
    found["head"] = theta["head"]["kernel"]
    for name, value in found.items():
        assert value.shape == expected[name].shape
        difference = np.abs(np.asarray(value) - expected[name]).max()
        assert difference < TOLERANCE, (name, difference)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_goldens_exercise_what_they_are_for(variant: str, tmp_path: Path):
    clip = load_clip(tiny_clip_directory(tmp_path, **VARIANTS[variant]))
    lengths = clip.tokenizer(TEXTS)[1].sum(1)
    assert lengths.max() == clip.tokenizer.context_length  # one text is cut
    assert lengths.min() < 5
    with np.load(GOLDEN / f"clip_{variant}.npz", allow_pickle=False) as file:
        logits = file["logits"]
        assert np.abs(logits).max() > 10
        assert len(set(logits.argmax(1).tolist())) > 1
        assert (GOLDEN / f"clip_{variant}.npz").stat().st_size < 100_000


def test_the_two_poolings_are_both_among_them():
    ends = {options.get("eos_token_id") for options in VARIANTS.values()}
    assert ends == {None, 2}
    assert {options["hidden_act"] for options in VARIANTS.values()} == {"quick_gelu", "gelu"}
