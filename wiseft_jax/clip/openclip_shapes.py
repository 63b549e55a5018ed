"""The sizes of an OpenCLIP model from the shapes of its weights, where no configuration lies by."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

from wiseft_jax.clip.architectures import ARCHITECTURES
from wiseft_jax.clip.hub import OPENCLIP_CONFIG
from wiseft_jax.clip.openclip import clip_settings, plain_names
from wiseft_jax.clip.reading import Reading, option_text
from wiseft_jax.core.errors import InputError

_log = logging.getLogger(__name__)


def settings_of_shapes(
    tensors: Mapping[str, Any],
    source: str,
    reading: Reading,
    base: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of a ``config.json`` for OpenCLIP's tensors.

    Shapes tell everything but the number of heads, which is that of the base, or else of the
    published CLIP, of the same width and depth, and the activation: what ``reading`` says, else
    QuickGELU if the name has ``quickgelu`` in it, else the base's, else it is refused, since a
    wrong one costs accuracy and nothing would tell.

    Args:
      tensors: Name -> array or shape.
      source: The file to name.
      reading: Its ``activation``.
      base: The ``config.json`` of the CLIP whose text side is taken, if one is.

    Raises:
      InputError: Names what can't be told.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in plain_names(tensors).items()}
    activation = _activation(source, reading, base)
    try:
        vision = _vision(shapes, source, base)
        projection = shapes["visual.proj"][1]
        text = dict(base["text_config"]) if base else _text(shapes, source)
    except (KeyError, IndexError) as error:
        raise InputError(
            f"{source}: {error.args[0]} is missing or not of OpenCLIP's shape, so the model's sizes"
            f" can't be told; put {OPENCLIP_CONFIG} beside it, or, for an image tower alone, give"
            f" the CLIP that it came from ({option_text('base')})."
        ) from error
    settings = clip_settings(vision, text, projection, activation)
    if base:
        settings["text_config"] = text
    return settings


def _vision(
    shapes: Mapping[str, tuple[int, ...]], source: str, base: Mapping[str, Any] | None
) -> dict[str, int]:
    width, _, patch, _ = shapes["visual.conv1.weight"]
    grid = math.isqrt(shapes["visual.positional_embedding"][0] - 1)
    if grid * grid + 1 != shapes["visual.positional_embedding"][0]:
        raise InputError(
            f"{source}: visual.positional_embedding has {shapes['visual.positional_embedding'][0]}"
            " rows; expected one more than a square."
        )
    layers = _layers(shapes, "visual.transformer.resblocks")
    return {
        "hidden_size": width,
        "intermediate_size": shapes["visual.transformer.resblocks.0.mlp.c_fc.weight"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": _base_heads(width, layers, base)
        or _heads("image", width, layers, source),
        "patch_size": patch,
        "image_size": grid * patch,
    }


def _text(shapes: Mapping[str, tuple[int, ...]], source: str) -> dict[str, int]:
    vocabulary, width = shapes["token_embedding.weight"]
    layers = _layers(shapes, "transformer.resblocks")
    return {
        "hidden_size": width,
        "intermediate_size": shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": _heads("text", width, layers, source),
        "max_position_embeddings": shapes["positional_embedding"][0],
        "vocab_size": vocabulary,
    }


def _layers(shapes: Mapping[str, Any], prefix: str) -> int:
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.ln_1\.weight")
    return sum(pattern.fullmatch(name) is not None for name in shapes)


def _base_heads(width: int, layers: int, base: Mapping[str, Any] | None) -> int | None:
    tower = base["vision_config"] if base else {}
    if (tower.get("hidden_size"), tower.get("num_hidden_layers")) == (width, layers):
        return int(tower["num_attention_heads"])
    return None


def _heads(tower: str, width: int, layers: int, source: str) -> int:
    for name, known in ARCHITECTURES.items():
        sizes = known.vision if tower == "image" else known.text
        if (sizes.width, sizes.layers) == (width, layers):
            _log.info(
                "%s: no %s; the %s tower (width %d, %d layers) has %d heads, as in %s",
                source, OPENCLIP_CONFIG, tower, width, layers, sizes.heads, name,
            )  # fmt: skip
            return sizes.heads
    raise InputError(
        f"{source}: its {tower} tower (width {width}, {layers} layers) is in no published CLIP, so"
        f" its number of heads can't be told; put {OPENCLIP_CONFIG} beside it."
    )


def _activation(source: str, reading: Reading, base: Mapping[str, Any] | None) -> str:
    if reading.activation != "auto":
        activation, why = str(reading.activation), "as asked for"
    elif "quickgelu" in "/".join(source.split("/")[-2:]).lower():
        activation, why = "quick_gelu", "by its name"
    elif base:
        activation, why = str(base["vision_config"]["hidden_act"]), "the base's"
    else:
        raise InputError(
            f"{source}: nothing says whether its activation is GELU or QuickGELU, and weights don't"
            " tell. Give quick_gelu (OpenAI's models, and those named quickgelu) or gelu (LAION's)"
            f" ({option_text('activation')}), or put {OPENCLIP_CONFIG} beside it."
        )
    _log.info("%s: OpenCLIP's layout, activation %s (%s)", source, activation, why)
    return activation
