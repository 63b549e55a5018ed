"""The device mesh and its shardings; the one place that knows how arrays are laid out."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from wiseft_jax.core.typing import PyTree

DATA_AXIS = "data"


def make_mesh(num_devices: int | None = None) -> Mesh:
    """Return a one-dimensional mesh with the axis ``data``.

    Axis types are ``Auto``: Flax modules don't carry the annotations that ``Explicit`` asks for.

    Args:
      num_devices: How many of this program's devices to use; all of them by default.
    """
    devices = jax.devices()[:num_devices]
    return jax.make_mesh(
        (len(devices),), (DATA_AXIS,), axis_types=(AxisType.Auto,), devices=devices
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of an array that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Return the sharding that splits the leading (batch) axis over ``data``."""
    return NamedSharding(mesh, PartitionSpec(DATA_AXIS))


def put_replicated(tree: PyTree, mesh: Mesh) -> PyTree:
    """Return ``tree`` on every device of ``mesh``, copied leaf by leaf from the host."""
    return jax.device_put(tree, replicated(mesh))


def put_batch(batch: PyTree, mesh: Mesh) -> PyTree:
    """Return the host arrays of ``batch`` on the devices, split along their first axis.

    The transfer is asynchronous. Each process gives its own share of the global batch.

    Raises:
      ValueError: If the batch size isn't divisible by the number of devices (JAX's message).
    """
    sharding = batch_sharding(mesh)
    if jax.process_count() == 1:
        return jax.device_put(batch, sharding)

    def place(array: Any) -> jax.Array:
        return jax.make_array_from_process_local_data(sharding, np.asarray(array))

    return jax.tree_util.tree_map(place, batch)


def round_up_to_devices(batch_size: int, mesh: Mesh) -> int:
    """Return the smallest multiple of the mesh's device count that is at least ``batch_size``."""
    return -(-batch_size // mesh.size) * mesh.size
