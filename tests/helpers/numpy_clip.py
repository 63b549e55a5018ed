"""CLIP's two towers in NumPy, float64, from the paper and PyTorch's tensor layout: an oracle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Tensors = Mapping[str, np.ndarray]

Change = Callable[[str, int, np.ndarray], np.ndarray]
"""``(place, layer, value) -> value``, to note what stands at a place, or to put something else
there: ``"attention_input"`` and ``"output"`` [B, T, D], ``"attention"`` [B, N, T, T]."""


def as_it_is(place: str, layer: int, value: np.ndarray) -> np.ndarray:
    """Change nothing."""
    return value


def image_features(
    tensors: Tensors, config: Mapping[str, Any], pixels: np.ndarray, change: Change = as_it_is
) -> np.ndarray:
    """Return the projected features of normalised NHWC pixels, ``[B, D]``."""
    vision = config["vision_config"]
    patch, width = vision["patch_size"], vision["hidden_size"]
    batch, height, _, _ = pixels.shape
    side = height // patch
    blocks = pixels.reshape(batch, side, patch, side, patch, 3).transpose(0, 1, 3, 5, 2, 4)
    kernel = tensors["vision_model.embeddings.patch_embedding.weight"].reshape(width, -1)
    patches = blocks.reshape(batch, side * side, -1).astype(np.float64) @ kernel.T
    start = np.tile(tensors["vision_model.embeddings.class_embedding"], (batch, 1, 1))
    x = np.concatenate([start, patches], axis=1)
    x = x + tensors["vision_model.embeddings.position_embedding.weight"]
    x = _norm(tensors, "vision_model.pre_layrnorm", x)
    x = _encoder(tensors, "vision_model", vision, x, causal=False, change=change)
    pooled = _norm(tensors, "vision_model.post_layernorm", x[:, 0])
    return pooled @ tensors["visual_projection.weight"].T


def text_features(tensors: Tensors, config: Mapping[str, Any], ids: np.ndarray) -> np.ndarray:
    """Return the projected features at the end-of-text token, the largest id, ``[B, D]``."""
    x = tensors["text_model.embeddings.token_embedding.weight"][ids].astype(np.float64)
    x = x + tensors["text_model.embeddings.position_embedding.weight"][: ids.shape[1]]
    x = _encoder(tensors, "text_model", config["text_config"], x, causal=True)
    x = _norm(tensors, "text_model.final_layer_norm", x)
    return x[np.arange(len(ids)), ids.argmax(1)] @ tensors["text_projection.weight"].T


def _encoder(
    tensors: Tensors,
    tower: str,
    settings: Mapping[str, Any],
    x: np.ndarray,
    *,
    causal: bool,
    change: Change = as_it_is,
) -> np.ndarray:
    batch, length, width = x.shape
    heads = settings["num_attention_heads"]
    banned = np.triu(np.full((length, length), -np.inf), 1) if causal else 0.0
    for layer in range(settings["num_hidden_layers"]):
        prefix = f"{tower}.encoder.layers.{layer}"
        y = change("attention_input", layer, _norm(tensors, f"{prefix}.layer_norm1", x))
        q, k, v = (
            _linear(tensors, f"{prefix}.self_attn.{name}_proj", y)
            .reshape(batch, length, heads, -1)
            .transpose(0, 2, 1, 3)
            for name in "qkv"
        )
        scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(width // heads) + banned
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        attended = change("attention", layer, weights / weights.sum(-1, keepdims=True)) @ v
        merged = attended.transpose(0, 2, 1, 3).reshape(batch, length, width)
        x = x + _linear(tensors, f"{prefix}.self_attn.out_proj", merged)
        y = _linear(tensors, f"{prefix}.mlp.fc1", _norm(tensors, f"{prefix}.layer_norm2", x))
        x = x + _linear(tensors, f"{prefix}.mlp.fc2", _activation(settings["hidden_act"], y))
        x = change("output", layer, x)
    return x


def _linear(tensors: Tensors, name: str, x: np.ndarray) -> np.ndarray:
    return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def _norm(tensors: Tensors, name: str, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def _activation(name: str, x: np.ndarray) -> np.ndarray:
    if name == "quick_gelu":
        return x / (1 + np.exp(-1.702 * x))
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
