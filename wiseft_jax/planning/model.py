"""The model of a plan: its configuration and the shapes of its parameters, never its weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from wiseft_jax.clip.classifier import Classifier, head_shapes, shapes_of
from wiseft_jax.clip.embed import padded_width
from wiseft_jax.clip.hub import EMBEDDED_DIRECTORY
from wiseft_jax.clip.load import make_tower, published_config, read_config, read_tokenizer
from wiseft_jax.clip.prompts import resolve_templates
from wiseft_jax.clip.towers import TEXT_KEYS, VISION_KEYS
from wiseft_jax.clip.two_towers import TwoTowerClassifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import Params
from wiseft_jax.experiment import ModelConfig
from wiseft_jax.planning.model_files import find_config


def abstract_classifier(
    config: ModelConfig,
    num_classes: int,
    *,
    two_towers: bool = False,
    num_tokens: int | None = None,
) -> tuple[Classifier, Params]:
    """Return a classifier without weights, and the shapes of its ``theta``.

    Args:
      config: Which model; a directory's or hub id's ``config.json`` is all that is read of it.
      num_classes: Width of the head.
      two_towers: Whether the text tower is in ``theta`` in place of a head.
      num_tokens: Of its longest text; None: as many as the model reads.

    Raises:
      InputError: If there is no such model, no CLIP can be built from its configuration, or it
        reads no text of so many tokens.
    """
    sizes = model_config(config.name)
    if config.image_size is not None:
        sizes.vision_config.image_size = config.image_size
    tower = make_tower(sizes, config.compute_dtype, config.tower, config.remat)
    template = tower.template()
    encoder = shapes_of(template, VISION_KEYS)
    size = sizes.vision_config.image_size
    facts: dict[str, Any] = {
        "tower": tower,
        "templates": (),
        "preprocess": Preprocess(size=size, resize=size),
        "clip_config": sizes,
        # A plan tokenises nothing; the embedded model's stands in.
        "tokenizer": read_tokenizer(EMBEDDED_DIRECTORY, sizes.text_config.max_position_embeddings),
        "source": config.name,
        "frozen": {},
    }
    if not two_towers:
        head = head_shapes(sizes.projection_dim, num_classes)
        return Classifier(**facts, class_names=()), {"encoder": encoder, "head": head}
    prompts = num_classes * len(resolve_templates(config.templates))
    nothing = np.zeros((prompts, _width(sizes.text_config, num_tokens)), np.int32)
    classifier = TwoTowerClassifier(
        **facts,
        class_names=tuple(map(str, range(num_classes))),
        prompt_ids=nothing,
        prompt_mask=nothing,
    )
    return classifier, {"encoder": encoder, "text": shapes_of(template, TEXT_KEYS)}


def _width(sizes: Any, num_tokens: int | None) -> int:
    """Return how many tokens the rows of texts have."""
    context = sizes.max_position_embeddings
    if num_tokens is None:
        return context
    if not 2 < num_tokens <= context:
        raise InputError(
            f"--tokens: expected 3 to {context}, which is all that this model reads of a text,"
            f" found {num_tokens}"
        )
    return padded_width(num_tokens, context)


def model_config(name: str) -> Any:
    """Return the ``CLIPConfig`` of a model's name: embedded, architecture, directory, hub id.

    Raises:
      InputError: If it is none of them, or its ``config.json`` can't be read.
    """
    directory = find_config(name)
    return published_config(name) if directory is None else read_config(directory)
