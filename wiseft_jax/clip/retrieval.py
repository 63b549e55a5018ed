"""Retrieval over features: which images fit a text, and how well each text fits an image."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int64

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.softmax import softmax


def cosine_similarities(
    images: Float[np.ndarray, "N D"], texts: Float[np.ndarray, "K D"]
) -> Float32[np.ndarray, "N K"]:
    """Return the cosine of every image with every text, in [-1, 1].

    Args:
      images: Image features, for example from ``embed_images``.
      texts: Text features, for example from ``embed_texts``.
    """
    return (_unit(images) @ _unit(texts).T).clip(-1, 1)


def text_probabilities(
    similarities: Float[np.ndarray, "N K"], logit_scale: float
) -> Float32[np.ndarray, "N K"]:
    """Return ``softmax_k(exp(logit_scale) * cosine)``: each row sums to 1 over the texts.

    Args:
      similarities: Cosines.
      logit_scale: The model's parameter, the logarithm of the temperature's inverse.
    """
    logits = np.exp(np.float64(logit_scale)) * similarities.astype(np.float64)
    return softmax(logits).astype(np.float32)


def rank_images(
    similarities: Float[np.ndarray, " N"], top: int | None = None
) -> Int64[np.ndarray, " M"]:
    """Return the indices of the images that fit a text best, best first; ties in input order.

    Args:
      similarities: One column of ``cosine_similarities``.
      top: How many; None for all.

    Example:
      >>> rank_images(np.float32([0.1, 0.3, 0.2]), top=2)
      array([1, 2])
    """
    if top is not None and top < 1:
        raise InputError(f"top is {top}; expected at least 1.")
    return np.argsort(-similarities, kind="stable")[:top].astype(np.int64)


def _unit(features: Float[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    values = features.astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)
