"""The models of the train-on x test-on study: trained once, kept on disk, asked for answers."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from wiseft_jax.core.config_io import read_json
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.tensors import read_tensors, write_tensors
from wiseft_jax.core.writers import write_json
from wiseft_jax.data.source import Dataset
from wiseft_jax.studies.backgrounds_train_config import ARCHITECTURES, Cell, MatrixConfig
from wiseft_jax.studies.backgrounds_train_data import MatrixData

logger = logging.getLogger(__name__)

MODELS_DIR = "models"
_ORIGIN = ".origin.json"
_AT_ONCE = 250
_SMALLEST_AS_IT_IS = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Kind:
    """What all models of a family share.

    Attributes:
      preprocess: Of their images.
      answers: ``(parameters, images) -> labels``, compiled.
      weights: Where they start, in words, with the hash of what was read.
      train: ``(cell, images) -> parameters``.
      read: ``(path) -> parameters``, or None where none are stored.
      write: ``(path, parameters)``.
      start: Parameters to be tested as they are, and ``answers`` of them; None where there are
        none, or their classes are others.
    """

    preprocess: Preprocess
    answers: Callable[[Any, Any], Any]
    weights: str
    train: Callable[[Cell, Dataset], Any]
    read: Callable[[Path], Any]
    write: Callable[[Path, Any], None]
    start: tuple[Any, Callable[[Any, Any], Any]] | None


def make_kinds(config: MatrixConfig, data: MatrixData) -> dict[str, Kind]:
    """Return what is needed to train and ask the models, by family.

    Args:
      config: The study.
      data: Its images.
    """
    made = {"resnet": _resnets, "clip": _clips}
    return {name: made[name](config, data) for name in config.families}


def trained(cell: Cell, kind: Kind, data: MatrixData, directory: Path) -> Any:
    """Return a model's parameters: read if they are stored in ``directory``, else trained.

    Args:
      cell: Which one.
      kind: Its family.
      data: The images.
      directory: The study's.

    Raises:
      InputError: What is stored was trained on other images, or from other weights.
    """
    path = directory / MODELS_DIR / cell.name
    origin_file = path.with_name(f"{cell.name}{_ORIGIN}")
    images = data.training_set(cell.train_on, cell.seed)
    origin = {"trained_on": images.fingerprint(), "started_from": kind.weights}
    if origin_file.is_file():  # it is written last
        if read_json(origin_file) != origin:
            raise InputError(
                f"{path}: was trained on other images than today's, or from other weights; give"
                " the same data, --limit and weights, another --out, or --overwrite"
            )
        theta = kind.read(path)
        if theta is not None:
            return theta
    theta = kind.train(cell, images)
    kind.write(path, theta)
    write_json(origin_file, origin)
    return theta


def answer(
    answers: Callable[[Any, Any], Any], theta: Any, dataset: Dataset, preprocess: Preprocess
) -> Int[np.ndarray, " N"]:
    """Return the label that a model gives each image.

    Args:
      answers: ``(parameters, images) -> labels``; sees one shape.
      theta: The parameters.
      dataset: The images; those of the model's size are fed as they are (``preprocess_of``).
      preprocess: How they are prepared.
    """
    import jax

    from wiseft_jax.backgrounds.feeding import preprocess_of
    from wiseft_jax.data.pipeline import eval_batches

    placed = jax.device_put(theta)
    size = min(_AT_ONCE, len(dataset))
    found = []
    fed = preprocess_of(dataset, preprocess)
    with contextlib.closing(eval_batches(dataset, fed, batch_size=size)) as batches:
        for batch in batches:
            labels = np.asarray(answers(placed, batch["image"]), np.int32)
            found.append(labels[batch["index"] >= 0])
    return np.concatenate(found)


def _resnets(config: MatrixConfig, data: MatrixData) -> Kind:
    import jax

    from wiseft_jax.clip.resnet import SMALL, make_resnet, with_new_head
    from wiseft_jax.clip.resnet_files import load_resnet, save_resnet
    from wiseft_jax.core.trees import hash_tree
    from wiseft_jax.training.from_scratch import train_from_scratch

    count = len(data.class_names)
    begin: Any = None
    start = None
    if config.resnet is None:
        size = _side(next(iter(data.tests.values())))
        settings = ARCHITECTURES[config.architecture] or SMALL
        enlarged = size if size >= _SMALLEST_AS_IT_IS else None
        resnet = make_resnet(count, Preprocess(size, size), settings, enlarged)
        weights = f"random, {config.architecture}, {size} x {size} pixels"
    else:
        published, variables, names = load_resnet(config.resnet)
        start = _as_it_is(config.resnet, published, variables, names, data)
        resnet, begin = with_new_head(published, variables, count)
        weights = f"{config.resnet} ({hash_tree(variables)}), a new head"

    def train(cell: Cell, images: Dataset) -> Any:
        return train_from_scratch(
            resnet,
            images,
            config.training(cell),
            class_names=data.class_names,
            start=begin,
            sgd=config.resnet_optimizer.sgd,
        )

    def read(path: Path) -> Any:
        return load_resnet(path)[1] if (path / "config.json").is_file() else None

    def write(path: Path, variables: Any) -> None:
        save_resnet(path, resnet, variables, data.class_names)

    answers = jax.jit(lambda theta, images: resnet.logits(theta, images).argmax(-1))
    return Kind(resnet.preprocess, answers, weights, train, read, write, start)


def _as_it_is(
    path: str, resnet: Any, variables: Any, names: tuple[str, ...], data: MatrixData
) -> tuple[Any, Callable[[Any, Any], Any]] | None:
    """Return how a published ResNet answers: the study's classes, or ImageNet's by the map."""
    import jax

    from wiseft_jax.backgrounds.class_folders import class_key
    from wiseft_jax.backgrounds.in9 import IMAGENET_CLASSES, IMAGENET_TO_IN9, IN9_CLASSES

    if [*map(class_key, names)] == [*map(class_key, data.class_names)]:
        return variables, jax.jit(lambda theta, images: resnet.logits(theta, images).argmax(-1))
    if len(names) == IMAGENET_CLASSES and data.class_names == IN9_CLASSES:
        logger.info("%s: its thousand classes are mapped to ImageNet-9 after the arg max", path)
        table = np.asarray(IMAGENET_TO_IN9)
        return variables, jax.jit(
            lambda theta, images: jax.numpy.asarray(table)[resnet.logits(theta, images).argmax(-1)]
        )
    logger.warning(
        "%s: its %d classes are neither the study's nor ImageNet's with ImageNet-9's images: it is"
        " trained from, but not tested as it is",
        path,
        len(names),
    )
    return None


def _clips(config: MatrixConfig, data: MatrixData) -> Kind:
    import jax

    from wiseft_jax.backgrounds.predictors import weights_text
    from wiseft_jax.clip.config import ModelConfig, load_model
    from wiseft_jax.clip.two_towers import settled
    from wiseft_jax.core.trees import flatten_paths, unflatten_paths
    from wiseft_jax.training.config import TWO_TOWER_RECIPES
    from wiseft_jax.training.fine_tune import fine_tune

    asked = config.clip
    chosen = ModelConfig(asked.model, asked.templates, **dataclasses.asdict(asked.reading))
    two_towers = config.recipe in TWO_TOWER_RECIPES
    classifier, theta_0 = load_model(chosen, data.words, two_towers=two_towers)
    plain, start = settled(classifier, theta_0)

    def train(cell: Cell, images: Dataset) -> Any:
        named = dataclasses.replace(images, class_names=classifier.class_names)
        theta = fine_tune(classifier, theta_0, named, None, config.training(cell))
        return settled(classifier, theta)[1]

    def read(path: Path) -> Any:
        file = path.with_name(f"{path.name}.safetensors")
        return unflatten_paths(read_tensors(file)) if file.is_file() else None

    def write(path: Path, theta: Any) -> None:
        write_tensors(path.with_name(f"{path.name}.safetensors"), flatten_paths(theta))

    answers = jax.jit(lambda theta, images: plain.logits(theta, images).argmax(-1))
    prompts = f"{len(data.words)} prompts ({asked.templates})"
    weights = f"{weights_text(classifier.source, start)}, {prompts}"
    return Kind(classifier.preprocess, answers, weights, train, read, write, (start, answers))


def _side(dataset: Dataset) -> int:
    """Return the shorter side of a set's first image: what ResNets from random weights take."""
    from wiseft_jax.data.pipeline import load_image

    if not len(dataset):
        raise InputError(f"{dataset.name}: there are no images in it")
    return min(load_image(dataset, 0).size)
