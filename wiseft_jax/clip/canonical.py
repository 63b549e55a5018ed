"""The canonical tree of parameters: Hugging Face's names, Flax's leaves, as shapes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from wiseft_jax.core.typing import Params, PyTree


def canonical_template(config: Any) -> PyTree:
    """Return the shapes of a CLIP's parameters; nothing is computed or allocated.

    Args:
      config: transformers' ``CLIPConfig``.

    Raises:
      ValueError: If attention's heads don't divide its width.
    """
    text, vision, out = config.text_config, config.vision_config, config.projection_dim
    patch, width = vision.patch_size, vision.hidden_size
    positions = (vision.image_size // patch) ** 2 + 1
    return {
        "logit_scale": _shape(),
        "text_model": {
            "embeddings": {
                "position_embedding": _embedding(text.max_position_embeddings, text.hidden_size),
                "token_embedding": _embedding(text.vocab_size, text.hidden_size),
            },
            "encoder": _encoder(text),
            "final_layer_norm": _norm(text.hidden_size),
        },
        "text_projection": {"kernel": _shape(text.hidden_size, out)},
        "vision_model": {
            "embeddings": {
                "class_embedding": _shape(width),
                "patch_embedding": {"kernel": _shape(patch, patch, vision.num_channels, width)},
                "position_embedding": _embedding(positions, width),
            },
            "encoder": _encoder(vision),
            "post_layernorm": _norm(width),
            "pre_layrnorm": _norm(width),  # transformers spells it so
        },
        "visual_projection": {"kernel": _shape(width, out)},
    }


def _encoder(settings: Any) -> Params:
    width, hidden, heads = (
        settings.hidden_size,
        settings.intermediate_size,
        settings.num_attention_heads,
    )
    if width % heads:
        raise ValueError(f"hidden_size {width} can't be split into {heads} heads")
    attention = {f"{name}_proj": _linear(width, width) for name in ("q", "k", "v", "out")}
    layer = {
        "layer_norm1": _norm(width),
        "layer_norm2": _norm(width),
        "mlp": {"fc1": _linear(width, hidden), "fc2": _linear(hidden, width)},
        "self_attn": attention,
    }
    return {"layers": {str(index): layer for index in range(settings.num_hidden_layers)}}


def _linear(width: int, out: int) -> Params:
    return {"kernel": _shape(width, out), "bias": _shape(out)}


def _norm(width: int) -> Params:
    return {"scale": _shape(width), "bias": _shape(width)}


def _embedding(count: int, width: int) -> Params:
    return {"embedding": _shape(count, width)}


def _shape(*sizes: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, jnp.float32)
