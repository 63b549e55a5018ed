"""One step of training, and one batch of validation, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int32

from wiseft_jax.core.mesh import batch_sharding, replicated
from wiseft_jax.core.typing import Params
from wiseft_jax.training.losses import cross_entropy
from wiseft_jax.training.state import TrainState

LogitsFn: TypeAlias = Callable[[Params, dict[str, Any]], Any]
"""``(trained parameters, batch) -> logits [B, K]``."""

Metrics: TypeAlias = dict[str, Any]
"""Scalars: ``loss``, ``hits``, ``count``, ``learning_rate``, ``grad_norm``, ``finite``."""

TrainStep: TypeAlias = Callable[[TrainState, dict[str, Any]], tuple[TrainState, Metrics]]


def make_train_step(
    logits_fn: LogitsFn,
    optimizer: optax.GradientTransformation,
    schedule: Callable[[Any], Any],
    mesh: Mesh,
    *,
    label_smoothing: float = 0.0,
) -> TrainStep:
    """Return the compiled step: cross-entropy over the whole batch, gradient, update.

    The state is donated. Parameters come as arguments, never by closure (closed-over sharded arrays
    would run on one device).

    Args:
      logits_fn: The model.
      optimizer: What ``make_optimizer`` returns.
      schedule: What ``make_schedule`` returns; for the report alone.
      mesh: The batch is split over its ``data`` axis, the state lives whole on every device.
      label_smoothing: Share of the uniform target.

    Returns:
      ``(state, batch) -> (state, metrics)``. ``hits`` of ``count`` is the exact training accuracy;
      ``grad_norm`` is taken before clipping; ``finite`` tells whether it and the loss are.
    """

    def loss_fn(params: Params, batch: dict[str, Any]) -> tuple[Any, Any]:
        logits = logits_fn(params, batch)
        labels = jnp.maximum(batch["label"], 0)  # -1 where the mask is 0
        loss = cross_entropy(logits, labels, label_smoothing, batch["mask"])
        return loss, count_hits(logits, batch)

    def train_step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, Metrics]:
        gradient = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, (hits, count)), grads = gradient(state.params, batch)
        updates, opt = optimizer.update(grads, state.opt, state.params)
        params = optax.apply_updates(state.params, updates)
        grad_norm = optax.tree.norm(grads)
        metrics = {
            "loss": loss,
            "hits": hits,
            "count": count,
            "learning_rate": schedule(state.step),
            "grad_norm": grad_norm,
            "finite": jnp.isfinite(loss) & jnp.isfinite(grad_norm),
        }
        return TrainState(state.step + 1, params, opt), metrics

    return jax.jit(
        train_step,
        donate_argnums=0,
        in_shardings=(replicated(mesh), batch_sharding(mesh)),
        out_shardings=replicated(mesh),
    )


def make_hit_counter(logits_fn: LogitsFn, mesh: Mesh) -> Callable[[Params, dict[str, Any]], Any]:
    """Return the compiled ``(params, batch) -> (hits, count)``, exact integers."""

    def count(params: Params, batch: dict[str, Any]) -> tuple[Any, Any]:
        return count_hits(logits_fn(params, batch), batch)

    return jax.jit(
        count,
        in_shardings=(replicated(mesh), batch_sharding(mesh)),
        out_shardings=replicated(mesh),
    )


def count_hits(
    logits: Float[Array, "B K"], batch: dict[str, Any]
) -> tuple[Int32[Array, ""], Int32[Array, ""]]:
    """Return how many examples are right, and how many count.

    Args:
      logits: The scores of each class.
      batch: ``label`` int32[B] and ``mask`` bool[B]; where the mask is off nothing counts.
    """
    right = (jnp.argmax(logits, axis=-1) == batch["label"]) & batch["mask"]
    return jnp.sum(right, dtype=jnp.int32), jnp.sum(batch["mask"], dtype=jnp.int32)
