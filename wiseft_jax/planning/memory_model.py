"""How memory depends on the choices that a plan may change: an arithmetic model, made by tracing.

For images a device at a time b, parts of an accumulated batch p, a split over f devices, and what
is rematerialised r::

    bytes = parameters(f) + optimizer(f) + gradients(f) * (2 if p > 1 else 1)
            + fixed(r) + per_image(r) * b + pixels * b * p

``fixed`` and ``per_image`` come from traces with 1 and 2 images. Fusion isn't known to a trace, so
the activations are too large; a compiled step calibrates them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import Mesh

from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.mesh_config import AXES
from wiseft_jax.core.typing import Remat
from wiseft_jax.planning.abstract import shard_bytes, split_leaves
from wiseft_jax.planning.jaxpr import count_jaxpr, saved_for_backward
from wiseft_jax.planning.steps import Job
from wiseft_jax.training.optimizer import make_optimizer
from wiseft_jax.training.state import abstract_state


@dataclasses.dataclass(frozen=True)
class Activations:
    """What the backward pass of a device needs, by one choice of rematerialisation.

    Attributes:
      fixed: Bytes whatever the number of images, for example parameters in the compute dtype.
      per_image: Bytes of each image.
      flops_per_image: Of forward and backward pass.
      traffic_fixed: Bytes that a pass reads and writes, whatever the number of images.
      traffic_per_image: And of each image.
    """

    fixed: float
    per_image: float
    flops_per_image: float
    traffic_fixed: float
    traffic_per_image: float


@dataclasses.dataclass(frozen=True)
class State:
    """Bytes of the training state on a device, for one number of devices that split it."""

    parameters: int
    optimizer: int


@dataclasses.dataclass(frozen=True)
class MemoryModel:
    """The model of one training step.

    Attributes:
      activations: By rematerialisation.
      states: By devices that split the parameters.
      leaves: ``(bytes, whether it is split)`` of each parameter, by devices that split them.
      pixels: Bytes of one image of a batch.
    """

    activations: dict[str, Activations]
    states: dict[int, State]
    leaves: dict[int, tuple[tuple[int, bool], ...]]
    pixels: int

    def num_bytes(self, local: int, parts: int, fsdp: int, remat: str, scale: float = 1.0) -> float:
        """Return the bytes on a device.

        Args:
          local: Images of a device at a time.
          parts: Parts of an accumulated batch.
          fsdp: Devices that split parameters.
          remat: What is rematerialised.
          scale: What a compiled step needs of the gradients and activations that are predicted.
        """
        state, kept = self.states[fsdp], self.activations[remat]
        gradients = state.parameters * (2 if parts > 1 else 1)
        passing = gradients + kept.fixed + kept.per_image * local
        return state.parameters + state.optimizer + scale * passing + self.pixels * local * parts

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; ``from_json`` is the inverse."""
        return {
            "activations": {key: dataclasses.asdict(v) for key, v in self.activations.items()},
            "states": {str(key): dataclasses.asdict(v) for key, v in self.states.items()},
            "leaves": {str(key): [list(leaf) for leaf in v] for key, v in self.leaves.items()},
            "pixels": self.pixels,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> MemoryModel:
        """Return the model that ``to_json`` gave."""
        return cls(
            {key: Activations(**each) for key, each in value["activations"].items()},
            {int(key): State(**each) for key, each in value["states"].items()},
            {
                int(key): tuple((size, bool(split)) for size, split in leaves)
                for key, leaves in value["leaves"].items()
            },
            value["pixels"],
        )


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
    return MemoryModel(dict(activations), states, leaves, two - one)


def _state(job: Job, fsdp: int) -> tuple[State, tuple[tuple[int, bool], ...]]:
    devices = job.layout.mesh.devices.reshape(-1)[:fsdp]
    layout = Layout(Mesh(devices.reshape(1, fsdp, 1), AXES), job.config.mesh)
    state = abstract_state(job.trained, make_optimizer(job.config.training, job.plan), layout)
    held = State(shard_bytes(state.params), shard_bytes(state.opt))
    return held, split_leaves(state.params)


def _activations(job: Job) -> Activations:
    kept, moved, flops = [], [], []
    for count in (1, 2):
        batch = job.batch(count, None)
        saved = saved_for_backward(job.loss, job.trained, batch)
        kept.append(saved.num_bytes + saved.widest)
        counted = count_jaxpr(jax.make_jaxpr(jax.grad(job.loss))(job.trained, batch))
        moved.append(counted.num_bytes)
        flops.append(counted.flops)
    return Activations(
        fixed=max(2 * kept[0] - kept[1], 0),
        per_image=kept[1] - kept[0],
        flops_per_image=flops[1] - flops[0],
        traffic_fixed=max(2 * moved[0] - moved[1], 0),
        traffic_per_image=moved[1] - moved[0],
    )
