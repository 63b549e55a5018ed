"""A classifier of a few dozen parameters, and coloured squares for it to learn."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.towers import normalise_pixels
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.training.config import TrainConfig

CLASS_NAMES = ("red", "green", "blue")
SIZE = 8


@dataclasses.dataclass(frozen=True)
class ToyTower:
    name: str = "toy"
    dtype: str = "float32"


class ToyClassifier(Classifier):
    """Mean colour -> tanh layer -> projection, in the place of a vision tower."""

    def __init__(self) -> None:
        facts = {
            "tower": ToyTower(),
            "class_names": CLASS_NAMES,
            "preprocess": Preprocess(size=SIZE, resize=SIZE),
            "clip_config": None,
            "source": "toy",
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    def features(self, theta: Any, images: Any) -> Any:
        pixels = normalise_pixels(images, self.preprocess).mean(axis=(1, 2))
        hidden = jnp.tanh(pixels @ theta["encoder"]["vision_model"]["kernel"])
        return hidden @ theta["encoder"]["visual_projection"]["kernel"]


def toy_classifier(seed: int = 0) -> tuple[ToyClassifier, dict[str, Any]]:
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    theta_0 = {
        "encoder": {
            "vision_model": {"kernel": normal(3, 6)},
            "visual_projection": {"kernel": normal(6, 4)},
        },
        "head": {"kernel": normal(4, 3), "bias": np.zeros(3, np.float32)},
    }
    return ToyClassifier(), theta_0


def toy_dataset(count: int = 48, seed: int = 0, **options: Any) -> Dataset:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = random.integers(0, 140, (count, SIZE, SIZE, 3))
    images[np.arange(count), :, :, labels] += 110
    name = options.pop("name", "squares")
    return array_dataset(
        images.astype(np.uint8), labels, CLASS_NAMES, name=name, split="train", **options
    )


def toy_config(**changes: Any) -> TrainConfig:
    defaults = TrainConfig(
        learning_rate=0.05,
        epochs=2.0,
        batch_size=16,
        warmup_fraction=0.1,
        weight_decay=0.01,
        eval_every_epochs=None,
    )
    return dataclasses.replace(defaults, **changes)
