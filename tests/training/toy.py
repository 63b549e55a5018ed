"""A classifier of a few dozen parameters, and coloured squares for it to learn."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.tokenize import Tokenizer
from wiseft_jax.clip.two_towers import TwoTowerClassifier
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.data.source import Dataset, array_dataset
from wiseft_jax.training.config import TWO_TOWER_RECIPES, TrainConfig
from wiseft_jax.training.options import TrainOptions

CLASS_NAMES = ("red", "green", "blue")
SIZE = 8
_WORDS = ("", *CLASS_NAMES, "the")


@dataclasses.dataclass(frozen=True)
class ToyTower:
    name: str = "toy"
    dtype: str = "float32"
    config: Any = None
    remat: str = "none"

    def template(self) -> Any:
        """The shapes of the image tower."""
        shapes = {"vision_model": (3, 6), "visual_projection": (6, 4)}
        return {
            name: {"kernel": jax.ShapeDtypeStruct(shape, jnp.float32)}
            for name, shape in shapes.items()
        }

    def image_features(self, params: Any, pixels: Any) -> Any:
        """Mean colour -> tanh layer -> projection."""
        hidden = jnp.tanh(pixels.mean(axis=(1, 2)) @ params["vision_model"]["kernel"])
        return hidden @ params["visual_projection"]["kernel"]

    def to_canonical(self, params: Any) -> Any:
        return params

    from_canonical = to_canonical

    def with_dtype(self, dtype: str) -> ToyTower:
        return self

    def text_features(self, params: Any, ids: Any, mask: Any) -> Any:
        """Mean of the tokens' embeddings -> projection."""
        tokens = jnp.asarray(params["text_model"]["embedding"])[ids] * mask[..., None]
        return (tokens.sum(1) / mask.sum(1, keepdims=True)) @ params["text_projection"]["kernel"]


class ToyTokenizer(Tokenizer):
    """A token for each colour, one for "the", and one for any other word."""

    def __init__(self) -> None:
        object.__setattr__(self, "context_length", 8)

    def __call__(self, texts: Any) -> tuple[np.ndarray, np.ndarray]:
        ids = np.zeros((len(texts), self.context_length), np.int32)
        mask = np.zeros_like(ids)
        for row, text in enumerate(texts):
            for column, word in enumerate(text.split()):
                ids[row, column] = _WORDS.index(word) if word in _WORDS else 0
                mask[row, column] = 1
        return ids, mask


class ToyClassifier(Classifier):
    """A classifier with the toy tower."""

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


class ToyTwoTowers(TwoTowerClassifier):
    """The toy's image tower beside a text tower of one embedding."""

    def __init__(self) -> None:
        ids, mask = ToyTokenizer()([f"{start} {c}" for c in CLASS_NAMES for start in ("a", "the")])
        own = {"tokenizer": ToyTokenizer(), "templates": ("a {}", "the {}"), "frozen": {}}
        facts = vars(ToyClassifier()) | own | {"prompt_ids": ids, "prompt_mask": mask}
        for name, value in facts.items():
            object.__setattr__(self, name, value)


def toy_for(recipe: str, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    """The classifier that a recipe trains, and its start."""
    classifier, theta_0 = toy_classifier(seed)
    if recipe not in TWO_TOWER_RECIPES:
        return classifier, theta_0
    random = np.random.default_rng(seed + 1)
    text = {
        "text_model": {"embedding": random.normal(size=(len(_WORDS), 5)).astype(np.float32)},
        "text_projection": {"kernel": random.normal(size=(5, 4)).astype(np.float32)},
        "logit_scale": np.asarray(np.log(10), np.float32),
    }
    return ToyTwoTowers(), {"encoder": theta_0["encoder"], "text": text}


def toy_options(recipe: str, **options: Any) -> TrainOptions:
    """Options that a recipe reads, with a single penalty, which needs no validation images."""
    probed = {"probe_c": (1.0,)} if recipe == "lp_ft" else {}
    return TrainOptions(**probed | options)


def toy_train(recipe: str, count: int = 48, seed: int = 0) -> Dataset:
    """A training set that a recipe takes: with captions for the contrastive one."""
    dataset = toy_dataset(count, seed)
    if recipe != "contrastive":
        return dataset
    names = tuple(f"{start} {color} square" for color in CLASS_NAMES for start in ("one", "my"))
    captions = dataset.labels * 2 + np.arange(count) // 3 % 2
    return array_dataset(dataset.source.images, captions, names, name="captioned", split="train")


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
