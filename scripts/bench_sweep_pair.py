"""The pair of models and the JPEG files that ``bench_sweep.py`` times all sides on.

Run by it: ``python -m scripts.bench_sweep_pair MODEL IMAGES STEPS FOLDER``. The images are coloured
shapes on a cluttered ground, ten classes; those of the test set are paler and noisier than those
that are fine-tuned on. One end is an encoder that some steps of AdamW have pre-trained on pale and
noisy images, under a head of its own class means; the other is what fine-tuning makes of both.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from scripts.bench_train_sides import model_config, random_params

COLOURS = {
    "blue": (40, 70, 220),
    "green": (40, 170, 60),
    "red": (220, 50, 40),
    "violet": (160, 50, 190),
    "yellow": (225, 205, 50),
}
SHAPES = ("cross", "disc")
CLASS_NAMES = tuple(f"{colour} {shape}" for colour, shape in itertools.product(COLOURS, SHAPES))
LOGIT_SCALE = 5.0
TRAIN_IMAGES, PRETRAIN_IMAGES, BATCH_SIZE = 160, 320, 32
PRETRAIN_STEPS = {"small": 200, "ViT-B/32": 16}
PRETRAIN_RATE, LEARNING_RATE = {"small": 1e-3, "ViT-B/32": 1e-4}, 1e-4
TEST_SEED, TRAIN_SEED, PRETRAIN_SEED = 1, 2, 3


def draw_image(label: int, size: int, shifted: bool, random: np.random.Generator) -> Image.Image:
    """Return the image of a class, a third wider than high.

    Args:
      label: The class.
      size: The height in pixels.
      shifted: Whether it is of the test set: pale and noisy.
      random: Where the shape, its hue and the ground come from.
    """
    width = size * 4 // 3
    coarse = Image.fromarray(random.integers(60, 196, (3, 4, 3), np.uint8))
    image = coarse.resize((width, size), Image.Resampling.BICUBIC)
    colour, shape = CLASS_NAMES[label].split()
    hue = np.array(COLOURS[colour]) + random.integers(-40, 41, 3)
    hue = hue * 0.75 + 40 if shifted else hue
    paint = tuple(int(value) for value in hue.clip(0, 255))
    radius = size * random.uniform(0.22, 0.36)
    x = width / 2 + size * random.uniform(-0.12, 0.12)
    y = size / 2 + size * random.uniform(-0.12, 0.12)
    draw_shape(ImageDraw.Draw(image), shape, (x, y), radius, paint)
    noise = random.normal(0, 16 if shifted else 6, (size, width, 1))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def draw_shape(
    draw: Any, shape: str, centre: tuple[float, float], radius: float, fill: Any
) -> None:
    """Draw a shape around a centre."""
    x, y = centre
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "disc":
        draw.ellipse(box, fill=fill)
    else:
        arm = radius / 3
        draw.rectangle((x - arm, y - radius, x + arm, y + radius), fill=fill)
        draw.rectangle((x - radius, y - arm, x + radius, y + arm), fill=fill)


def write_jpegs(root: Path, count: int, size: int, *, shifted: bool, seed: int) -> None:
    """Write ``root/<class>/<index>.jpg``, the classes in turn, an eighth higher than ``size``."""
    random = np.random.default_rng(seed)
    for index in range(count):
        label = index % len(CLASS_NAMES)
        path = root / CLASS_NAMES[label] / f"{index:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_image(label, size * 8 // 7, shifted, random).save(path, quality=90)


def random_classifier(model: str) -> tuple[Any, Any]:
    """Return a classifier without a text tower, and a random encoder for it."""
    from wiseft_jax.clip.towers import VISION_KEYS

    config = model_config(model)
    params = random_params(config, np.random.default_rng(0))
    classifier = make_classifier(config, "scan", "float32")
    return classifier, {key: params[key] for key in VISION_KEYS}


def make_classifier(config: Any, tower: str, dtype: str) -> Any:
    """Return the classifier of the ten classes, without a text tower or a tokenizer."""
    from wiseft_jax.clip.classifier import Classifier
    from wiseft_jax.clip.load import make_tower
    from wiseft_jax.core.preprocess import Preprocess

    size, tokenizer = config.vision_config.image_size, None
    built, preprocess = make_tower(config, dtype, tower), Preprocess(size, size)
    return Classifier(built, CLASS_NAMES, ("{}",), preprocess, config, tokenizer, "random", {})  # type: ignore


def class_means_head(features: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the head whose logits are scaled cosines with class means, all around their centre.

    Args:
      features: float32[N, D], unit vectors.
      labels: int[N], each class at least once.
    """
    means = np.stack([features[labels == label].mean(axis=0) for label in np.unique(labels)])
    directions = means - means.mean(axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    spread = np.linalg.norm(features - means.mean(axis=0), axis=1).mean()
    kernel = (LOGIT_SCALE / spread * directions.T).astype(np.float32)
    return {"kernel": kernel, "bias": -means.mean(axis=0) @ kernel}


def class_means(classifier: Any, encoder: Any, dataset: Any) -> dict[str, np.ndarray]:
    """Return the ``class_means_head`` of an encoder on a dataset."""
    import jax

    from wiseft_jax.clip.towers import l2_normalise
    from wiseft_jax.data.pipeline import eval_batches

    encode = jax.jit(lambda theta, images: l2_normalise(classifier.features(theta, images)))
    found = []
    with eval_batches(dataset, classifier.preprocess, batch_size=BATCH_SIZE) as batches:
        for batch in batches:
            found.append(np.asarray(encode({"encoder": encoder}, batch["image"]))[batch["mask"]])
    return class_means_head(np.concatenate(found), dataset.labels)


def make_pair(model: str, steps: int, pretrain: Any, train: Any) -> tuple[Any, Any, Any]:
    """Return the model's configuration and the two ends, as Hugging Face has them."""
    from wiseft_jax.training.config import TrainConfig
    from wiseft_jax.training.fine_tune import fine_tune

    classifier, canonical = random_classifier(model)
    encoder = classifier.tower.from_canonical(canonical)

    def trained(encoder: Any, dataset: Any, steps: int, rate: float) -> tuple[Any, Any]:
        theta = {"encoder": encoder, "head": class_means(classifier, encoder, dataset)}
        settings = TrainConfig(
            learning_rate=rate,
            epochs=steps * BATCH_SIZE / len(dataset),
            batch_size=BATCH_SIZE,
            warmup_steps=0,
            eval_every_epochs=None,
        )
        return theta, fine_tune(classifier, theta, dataset, None, settings)

    _, before = trained(encoder, pretrain, PRETRAIN_STEPS[model], PRETRAIN_RATE[model])
    ends = trained(before["encoder"], train, steps, LEARNING_RATE)
    return classifier.clip_config, *(classifier.tower.to_canonical(theta) for theta in ends)


def relative_distance(theta_0: Any, theta_1: Any) -> float:
    """Return ``||theta_1 - theta_0|| / ||theta_0||`` of the encoders."""
    from wiseft_jax.core.trees import flatten_paths

    before, after = (flatten_paths(theta["encoder"]) for theta in (theta_0, theta_1))
    moved = sum(float(np.sum(np.square(after[key] - before[key]))) for key in before)
    return float(np.sqrt(moved / sum(float(np.sum(np.square(leaf))) for leaf in before.values())))


def write_pair(model: str, images: int, steps: int, folder: Path) -> dict[str, Any]:
    """Write ``config.json``, the ends ``0`` and ``1``, and the sets of images; return facts."""
    from safetensors.numpy import save_file

    from wiseft_jax.clip.convert import to_hf
    from wiseft_jax.clip.load import config_settings
    from wiseft_jax.data.load import load_dataset

    size = model_config(model).vision_config.image_size
    write_jpegs(folder / "pretrain", PRETRAIN_IMAGES, size, shifted=True, seed=PRETRAIN_SEED)
    write_jpegs(folder / "train", TRAIN_IMAGES, size, shifted=False, seed=TRAIN_SEED)
    write_jpegs(folder / "test", images, size, shifted=True, seed=TEST_SEED)
    threads = len(os.sched_getaffinity(0))
    pretrain, train = (
        load_dataset(f"folder:{folder / name}", split="train", num_threads=threads)
        for name in ("pretrain", "train")
    )
    config, *ends = make_pair(model, steps, pretrain, train)
    (folder / "config.json").write_text(json.dumps(config_settings(config)))
    for alpha, theta in enumerate(ends):
        (folder / str(alpha)).mkdir()
        encoder = folder / str(alpha) / "model.safetensors"
        save_file(to_hf(theta["encoder"]), encoder, {"format": "pt"})
        np.savez(folder / str(alpha) / "head.npz", **theta["head"])
    size = sum(path.stat().st_size for path in (folder / "0").iterdir())
    return {"relative_distance": relative_distance(*ends), "model_mebibytes": size / 2**20}


if __name__ == "__main__":
    print(
        json.dumps(write_pair(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
    )
