"""Where parameters that are split over devices come together: product by product, in the model.

Left to itself XLA keeps split parameters where they are and gathers the activations of the whole
batch in their place: compiled for 8 TPU chips, two scanned layers of a ViT-B took 8 times the
memory and a third more FLOPs. A model that says here what it multiplies is laid out as fully
sharded data parallelism means it: rows stay where they are; a kernel is gathered, in the precision
that it is used in, when its product runs, and again in the backward pass; its gradient, a float32
sum over the batch, goes back to where the kernel lives. Rajbhandari et al. 2020, "ZeRO" (arXiv
1910.02054), stage 3.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding

from wiseft_jax.core.mesh import batch_sharding, largest_split, replicated
from wiseft_jax.core.mesh_config import FSDP_AXIS
from wiseft_jax.core.typing import PyTree

_mesh: contextvars.ContextVar[Mesh | None] = contextvars.ContextVar("mesh", default=None)


@contextlib.contextmanager
def split_over(mesh: Mesh) -> Iterator[None]:
    """Trace what is inside for parameters and batches that are split over a mesh.

    Args:
      mesh: The devices; where ``fsdp`` is 1 nothing changes.
    """
    token = _mesh.set(mesh if mesh.shape[FSDP_AXIS] > 1 else None)
    try:
        yield
    finally:
        _mesh.reset(token)


def split_mesh() -> Mesh | None:
    """Return the mesh that parameters are split over, inside ``split_over``; else None."""
    return _mesh.get()


def keep_rows(x: Any) -> Any:
    """Return activations ``[B, ...]`` with each device's rows where they are."""
    mesh = _mesh.get()
    return x if mesh is None else jax.lax.with_sharding_constraint(x, batch_sharding(mesh))


def gather(params: PyTree) -> PyTree:
    """Return parameters whole on every device, from here to the end of the backward pass."""
    return gathered(_mesh.get(), params)


def gathered(mesh: Mesh | None, array: Any) -> Any:
    """Return arrays whole on every device of a mesh; as they are without one."""
    return array if mesh is None else jax.lax.with_sharding_constraint(array, replicated(mesh))


def scattered(mesh: Mesh | None, gradient: Any) -> Any:
    """Return the gradient of a kernel split as the kernel is, by the rule of ``core.mesh``.

    Where an override lays the kernel out otherwise the step moves its gradient once more.
    """
    if mesh is None:
        return gradient
    spec = largest_split(gradient.shape, mesh.shape[FSDP_AXIS])
    return jax.lax.with_sharding_constraint(gradient, NamedSharding(mesh, spec))
