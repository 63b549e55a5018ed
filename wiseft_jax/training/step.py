"""One step of training, and one batch of validation, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int32

from wiseft_jax.core.gathering import split_over
from wiseft_jax.core.mesh import Layout, replicated, split_batch
from wiseft_jax.core.typing import Params, PyTree
from wiseft_jax.training.losses import cross_entropy, distillation
from wiseft_jax.training.mixed_batch import MixBatch
from wiseft_jax.training.penalties import find_start
from wiseft_jax.training.rates import drop_frozen
from wiseft_jax.training.state import TrainState, state_shardings

LogitsFn: TypeAlias = Callable[[Params, dict[str, Any]], Any]
"""``(trained parameters, batch) -> logits [B, K]``."""

LossFn: TypeAlias = Callable[..., tuple[Any, tuple[Any, Any]]]
"""``(trained parameters, batch) -> (loss, (hits, count))``, scalars; of distillation
``(trained parameters, batch, start)``, with the parameters that training starts from."""

Metrics: TypeAlias = dict[str, Any]
"""Scalars: ``loss``, ``hits``, ``count``, ``learning_rate``, ``grad_norm``, ``finite``."""

TrainStep: TypeAlias = Callable[[TrainState, dict[str, Any]], tuple[TrainState, Metrics]]


def classification_loss(logits_fn: LogitsFn, label_smoothing: float = 0.0) -> LossFn:
    """Return the mean cross-entropy of a batch, with its right answers and its size.

    The targets are ``batch["target"]`` (soft) where there are some, else the labels.
    """

    def loss_fn(params: Params, batch: dict[str, Any]) -> tuple[Any, tuple[Any, Any]]:
        return loss_of_logits(logits_fn(params, batch), batch, label_smoothing)

    return loss_fn


def distilled_loss(
    logits_fn: LogitsFn, label_smoothing: float, strength: float, temperature: float
) -> LossFn:
    """Return ``classification_loss`` plus a distillation from the start of training.

    Args:
      logits_fn: Of the trained parameters, and of the start.
      label_smoothing: Share of the uniform target.
      strength: Factor on ``losses.distillation``.
      temperature: Its temperature.
    """

    def loss_fn(params: Params, batch: dict[str, Any], start: Params) -> Any:
        logits = logits_fn(params, batch)
        loss, counts = loss_of_logits(logits, batch, label_smoothing)
        far = distillation(logits, logits_fn(start, batch), temperature, batch["mask"])
        return loss + strength * far, counts

    return loss_fn


def loss_of_logits(
    logits: Float[Array, "B K"], batch: dict[str, Any], label_smoothing: float
) -> tuple[Float[Array, ""], tuple[Int32[Array, ""], Int32[Array, ""]]]:
    """Return the mean cross-entropy of a batch's logits, and its right answers and size.

    Args:
      logits: Of the batch's images.
      batch: ``label``, ``mask``, and ``target`` where targets are soft.
      label_smoothing: Share of the uniform target.
    """
    labels = jnp.maximum(batch["label"], 0)  # -1 where the mask is 0
    loss = cross_entropy(logits, batch.get("target", labels), label_smoothing, batch["mask"])
    return loss, count_hits(logits, batch)


def take_step(
    optimizer: optax.GradientTransformation,
    schedule: Callable[[Any], Any],
    state: TrainState,
    loss: Any,
    counts: tuple[Any, Any],
    grads: Params,
) -> tuple[Params, PyTree, Metrics]:
    """Return the parameters and the optimizer's state after a step, and its metrics.

    Args:
      optimizer: What ``make_optimizer`` returns.
      schedule: What ``make_schedule`` returns; for the report alone.
      state: Before the step.
      loss: Of the batch.
      counts: Right answers, and how many count.
      grads: The gradient of the loss.
    """
    updates, opt = optimizer.update(grads, state.opt, state.params)
    params = optax.apply_updates(state.params, updates)
    grad_norm = optax.tree.norm(grads)
    metrics = {
        "loss": loss,
        "hits": counts[0],
        "count": counts[1],
        "learning_rate": schedule(state.step),
        "grad_norm": grad_norm,
        "finite": jnp.isfinite(loss) & jnp.isfinite(grad_norm),
    }
    return params, opt, metrics


def make_train_step(
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    schedule: Callable[[Any], Any],
    layout: Layout,
    *,
    accumulation_steps: int = 1,
    mix: MixBatch | None = None,
    factors: PyTree | None = None,
    with_start: bool = False,
) -> Any:
    """Return the compiled step: the loss over the whole batch, gradient, update.

    The state is donated and keeps its shardings; gradients are reduced to where their parameters
    live. Parameters come as arguments, never by closure (closed-over sharded arrays would run on
    one device).

    Args:
      loss_fn: What is minimised, as ``classification_loss`` returns it; a mean over the batch.
      optimizer: What ``make_optimizer`` returns.
      schedule: What ``make_schedule`` returns; for the report alone.
      layout: The mesh and the rules of the state; the batch is split over ``data`` and ``fsdp``.
      accumulation_steps: Parts of the batch that follow each other; their gradients add up to that
        of the whole batch, in float32.
      mix: What mixes the whole batch first, with soft targets; ``hits`` counts, of mixed images,
        those that are taken for their own label.
      factors: What ``learning_rate_factors`` returned; gradients of frozen parameters are dropped.
      with_start: Whether ``loss_fn`` also takes the start, which is in the optimizer's state.

    Returns:
      ``(state, batch) -> (state, metrics)``, jitted. ``hits`` of ``count`` is the exact training
      accuracy; ``grad_norm`` is taken before clipping; ``finite`` tells whether it and the loss
      are.
    """

    def shared_loss(
        params: Params, batch: dict[str, Any], total: Any, start: tuple[Any, ...]
    ) -> tuple[Any, Any]:
        with split_over(layout.mesh):
            loss, (hits, count) = loss_fn(params, batch, *start)
        if total is not None:  # a part of a batch: its share of the whole batch's mean
            loss = loss * count / jnp.maximum(total, 1)
        return loss, (hits, count)

    gradient = jax.value_and_grad(shared_loss, has_aux=True)

    def train_step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, Metrics]:
        if mix is not None:
            batch = mix(state.step, batch)
        start = (find_start(state.opt),) if with_start else ()
        if accumulation_steps == 1:
            (loss, counts), grads = gradient(state.params, batch, None, start)
        else:
            parts = split_batch(batch, accumulation_steps, layout.mesh)
            (loss, counts), grads = _sum_of_parts(gradient, state.params, parts, layout, start)
        grads = drop_frozen(grads, factors)
        grads = jax.lax.with_sharding_constraint(grads, layout.shardings(grads))
        params, opt, metrics = take_step(optimizer, schedule, state, loss, counts, grads)
        new = TrainState(state.step + 1, params, opt)
        return jax.lax.with_sharding_constraint(
            (new, metrics), (state_shardings(new, layout), replicated(layout.mesh))
        )

    return jax.jit(train_step, donate_argnums=0)


def _sum_of_parts(
    gradient: Callable[..., Any],
    params: Params,
    parts: dict[str, Any],
    layout: Layout,
    start: tuple[Params, ...],
) -> Any:
    """Return what ``gradient`` gives for a whole batch, from parts of it, one after the other."""
    total = jnp.sum(parts["mask"], dtype=jnp.int32)

    def add(sums: Any, part: dict[str, Any]) -> tuple[Any, None]:
        values, grads = gradient(params, part, total, start)
        grads = jax.lax.with_sharding_constraint(grads, layout.shardings(grads))
        return jax.tree_util.tree_map(jnp.add, sums, (values, grads)), None

    zero = jnp.zeros((), jnp.int32)
    nothing = jax.tree_util.tree_map(jnp.zeros_like, params)
    empty = ((jnp.zeros((), jnp.float32), (zero, zero)), nothing)
    return jax.lax.scan(add, empty, parts)[0]


def make_hit_counter(logits_fn: LogitsFn, mesh: Mesh) -> Callable[[Params, dict[str, Any]], Any]:
    """Return the compiled ``(params, batch) -> (hits, count)``, exact integers."""

    def count(params: Params, batch: dict[str, Any]) -> tuple[Any, Any]:
        with split_over(mesh):
            logits = logits_fn(params, batch)
        return count_hits(logits, batch)

    return jax.jit(count, out_shardings=replicated(mesh))


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
