"""Where parameters that are split over devices come together: layer by layer, in the model.

Left to itself XLA keeps the parameters of a scanned layer where they are and gathers the
activations of the whole batch in their place: compiled for 8 TPU chips, two layers of a ViT-B took
8 times the memory and a third more FLOPs. A model that names its layers' inputs here is laid out as
fully sharded data parallelism means it: rows stay where they are, a layer's parameters are gathered
when it runs, its gradients scattered. Rajbhandari et al. 2020, "ZeRO" (arXiv 1910.02054).
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import jax
from jax.sharding import Mesh

from wiseft_jax.core.mesh import batch_sharding, replicated
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


def keep_rows(x: Any) -> Any:
    """Return activations ``[B, ...]`` with each device's rows where they are."""
    mesh = _mesh.get()
    return x if mesh is None else jax.lax.with_sharding_constraint(x, batch_sharding(mesh))


def gather(params: PyTree) -> PyTree:
    """Return the parameters of a layer, whole on every device; inside its rematerialisation."""
    mesh = _mesh.get()
    return params if mesh is None else jax.lax.with_sharding_constraint(params, replicated(mesh))
