"""The exact back-ends: what each does with one batch and a chunk of alphas.

``merge`` builds the model at each alpha and runs it. ``delta`` runs both ends' products side by
side, each row at an alpha of its own, and builds none. ``linear`` needs ends that differ in the
head alone: the features are those of one model, and logits are linear in alpha.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from wiseft_jax.clip.classifier import Classifier, head_logits
from wiseft_jax.clip.delta import delta_logits
from wiseft_jax.core.gathering import split_over
from wiseft_jax.core.mesh import Layout, alpha_sharding
from wiseft_jax.core.mesh_config import ALPHA_AXIS
from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.evaluation.invariant import hoist
from wiseft_jax.evaluation.merging import Shared, merged
from wiseft_jax.weights.interpolate import lerp

AtChunk: TypeAlias = Callable[[Any], PyTree]
"""``float32[chunk_size] -> outputs``, each with a leading axis of alphas."""


def run_used(at_chunk: AtChunk, alphas: Float[Array, "C S"], count: Any) -> PyTree:
    """Return the outputs of ``at_chunk`` for each chunk, one after another, inside a step.

    Args:
      at_chunk: What to run.
      alphas: C chunks of S alphas.
      count: How many of the C * S alphas are wanted; chunks beyond them are skipped and left zero.

    Returns:
      The outputs with a leading axis of C * S alphas.
    """
    chunks, size = alphas.shape

    def nothing(chunk: Any) -> PyTree:
        shapes = jax.eval_shape(at_chunk, chunk)
        return jax.tree_util.tree_map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def used_or_not(item: tuple[Any, Any]) -> PyTree:
        first, chunk = item
        return jax.lax.cond(first < count, at_chunk, nothing, chunk)

    first = jnp.arange(chunks, dtype=jnp.int32) * size
    stacked = jax.lax.map(used_or_not, (first, alphas))
    return jax.tree_util.tree_map(lambda x: x.reshape((-1, *x.shape[2:])), stacked)


@dataclasses.dataclass(frozen=True)
class Chunks:
    """What the back-ends are made from; hashable, as the compiled step is kept by it.

    Attributes:
      classifier: The model as a function of its parameters.
      layout: The devices.
      chunk_size: Alphas evaluated at once.
      shared: What is the same at both ends.
      finish: From logits ``[B, K]`` to the outputs that are kept.
    """

    classifier: Classifier
    layout: Layout
    chunk_size: int
    shared: Shared
    finish: Callable[[Any], PyTree]

    def merge(self, theta_0: Params, theta_1: Params, images: Any) -> AtChunk:
        """Merge the weights at each alpha and run the model; the chunk by vmap."""

        def outputs(theta: Params, images: Any) -> PyTree:
            return self.finish(self.classifier.logits(theta, images))

        return self.merge_for(outputs, theta_0, theta_1, images)

    def merge_for(
        self,
        outputs: Callable[[Params, Any], PyTree],
        theta_0: Params,
        theta_1: Params,
        images: Any,
    ) -> AtChunk:
        """Merge the weights at each alpha, for any function of parameters and images."""

        def at_alpha(alpha: Any, ends: tuple[Params, Params], images: Any) -> PyTree:
            theta = merged(*ends, alpha, self.shared, self.classifier.tower, self.layout)
            with split_over(self.layout.mesh):
                return outputs(theta, images)

        scalar = jnp.zeros((), jnp.float32)
        run = hoist(at_alpha, scalar, (theta_0, theta_1), images)
        over_alpha = ALPHA_AXIS if self.layout.mesh.shape[ALPHA_AXIS] > 1 else None

        def at_chunk(chunk: Any) -> PyTree:
            if over_alpha:
                chunk = jax.lax.with_sharding_constraint(chunk, alpha_sharding(self.layout.mesh))
            if self.chunk_size > 1:
                return jax.vmap(run, spmd_axis_name=over_alpha)(chunk)
            return jax.tree_util.tree_map(lambda x: x[None], run(chunk[0]))

        return at_chunk

    def delta(self, theta_0: Params, theta_1: Params, images: Any) -> AtChunk:
        """Repeat each image for every alpha of the chunk, and move each row by its own."""

        def at_chunk(chunk: Any) -> PyTree:
            # An image's copies stay together, and so on the device that has it.
            repeated = jnp.repeat(images, self.chunk_size, axis=0)
            alphas = jnp.tile(chunk, len(images))
            with split_over(self.layout.mesh):
                logits = delta_logits(
                    self.classifier, theta_0, theta_1, alphas, repeated, self.shared.canonical
                )
            apart = logits.reshape(len(images), self.chunk_size, -1)
            return jax.vmap(self.finish, in_axes=1)(apart)

        return at_chunk

    def linear(self, theta_0: Params, theta_1: Params, images: Any) -> AtChunk:
        """Take the features of ``theta_0``'s encoder and mix the logits of both heads."""
        with split_over(self.layout.mesh):
            features = self.classifier.features(theta_0, images)
            ends = [head_logits(theta["head"], features) for theta in (theta_0, theta_1)]
        start, end = ends
        return jax.vmap(lambda alpha: self.finish(lerp(start, end, alpha)))
