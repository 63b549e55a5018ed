"""The head made inside the function is the zero-shot head, and merges as both towers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.helpers.tiny import tiny_clip_directory, tiny_images
from wiseft_jax.clip.classifier import Classifier, zero_shot_classifier
from wiseft_jax.clip.export import export_classifier, load_classifier
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.two_towers import TwoTowerClassifier, settled, two_tower_classifier
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.weights.interpolate import lerp

NAMES = ("red circle", "blue square", "green digit")
TEMPLATES = ("a photo of the {}.", "{}")


def both(
    directory: Path, tower: str, dtype: str = "float32"
) -> tuple[tuple[Classifier, Params], tuple[TwoTowerClassifier, Params]]:
    clip = load_clip(tiny_clip_directory(directory), dtype, tower)
    plain = zero_shot_classifier(clip, NAMES, TEMPLATES)
    return plain, two_tower_classifier(clip, NAMES, TEMPLATES)


@pytest.mark.parametrize("tower", ["transformers", "scan"])
def test_the_head_is_the_zero_shot_head(tmp_path: Path, tower: str):
    (_, theta), (classifier, two) = both(tmp_path, tower)
    head = jax.jit(classifier.head)(two["text"])
    np.testing.assert_allclose(head["kernel"], theta["head"]["kernel"], rtol=0, atol=2e-4)
    np.testing.assert_array_equal(head["bias"], 0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_logits_are_the_zero_shot_classifiers(tmp_path: Path, dtype: str):
    (plain, theta), (classifier, two) = both(tmp_path, "transformers", dtype)
    images = tiny_images()
    expected = np.asarray(jax.jit(plain.logits)(theta, images))
    np.testing.assert_allclose(jax.jit(classifier.logits)(two, images), expected, atol=1e-3)


def moved(theta: Params) -> Params:
    random = np.random.default_rng(0)

    def change(leaf: Any) -> np.ndarray:
        noise = random.normal(size=np.shape(leaf)).astype(np.float32)
        return np.asarray(leaf + 0.1 * noise, np.float32)

    return jax.tree_util.tree_map(change, theta)


def test_a_merged_models_head_is_that_of_the_merged_text_tower(tmp_path: Path):
    """And not the mean of both heads: the head isn't linear in alpha."""
    _, (classifier, theta_0) = both(tmp_path, "transformers")
    theta_1 = moved(theta_0)
    middle = lerp(theta_0, theta_1, 0.5)
    heads = [np.asarray(classifier.head(t["text"])["kernel"]) for t in (theta_0, middle, theta_1)]
    assert np.abs(heads[1] - (heads[0] + heads[2]) / 2).max() > 0.1
    images = tiny_images()
    plain, theta = settled(classifier, middle)
    np.testing.assert_allclose(theta["head"]["kernel"], heads[1], rtol=0, atol=1e-4)
    np.testing.assert_allclose(
        plain.logits(theta, images), classifier.logits(middle, images), atol=1e-4
    )


def test_an_export_has_the_trained_text_tower(tmp_path: Path):
    _, (classifier, theta_0) = both(tmp_path / "clip", "scan")
    theta = moved(theta_0)
    export_classifier(tmp_path / "out", *settled(classifier, theta), alpha=1.0)
    loaded, parameters = load_classifier(tmp_path / "out")
    images = tiny_images()
    expected = np.asarray(jax.jit(classifier.logits)(theta, images))
    np.testing.assert_allclose(loaded.logits(parameters, images), expected, atol=1e-3)
    again, _ = zero_shot_classifier(load_clip(tmp_path / "out"), NAMES, TEMPLATES)
    text = classifier.tower.to_canonical(theta["text"])
    for name, leaf in flatten_paths(again.frozen).items():
        np.testing.assert_array_equal(leaf, flatten_paths(text)[name], err_msg=name)


def test_a_classifier_with_a_head_is_settled_already(tmp_path: Path):
    (plain, theta), _ = both(tmp_path, "transformers")
    assert settled(plain, theta) == (plain, theta)


def test_more_prompts_than_a_chunk_are_embedded_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _, (classifier, two) = both(tmp_path, "transformers")
    whole = np.asarray(classifier.head(two["text"])["kernel"])
    monkeypatch.setattr("wiseft_jax.clip.two_towers._CHUNK", 4)
    parts = np.asarray(classifier.head(two["text"])["kernel"])
    np.testing.assert_allclose(parts, whole, rtol=0, atol=2e-4)
