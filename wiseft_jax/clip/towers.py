"""The two towers as pure functions ``(params, x) -> features``, over transformers' Flax module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, UInt8

from wiseft_jax.core.preprocess import Preprocess
from wiseft_jax.core.typing import Params

VISION_KEYS = ("vision_model", "visual_projection")
TEXT_KEYS = ("text_model", "text_projection", "logit_scale")


def image_features(
    module: Any, params: Params, pixels: Float[Array | np.ndarray, "B H W 3"]
) -> Float32[Array, "B D"]:
    """Return the projected features of images, not L2-normalised.

    Args:
      module: transformers' ``FlaxCLIPModule``.
      params: A tree with at least ``vision_model`` and ``visual_projection``.
      pixels: ``float[B, H, W, 3]``, normalised by the model's mean and standard deviation.

    Returns:
      ``float32[B, D]``, whatever the module computes in.
    """

    def encode(module: Any, pixels: Any) -> Any:
        pooled = module.vision_model(pixel_values=pixels, deterministic=True)[1]
        return module.visual_projection(pooled)

    return _apply(module, params, VISION_KEYS, encode, pixels)


def text_features(
    module: Any,
    params: Params,
    ids: Int[Array | np.ndarray, "B T"],
    mask: Int[Array | np.ndarray, "B T"],
) -> Float32[Array, "B D"]:
    """Return the projected features of tokenised texts, not L2-normalised.

    The features are those at the end-of-text token: the first one, or, with the legacy
    ``eos_token_id`` 2, the place of the largest id.

    Args:
      module: transformers' ``FlaxCLIPModule``.
      params: A tree with at least ``text_model`` and ``text_projection``.
      ids: Token ids, ``int[B, T]``; T is at most the model's context length.
      mask: 1 for tokens that count, 0 for padding.

    Returns:
      ``float32[B, D]``.
    """

    def encode(module: Any, ids: Any, mask: Any) -> Any:
        positions = jnp.broadcast_to(jnp.arange(ids.shape[1])[None], ids.shape)
        pooled = module.text_model(ids, mask, positions, deterministic=True)[1]
        return module.text_projection(pooled)

    return _apply(module, params, ("text_model", "text_projection"), encode, ids, mask)


def l2_normalise(features: Float[Array | np.ndarray, "*B D"]) -> Float[Array, "*B D"]:
    """Return ``x / ||x||`` along the last axis; like CLIP, without an epsilon."""
    return jnp.asarray(features) / jnp.linalg.norm(features, axis=-1, keepdims=True)


def normalise_pixels(
    images: UInt8[Array | np.ndarray, "B H W 3"] | Float[Array | np.ndarray, "B H W 3"],
    preprocess: Preprocess,
) -> Float32[Array, "B H W 3"]:
    """Return ``(images / 255 - mean) / std``; runs inside the compiled function.

    Args:
      images: RGB in 0..255, ``uint8`` or floating.
      preprocess: The mean and standard deviation.
    """
    mean = jnp.asarray(preprocess.mean, jnp.float32).reshape(1, 1, 1, 3)
    std = jnp.asarray(preprocess.std, jnp.float32).reshape(1, 1, 1, 3)
    return (jnp.asarray(images, jnp.float32) / 255 - mean) / std


def _apply(
    module: Any, params: Params, keys: tuple[str, ...], encode: Callable[..., Any], *inputs: Any
) -> Array:
    # The module declares logit_scale whichever tower runs, so it must be given one.
    tower = {"logit_scale": np.zeros((), np.float32), **{key: params[key] for key in keys}}
    arrays = (jnp.asarray(value) for value in inputs)
    return module.apply({"params": tower}, *arrays, method=encode).astype(jnp.float32)
