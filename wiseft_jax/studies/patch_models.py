"""The models of the patch study: trained once, kept on disk, asked for logits and maps."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.experiment import ExperimentConfig, ExperimentData, load_model
from wiseft_jax.studies.patch_config import Cell, PatchConfig
from wiseft_jax.training.config import TrainConfig

logger = logging.getLogger(__name__)

MODELS_DIR = "models"
WARMUP = 0.1
_AT_ONCE = 250

Saliency: TypeAlias = Callable[[Any, Any, Any, Any], Any]
"""``(classifier, theta, images [B, S, S, 3], classes [B]) -> maps [B, h, w]`` of a CLIP."""


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """What all models of a kind share.

    Attributes:
      model: A ``Classifier`` or a ``ResNet``.
      theta_0: The zero-shot parameters; None for what starts from random ones.
      logits: ``(parameters, images) -> logits``, compiled.
      maps: ``(parameters, images, classes) -> maps``, compiled.
      train: ``(cell) -> parameters``.
      read: ``(path) -> parameters``, or None where none are stored.
      write: ``(path, parameters)``.
    """

    model: Any
    theta_0: Any
    logits: Callable[[Any, Any], Any]
    maps: Callable[[Any, Any, Any], Any]
    train: Callable[[Cell], Any]
    read: Callable[[Path], Any]
    write: Callable[[Path, Any], None]


@dataclasses.dataclass(frozen=True)
class Subject:
    """One trained model.

    Attributes:
      cell: Which one.
      family: Its kind.
      theta: Its parameters, host arrays.
    """

    cell: Cell
    family: Family
    theta: Any

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32[N, K] for uint8[N, S, S, 3]."""
        return in_batches(lambda part: self.family.logits(self.theta, part), images)

    def maps(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return raw maps float32[N, h, w] of a class for each image."""
        return in_batches(
            lambda part, of: self.family.maps(self.theta, part, of), images, np.asarray(classes)
        )


def make_families(
    config: PatchConfig,
    experiment: ExperimentConfig,
    data: ExperimentData,
    saliency: Saliency | None = None,
) -> dict[str, Family]:
    """Return what is needed to train and ask the models, by the name of their kind.

    The ResNet gets the images as the CLIP does: of the same size, mean and standard deviation.

    Args:
      config: The study.
      experiment: Names the CLIP, and says how images are read.
      data: The images.
      saliency: The maps of a CLIP; Grad-CAM on tokens by default.
    """
    classifier, theta_0 = load_model(experiment.model, data.class_names)
    made = {
        "resnet": lambda: _resnets(config, experiment, data, classifier.preprocess),
        "clip": lambda: _clips(config, experiment, data, classifier, theta_0, saliency),
    }
    return {name: made[name]() for name in config.families}


def train_config(config: PatchConfig, cell: Cell) -> TrainConfig:
    """Return how a model is trained: models of a kind and seed differ in the mixing alone."""
    rates = {"resnet": config.resnet_learning_rate, "clip": config.clip_learning_rate}
    return TrainConfig(
        learning_rate=rates[cell.family],
        epochs=config.epochs,
        batch_size=config.batch_size,
        weight_decay=config.weight_decay,
        warmup_fraction=WARMUP,
        seed=cell.seed,
        eval_every_epochs=None,
    )


def trained(cell: Cell, family: Family, directory: Path) -> Subject:
    """Return the model of a cell: read if it is stored in ``directory``, else trained and stored.

    Args:
      cell: Which one.
      family: Its kind.
      directory: The study's.
    """
    path = directory / MODELS_DIR / cell.name
    theta = family.read(path)
    if theta is None:
        theta = family.train(cell)
        family.write(path, theta)
    return Subject(cell, family, theta)


def in_batches(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    """Return ``function`` of arrays' rows, a part at a time; the last is filled up and cut.

    Args:
      function: Rows -> rows; sees one shape.
      *arrays: Of as many rows each, at least one.
    """
    count = len(arrays[0])
    size = min(_AT_ONCE, count)
    found = []
    for start in range(0, count, size):
        parts = [array[start : start + size] for array in arrays]
        missing = size - len(parts[0])
        filled = [np.concatenate([part, part[-1:].repeat(missing, 0)]) for part in parts]
        found.append(np.asarray(function(*filled), np.float32)[: size - missing])
    return np.concatenate(found)


def _resnets(
    config: PatchConfig, experiment: ExperimentConfig, data: ExperimentData, preprocess: Any
) -> Family:
    import jax

    from wiseft_jax.clip.resnet import make_resnet
    from wiseft_jax.clip.resnet_files import load_resnet, save_resnet
    from wiseft_jax.training.from_scratch import train_from_scratch

    resnet = make_resnet(len(data.class_names), preprocess)

    def train(cell: Cell) -> Any:
        return train_from_scratch(
            resnet,
            data.train,
            train_config(config, cell),
            mixing=cell.mixing,
            mesh=experiment.mesh,
            num_threads=experiment.data.num_threads,
        )

    def read(path: Path) -> Any:
        return load_resnet(path)[1] if (path / "config.json").is_file() else None

    def write(path: Path, variables: Any) -> None:
        save_resnet(path, resnet, variables, data.class_names)

    maps = jax.jit(resnet.class_activation_map)
    return Family(resnet, None, jax.jit(resnet.logits), maps, train, read, write)


def _clips(
    config: PatchConfig,
    experiment: ExperimentConfig,
    data: ExperimentData,
    classifier: Any,
    theta_0: Any,
    saliency: Saliency | None,
) -> Family:
    import functools

    import jax

    from wiseft_jax.core.trees import flatten_paths, unflatten_paths
    from wiseft_jax.training.fine_tune import fine_tune

    def train(cell: Cell) -> Any:
        return fine_tune(
            classifier,
            theta_0,
            data.train,
            None,
            train_config(config, cell),
            mesh=experiment.mesh,
            num_threads=experiment.data.num_threads,
            mixing=cell.mixing,
        )

    def read(path: Path) -> Any:
        file = path.with_suffix(".safetensors")
        return unflatten_paths(read_tensors(file)) if file.is_file() else None

    def write(path: Path, theta: Any) -> None:
        write_tensors(path.with_suffix(".safetensors"), flatten_paths(theta))

    maps = functools.partial(saliency or grad_cam_maps, classifier)
    return Family(classifier, theta_0, jax.jit(classifier.logits), maps, train, read, write)


def grad_cam_maps(classifier: Any, theta: Any, images: Any, classes: Any) -> Any:
    """Return Grad-CAM on the tokens of a CLIP's image tower, of the cosine with a class.

    Args:
      classifier: The CLIP.
      theta: Its parameters.
      images: RGB in 0..255.
      classes: A class for each image.
    """
    from wiseft_jax.clip.saliency import class_directions, saliency_maps

    directions = class_directions(theta["head"], classes)
    facts = classifier.tower, classifier.preprocess, theta["encoder"]
    return saliency_maps("grad_cam", *facts, images, directions)
