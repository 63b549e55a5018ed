"""What coefficients are fitted by: a loss with labels, or one without."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.gathering import split_over
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.typing import Params
from wiseft_jax.training.losses import cross_entropy


def softmax_entropy(logits: Float[Array, "B K"]) -> Float32[Array, " B"]:
    """Return the entropy of each row's softmax, in nats, >= 0; computed in float32.

    Minimised on unlabelled images of a target: Wang et al. 2021, "Tent" (arXiv 2006.10726),
    equation 1; for mixing coefficients Yang et al. 2024, "AdaMerging" (arXiv 2310.02575).

    Args:
      logits: Unnormalised scores.

    Example:
      >>> float(softmax_entropy(jnp.zeros((1, 4)))[0])  # log 4
      1.3862943649291992
    """
    log_p = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
    # A class of probability 0 adds nothing, even where its logit is -inf.
    return -jnp.sum(jnp.where(jnp.isneginf(log_p), 0.0, jnp.exp(log_p) * log_p), axis=-1)


def _labelled(logits: Any, batch: dict[str, Any]) -> Any:
    return cross_entropy(logits, jnp.maximum(batch["label"], 0), weights=batch["mask"])


def _unlabelled(logits: Any, batch: dict[str, Any]) -> Any:
    mask = batch["mask"]
    total = jnp.sum(jnp.where(mask, softmax_entropy(logits), 0.0))
    return total / jnp.maximum(jnp.sum(mask, dtype=jnp.float32), 1.0)


@dataclasses.dataclass(frozen=True)
class ObjectiveSpec:
    """One objective.

    Attributes:
      summary: What it is, in words.
      mean: ``(logits [B, K], batch) -> mean over the examples whose mask is on``, float32.
      needs_labels: Whether it reads ``label``; if not, the batch has none.
    """

    summary: str
    mean: Callable[[Any, dict[str, Any]], Any]
    needs_labels: bool

    def batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the part of a host batch that the objective may see."""
        names = ("image", "mask", "label") if self.needs_labels else ("image", "mask")
        return {name: batch[name] for name in names}

    def summed(
        self, classifier: Classifier, layout: Layout, theta: Params, batch: dict[str, Any]
    ) -> tuple[Float32[Array, ""], Any]:
        """Return the sum over a batch on the devices, and how many examples are in it.

        Args:
          classifier: The model.
          layout: The devices.
          theta: The parameters, in the tower's layout.
          batch: What ``batch`` returns, split over the devices.
        """
        theta = jax.lax.with_sharding_constraint(theta, layout.shardings(theta))
        with split_over(layout.mesh):
            logits = classifier.logits(theta, batch["image"])
        count = jnp.sum(batch["mask"], dtype=jnp.int32)
        return self.mean(logits, batch) * count, count


OBJECTIVES: dict[str, ObjectiveSpec] = {
    "cross_entropy": ObjectiveSpec("cross-entropy with the labels", _labelled, True),
    "entropy": ObjectiveSpec("entropy of the softmax, without labels", _unlabelled, False),
}
"""Name -> what is minimised."""
