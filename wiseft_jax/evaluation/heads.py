"""Heads that are made of a merged text tower: once for each alpha, before any image is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.two_towers import HEADS, PLACE, TwoTowerClassifier
from wiseft_jax.core.typing import Params
from wiseft_jax.weights.interpolate import lerp


def head_between(classifier: TwoTowerClassifier) -> Callable[..., Params]:
    """Return ``(text_0, text_1, alpha) -> head`` of the text tower merged at ``alpha``.

    Args:
      classifier: The model.
    """

    def head(start: Params, end: Params, alpha: Any) -> Params:
        return classifier.head(lerp(start, end, alpha))

    return head


def shapes_with_heads(theta: Params, head: Params, num_alphas: int) -> Params:
    """Return the shapes of an end as ``with_heads`` returns it.

    Args:
      theta: ``{"encoder", "text"}``, as ``jax.ShapeDtypeStruct``.
      head: One head, likewise.
      num_alphas: A.
    """
    heads = {
        name: jax.ShapeDtypeStruct((num_alphas, *leaf.shape), leaf.dtype)
        for name, leaf in head.items()
    }
    heads["alphas"] = jax.ShapeDtypeStruct((num_alphas,), np.float32)
    return {
        "encoder": theta["encoder"],
        HEADS: heads,
        PLACE: jax.ShapeDtypeStruct((), np.float32),
    }


def with_heads(
    classifier: Classifier, theta_0: Params, theta_1: Params, alphas: Sequence[float]
) -> tuple[Params, Params]:
    """Return both ends with the heads of all alphas in the place of the text tower.

    Prompts are embedded A times in all, however many batches follow. ``TwoTowerClassifier.logits``
    takes the head whose alpha is nearest to that of the merged tree, so the ends are for these
    alphas alone. Ends that have a head are returned as they are.

    Args:
      classifier: The model.
      theta_0: The end at alpha = 0.
      theta_1: The end at alpha = 1.
      alphas: A of them: all that will be asked for.

    Returns:
      ``(theta_0, theta_1)``: ``{"encoder", "heads": {"alphas": float32[A], "kernel":
      float32[A, D, K], "bias": float32[A, K]}, "at": float32[]}``; ``heads`` is the same in both,
      ``at`` is 0 and 1.
    """
    if not isinstance(classifier, TwoTowerClassifier) or "text" not in theta_0:
        return theta_0, theta_1

    compiled = jax.jit(head_between(classifier))
    made = [
        jax.device_get(compiled(theta_0["text"], theta_1["text"], np.float32(alpha)))
        for alpha in alphas
    ]
    heads = jax.tree_util.tree_map(lambda *each: np.stack(each), *made)
    heads["alphas"] = np.asarray(alphas, np.float32)
    start, end = (
        {"encoder": theta["encoder"], HEADS: heads, PLACE: np.asarray(at, np.float32)}
        for theta, at in ((theta_0, 0.0), (theta_1, 1.0))
    )
    return start, end
