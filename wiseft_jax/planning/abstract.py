"""Estimate a train step from its trace alone: for devices that no compiler is at hand for.

FLOPs are exact. The rest is arithmetic on shapes and shardings, and says so:

- memory: parameters, optimizer state and gradients by their shardings, exactly; activations are
  what ``jax.vjp`` of the loss keeps for a device's share of the images (rematerialisation is
  honoured, fusion is not, so it is an upper estimate); the widest single operation is added;
- memory traffic: operands and results of matrix products, and the optimizer's reads and writes;
- collectives: by the sharding rules (``planning.collectives``);
- of contrastive recipes, a device's rows of the table of all pairs (``planning.pairs``).
"""

from __future__ import annotations

import math
import time

import jax
import jax.numpy as jnp

from wiseft_jax.core.mesh import num_batch_shards
from wiseft_jax.core.mesh_config import DATA_AXIS, FSDP_AXIS
from wiseft_jax.core.typing import PyTree
from wiseft_jax.planning.collectives import training_collectives
from wiseft_jax.planning.counts import Counts, merge_collectives
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.jaxpr import count_jaxpr, saved_for_backward
from wiseft_jax.planning.pairs import gathered_texts, pair_collectives, rows_of_pairs
from wiseft_jax.planning.steps import Job, trace_train_step
from wiseft_jax.training.state import abstract_state

_STATE_TRAFFIC = 2.0
"""The update reads and writes parameters and optimizer state once."""


def shard_bytes(tree: PyTree) -> int:
    """Return the bytes of a tree on one device.

    Args:
      tree: ``jax.ShapeDtypeStruct`` with shardings.
    """
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree_util.tree_leaves(tree)
    )


def abstract_train_facts(job: Job) -> StepFacts:
    """Return what a train step needs, estimated from its trace."""
    begun = time.monotonic()
    plan, layout = job.plan, job.layout.for_training()
    parts = job.config.training.accumulation_steps
    traced = count_jaxpr(trace_train_step(job).jaxpr)
    state = abstract_state(job.trained, job.optimizer, layout)
    shards = num_batch_shards(layout.mesh)
    local = max(plan.batch_size // (shards * parts), 1)
    rows, own = (rows_of_pairs(job, local, size) for size in (plan.batch_size, local))
    saved = saved_for_backward(job.loss, job.trained, job.batch(local, None))
    one_part = jax.make_jaxpr(jax.grad(job.loss))(job.trained, job.batch(local, None))
    params = shard_bytes(state.params)
    held = params + shard_bytes(state.opt)
    batch = sum(
        math.prod(leaf.shape) * leaf.dtype.itemsize
        for leaf in jax.tree_util.tree_leaves(job.batch(local * parts, None))
    )
    memory = {
        "parameters": params,
        "optimizer": shard_bytes(state.opt),
        "gradients": params * (2 if parts > 1 else 1),
        "activations": saved.num_bytes - round(own.num_bytes),
        "widest operation": max(saved.widest, round(rows.widest)),
        "batch": batch,
    }
    if job.trains_text:
        gathered = gathered_texts(job, plan.batch_size, shards)
        memory["table of pairs"] = round(rows.num_bytes) + gathered
    moved = count_jaxpr(one_part).num_bytes * parts + _STATE_TRAFFIC * held + 2 * params
    moved += rows.traffic - own.traffic
    sizes = layout.mesh.shape
    collectives = training_collectives(
        split_leaves(state.params), sizes[DATA_AXIS], sizes[FSDP_AXIS], parts, compute_itemsize(job)
    )
    collectives = merge_collectives([*collectives, *pair_collectives(job, plan.batch_size, shards)])
    return StepFacts(
        step="train",
        method="abstract",
        images=plan.batch_size,
        passes=1,
        counts=Counts(traced.flops / layout.mesh.size, moved, collectives),
        traced_flops=traced.flops,
        memory=memory,
        largest=(saved.largest,),
        seconds=time.monotonic() - begun,
    )


def compute_itemsize(job: Job) -> int:
    """Return the bytes of a number in the dtype that the towers compute in."""
    return jnp.dtype(job.config.model.compute_dtype).itemsize


def split_leaves(params: PyTree) -> tuple[tuple[int, bool], ...]:
    """Return ``(bytes, whether it is split over devices)`` of each parameter.

    Args:
      params: ``jax.ShapeDtypeStruct`` with shardings.
    """
    return tuple(
        (math.prod(leaf.shape) * leaf.dtype.itemsize, FSDP_AXIS in leaf.sharding.spec)
        for leaf in jax.tree_util.tree_leaves(params)
    )
