"""Make the memory model of a job, by tracing it with one image and with two."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax.sharding import Mesh

from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.mesh_config import AXES
from wiseft_jax.core.typing import Remat
from wiseft_jax.planning.abstract import shard_bytes, split_leaves
from wiseft_jax.planning.jaxpr import count_jaxpr, saved_for_backward
from wiseft_jax.planning.memory_model import Activations, MemoryModel, State
from wiseft_jax.planning.pairs import rows_of_pairs
from wiseft_jax.planning.steps import Job
from wiseft_jax.training.state import abstract_state


def trace_memory(jobs: dict[Remat, Job], splits: Sequence[int]) -> MemoryModel:
    """Return the memory model of a job.

    Args:
      jobs: The same job by each choice of rematerialisation that its tower has.
      splits: Numbers of devices that may split the parameters.
    """
    job = next(iter(jobs.values()))
    states, leaves = {}, {}
    for fsdp in splits:
        states[fsdp], leaves[fsdp] = _state(job, fsdp)
    two, one = (
        sum(leaf.size * leaf.dtype.itemsize for leaf in job.batch(count, None).values())
        for count in (2, 1)
    )
    activations = {remat: _activations(each) for remat, each in jobs.items()}
    accumulates = not job.trains_text  # the loss is over all pairs of a batch
    return MemoryModel(dict(activations), states, leaves, two - one, accumulates)


def _state(job: Job, fsdp: int) -> tuple[State, tuple[tuple[int, bool], ...]]:
    devices = job.layout.mesh.devices.reshape(-1)[:fsdp]
    layout = Layout(Mesh(devices.reshape(1, fsdp, 1), AXES), job.config.mesh)
    state = abstract_state(job.trained, job.optimizer, layout)
    held = State(shard_bytes(state.params), shard_bytes(state.opt))
    return held, split_leaves(state.params)


def _activations(job: Job) -> Activations:
    kept, moved, flops = [], [], []
    whole = job.plan.batch_size
    for count in (1, 2):
        batch = job.batch(count, None)
        saved = saved_for_backward(job.loss, job.trained, batch)
        rows, own = (rows_of_pairs(job, count, size) for size in (whole, count))
        kept.append(saved.num_bytes + saved.widest + rows.num_bytes - own.num_bytes)
        counted = count_jaxpr(jax.make_jaxpr(jax.grad(job.loss))(job.trained, batch))
        moved.append(counted.num_bytes + rows.traffic - own.traffic)
        flops.append(counted.flops + rows.flops - own.flops)
    return Activations(
        fixed=max(2 * kept[0] - kept[1], 0),
        per_image=kept[1] - kept[0],
        flops_per_image=flops[1] - flops[0],
        traffic_fixed=max(2 * moved[0] - moved[1], 0),
        traffic_per_image=moved[1] - moved[0],
    )
