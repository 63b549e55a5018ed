"""The model of a plan: its configuration and the shapes of its parameters, never its weights."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.hub import EMBEDDED_DIRECTORY
from wiseft_jax.clip.load import make_tower, published_config, read_config, read_tokenizer
from wiseft_jax.clip.towers import VISION_KEYS
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import Params
from wiseft_jax.experiment import ModelConfig
from wiseft_jax.planning.model_files import find_config


def abstract_classifier(config: ModelConfig, num_classes: int) -> tuple[Classifier, Params]:
    """Return a classifier without weights, and the shapes of its ``theta``.

    Args:
      config: Which model; a directory's or hub id's ``config.json`` is all that is read of it.
      num_classes: Width of the head.

    Raises:
      InputError: If there is no such model, or no CLIP can be built from its configuration.
    """
    sizes = model_config(config.name)
    if config.image_size is not None:
        sizes.vision_config.image_size = config.image_size
    tower = make_tower(sizes, config.compute_dtype, config.tower, config.remat)
    template = tower.template()
    width = sizes.projection_dim
    theta = {
        "encoder": {key: template[key] for key in VISION_KEYS},
        "head": {
            "kernel": jax.ShapeDtypeStruct((width, num_classes), jnp.float32),
            "bias": jax.ShapeDtypeStruct((num_classes,), jnp.float32),
        },
    }
    size = sizes.vision_config.image_size
    classifier = Classifier(
        tower=tower,
        class_names=(),
        templates=(),
        preprocess=Preprocess(size=size, resize=size),
        clip_config=sizes,
        # A plan tokenises nothing; the embedded model's stands in.
        tokenizer=read_tokenizer(EMBEDDED_DIRECTORY, sizes.text_config.max_position_embeddings),
        source=config.name,
        frozen={},
    )
    return classifier, theta


def model_config(name: str) -> Any:
    """Return the ``CLIPConfig`` of a model's name: embedded, architecture, directory, hub id.

    Raises:
      InputError: If it is none of them, or its ``config.json`` can't be read.
    """
    directory = find_config(name)
    return published_config(name) if directory is None else read_config(directory)
