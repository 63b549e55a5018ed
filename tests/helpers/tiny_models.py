"""Tiny models of two architectures, and images that the first of them mostly gets right."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from tests.helpers.tiny import tiny_clip, tiny_images
from wiseft_jax.clip.classifier import Classifier, make_classifier
from wiseft_jax.clip.towers import VISION_KEYS
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.data.transforms import EvalTransform
from wiseft_jax.evaluation.candidates import Candidate

NAMES = ("red circle", "blue square", "green digit")
SMALL = {"vision_layers": 1}
"""The sizes of one architecture, of 16 x 16 pixels."""
LARGER = {"image_size": 24, "patch_size": 12, "vision_width": 48, "vision_layers": 1}
"""The sizes of the other one; its images differ too."""
_ON = 64


@dataclasses.dataclass(frozen=True)
class TinyModels:
    """Models that differ, and their logits without what the package evaluates them by.

    Attributes:
      candidates: ``a`` and ``b`` are of one architecture, ``c`` is of another.
    """

    candidates: list[Candidate]

    @functools.cached_property
    def _compiled(self) -> list:
        first, second = (jax.jit(self.candidates[k].classifier.logits) for k in (0, 2))
        return [first, first, second]

    def logits(self, place: int, images: np.ndarray) -> np.ndarray:
        """Return the logits of a model; 64 images at once."""
        model = self.candidates[place]
        transform = EvalTransform(model.classifier.preprocess)
        pixels = np.stack([transform(Image.fromarray(image)) for image in images])
        missing = -len(pixels) % _ON
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:1]).repeat(missing, 0)])
        parts = [
            np.asarray(self._compiled[place](model.theta, pixels[start : start + _ON]))
            for start in range(0, len(pixels), _ON)
        ]
        return np.concatenate(parts)[: len(images)]

    def correct(self, data: Dataset, images: np.ndarray) -> np.ndarray:
        """Return which labels each model predicts; none hangs on the rounding of its logits."""
        found = [self.logits(place, images) for place in range(len(self.candidates))]
        ordered = np.sort(found, axis=2)
        assert (ordered[..., -1] - ordered[..., -2]).min() > 1e-4
        return np.stack([logits.argmax(1) == data.labels for logits in found])


def tiny_models(directory: Path) -> TinyModels:
    """Return models with random heads, whose predictions are spread over the classes.

    Args:
      directory: Where their files go: ``a``, ``b``, ``c``, CLIPs.
    """
    found = []
    for seed, (name, sizes) in enumerate({"a": SMALL, "b": SMALL, "c": LARGER}.items()):
        clip = tiny_clip(directory / name, seed=seed, **sizes)
        kernel = np.random.default_rng(seed).standard_normal((16, len(NAMES))).astype(np.float32)
        theta = {
            "encoder": {key: clip.params[key] for key in VISION_KEYS},
            "head": {"kernel": 20 * kernel, "bias": np.zeros(len(NAMES), np.float32)},
        }
        found.append(Candidate(name, make_classifier(clip, NAMES, ("{}",)), theta))
    models = TinyModels(found)
    for place, model in enumerate(found):  # features of random weights are much alike
        model.theta["head"]["bias"] -= models.logits(place, tiny_images(_ON, seed=99)).mean(0)
    return models


def mostly_right(models: TinyModels, count: int, seed: int = 0) -> Dataset:
    """Return images labelled as ``a`` predicts, but for a tenth, whose labels are others.

    Args:
      models: The models.
      count: Images, of 16 x 16 pixels.
      seed: Of the images and of which labels are others.
    """
    images = tiny_images(count, seed=seed)
    rng = np.random.default_rng(seed)
    wrong = (rng.random(count) < 0.1) * rng.integers(1, len(NAMES), count)
    labels = (models.logits(0, images).argmax(1) + wrong) % len(NAMES)
    return array_dataset(images, labels, NAMES, name="set")


def renamed(model: Candidate, names: tuple[str, ...]) -> Candidate:
    """Return the model with other class names."""
    classifier: Classifier = dataclasses.replace(model.classifier, class_names=names)
    return dataclasses.replace(model, classifier=classifier)
