"""Tiny models of two architectures, and images that the first of them mostly gets right."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np

from tests.helpers.tiny import tiny_clip, tiny_images
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.evaluation.candidates import Candidate

NAMES = ("red circle", "blue square", "green digit")
LARGER = {"image_size": 24, "patch_size": 12, "vision_width": 48, "vision_layers": 2}
"""The sizes of the other architecture; its images differ too."""


def tiny_candidates(directory: Path) -> list[Candidate]:
    """Return three models: two of one architecture, then one of another.

    Args:
      directory: Where their files go: ``a``, ``b``, ``c``, CLIPs.
    """
    sizes = {"a": {"vision_layers": 1}, "b": {"vision_layers": 1}, "c": LARGER}
    found = []
    for seed, (name, options) in enumerate(sizes.items()):
        clip = tiny_clip(directory / name, seed=seed, **options)
        found.append(Candidate(name, *zero_shot_classifier(clip, NAMES)))
    return found


def mostly_right(model: Candidate, count: int, seed: int = 0) -> Dataset:
    """Return images labelled as ``model`` predicts, but for a tenth, whose labels are others.

    Args:
      model: Takes 16 x 16 pixels.
      count: Images.
      seed: Of the images and of which labels are others.
    """
    images = tiny_images(count, seed=seed)
    logits = jax.jit(model.classifier.logits)(model.theta, images)
    rng = np.random.default_rng(seed)
    wrong = (rng.random(count) < 0.1) * rng.integers(1, len(NAMES), count)
    labels = (np.asarray(logits).argmax(1) + wrong) % len(NAMES)
    return array_dataset(images, labels, NAMES, name="set")


def renamed(model: Candidate, names: tuple[str, ...]) -> Candidate:
    """Return the model with other class names."""
    return dataclasses.replace(
        model, classifier=dataclasses.replace(model.classifier, class_names=names)
    )
