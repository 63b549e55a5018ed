"""The device mesh and its shardings; the one place that knows how arrays are laid out.

The mesh has three axes (``core.mesh_config``). A batch is split over ``data`` and ``fsdp``;
parameters are split over ``fsdp``, each leaf along its largest dimension that divides, and
optimizer moments as the parameters that they belong to; the alphas of a sweep over ``alpha``.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from wiseft_jax.core.errors import InputError, did_you_mean
from wiseft_jax.core.mesh_config import ALPHA_AXIS, AXES, DATA_AXIS, FSDP_AXIS, MeshConfig
from wiseft_jax.core.trees import flatten_paths, key_path
from wiseft_jax.core.typing import PyTree

logger = logging.getLogger(__name__)

BATCH_AXES = (DATA_AXIS, FSDP_AXIS)
_LISTED = 5


def make_mesh(
    num_devices: int | None = None, config: MeshConfig | None = None, devices: Any = None
) -> Mesh:
    """Return the mesh ``data x fsdp x alpha``.

    Axis types are ``Auto``: Flax modules don't carry the annotations that ``Explicit`` asks for.

    Args:
      num_devices: How many of the devices to use; all of them by default.
      config: The sizes of the axes; all devices on ``data`` by default.
      devices: Which devices, in place of all of the program's.

    Raises:
      InputError: If the sizes don't fit the number of devices.
    """
    devices = (jax.devices() if devices is None else list(devices))[:num_devices]
    sizes = (config or MeshConfig()).sizes(len(devices))
    return jax.make_mesh(sizes, AXES, axis_types=(AxisType.Auto,) * len(AXES), devices=devices)


@dataclasses.dataclass(frozen=True)
class Layout:
    """A mesh, and the rules by which trees of arrays are laid out on it.

    Attributes:
      mesh: The devices.
      config: The rules; its axis sizes are those of the mesh already.
    """

    mesh: Mesh
    config: MeshConfig = MeshConfig()

    @classmethod
    def of(cls, mesh: Layout | Mesh | MeshConfig | None) -> Layout:
        """Return the layout that a caller means: rules, a mesh with the default rules, or all
        devices on ``data``.
        """
        if isinstance(mesh, Layout):
            return mesh
        if isinstance(mesh, Mesh):
            return cls(mesh)
        config = MeshConfig() if mesh is None else mesh
        return cls(make_mesh(config=config), config)

    def for_training(self) -> Layout:
        """Return the same devices with those of ``alpha`` counted as ``data``."""
        devices = self.mesh.devices
        if devices.shape[2] == 1:
            return self
        folded = devices.transpose(0, 2, 1).reshape(-1, devices.shape[1], 1)
        mesh = Mesh(folded, AXES, axis_types=(AxisType.Auto,) * len(AXES))
        return dataclasses.replace(self, mesh=mesh)

    def shardings(self, tree: PyTree) -> PyTree:
        """Return the sharding of each leaf of a tree of parameters.

        Args:
          tree: Arrays or ``jax.ShapeDtypeStruct``.

        Raises:
          InputError: If an override names a dimension that the leaf can't be split along.
        """
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: NamedSharding(self.mesh, self.spec(key_path(path), leaf)), tree
        )

    def shardings_like(self, tree: PyTree, params: PyTree) -> PyTree:
        """Return the sharding of each leaf of an optimizer's state: that of its parameter.

        A leaf belongs to the parameter whose key path ends its own and whose shape it has; others
        (step counters) are replicated.

        Args:
          tree: Arrays or shapes, for example Adam's moments under ``0/mu`` and ``0/nu``.
          params: The parameters, or their shapes.
        """
        by_path = flatten_paths(params)

        def sharding(path: Any, leaf: Any) -> NamedSharding:
            parts = key_path(path).split("/")
            for start in range(len(parts)):
                name = "/".join(parts[start:])
                if name in by_path and by_path[name].shape == leaf.shape:
                    return NamedSharding(self.mesh, self.spec(name, leaf))
            return replicated(self.mesh)

        return jax.tree_util.tree_map_with_path(sharding, tree)

    def spec(self, path: str, leaf: Any) -> PartitionSpec:
        """Return how the leaf at a key path (``"a/b/c"``) is split."""
        size, shape = self.mesh.shape[FSDP_AXIS], tuple(leaf.shape)
        for pattern, dimension in self.config.parsed_overrides():
            if pattern.search(path):
                return _checked_spec(path, shape, dimension, size, pattern.pattern)
        if size == 1 or math.prod(shape) < self.config.min_shard_elements:
            return PartitionSpec()
        return largest_split(shape, size)

    def check(self, theta: PyTree) -> None:
        """Refuse overrides that fit no parameter, and say which large parameters stay whole.

        Args:
          theta: All parameters, in the tower's layout.

        Raises:
          InputError: If an override matches no key path, or can't be applied where it does.
        """
        leaves = flatten_paths(theta)
        for pattern, _ in self.config.parsed_overrides():
            if not any(pattern.search(path) for path in leaves):
                near = did_you_mean(pattern.pattern, leaves)
                raise InputError(
                    f"mesh.overrides: {pattern.pattern!r} matches no parameter.{near} Paths are"
                    f" those of the tower's own layout, for example {max(leaves, key=len)}"
                )
        specs = {path: self.spec(path, leaf) for path, leaf in leaves.items()}
        large = [
            path
            for path, leaf in leaves.items()
            if math.prod(leaf.shape) >= self.config.min_shard_elements and not specs[path]
        ]
        if large and self.mesh.shape[FSDP_AXIS] > 1:
            logger.info(
                "held whole by every device, though large: %s%s",
                ", ".join(large[:_LISTED]),
                f" and {len(large) - _LISTED} more" if len(large) > _LISTED else "",
            )

    def place(self, tree: PyTree) -> PyTree:
        """Return a host tree on the devices, leaf by leaf, each device its own part only.

        The arrays are new: donating them can't reach the host's.
        """
        return jax.tree_util.tree_map(_place, tree, self.shardings(tree))


def _checked_spec(
    path: str, shape: tuple[int, ...], dimension: int | None, size: int, pattern: str
) -> PartitionSpec:
    if dimension is None:
        return PartitionSpec()
    if not -len(shape) <= dimension < len(shape) or shape[dimension] % size:
        raise InputError(
            f"mesh.overrides: {pattern!r} splits dimension {dimension} of {path}, whose shape is"
            f" {shape}, over {size} devices: expected a dimension that {size} divides"
        )
    return _split(len(shape), dimension % len(shape)) if size > 1 else PartitionSpec()


def largest_split(shape: tuple[int, ...], size: int) -> PartitionSpec:
    """Return the split over ``fsdp`` of the largest dimension that ``size`` divides, or none."""
    fitting = [axis for axis, length in enumerate(shape) if length % size == 0]
    if not fitting:
        return PartitionSpec()
    return _split(len(shape), max(fitting, key=lambda axis: (shape[axis], axis)))


def _split(rank: int, axis: int) -> PartitionSpec:
    return PartitionSpec(*(FSDP_AXIS if index == axis else None for index in range(rank)))


def _place(leaf: Any, sharding: NamedSharding) -> jax.Array:
    host = np.asarray(leaf)
    # A copy of each slice: on a CPU a device's buffer may otherwise be the host's own memory.
    return jax.make_array_from_callback(
        host.shape, sharding, lambda index: np.array(host[index], copy=True)
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of an array that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Return the sharding that splits the leading (batch) axis over ``data`` and ``fsdp``."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def alpha_sharding(mesh: Mesh) -> NamedSharding:
    """Return the sharding that splits a leading axis of alphas over ``alpha``."""
    return NamedSharding(mesh, PartitionSpec(ALPHA_AXIS))


def num_batch_shards(mesh: Mesh) -> int:
    """Return into how many parts a batch is split."""
    return math.prod(mesh.shape[axis] for axis in BATCH_AXES)


def put_batch(batch: PyTree, mesh: Mesh) -> PyTree:
    """Return the host arrays of ``batch`` on the devices, split along their first axis.

    The transfer is asynchronous. Each process gives its own share of the global batch.

    Raises:
      ValueError: If the batch size isn't divisible by the number of parts (JAX's message).
    """
    sharding = batch_sharding(mesh)
    if jax.process_count() == 1:
        return jax.device_put(batch, sharding)

    def place(array: Any) -> jax.Array:
        return jax.make_array_from_process_local_data(sharding, np.asarray(array))

    return jax.tree_util.tree_map(place, batch)


def split_batch(batch: PyTree, parts: int, mesh: Mesh) -> PyTree:
    """Return a batch, inside ``jit``, as ``[parts, B / parts, ...]`` without moving a row.

    Part p holds rows p, p + parts, ... of what each device has, so all devices work on each part.

    Args:
      batch: Arrays of leading length B, a multiple of ``parts`` times the batch's shards.
      parts: How many.
      mesh: The devices.
    """
    sharding = NamedSharding(mesh, PartitionSpec(None, BATCH_AXES))

    def split(array: jax.Array) -> jax.Array:
        rows = array.reshape(-1, parts, *array.shape[1:]).swapaxes(0, 1)
        return jax.lax.with_sharding_constraint(rows, sharding)

    return jax.tree_util.tree_map(split, batch)


def process_share(mesh: Mesh) -> dict[str, int]:
    """Return which rows of a batch this process makes, as arguments of the data pipeline.

    Processes whose devices hold the same parts of the batch (they differ along ``alpha``) make the
    same rows.

    Raises:
      InputError: If processes would hold overlapping, unequal shares.
    """
    parts = mesh.devices.reshape(num_batch_shards(mesh), -1)
    shares: dict[int, set[int]] = {}
    for part, devices in enumerate(parts):
        for device in devices:
            shares.setdefault(device.process_index, set()).add(part)
    distinct = sorted({tuple(sorted(share)) for share in shares.values()})
    if sum(map(len, distinct)) != len(parts) or len({len(share) for share in distinct}) > 1:
        raise InputError(
            "mesh: the processes' devices hold unequal shares of a batch; give an alpha axis that"
            " divides the number of devices of a process, or is a multiple of it"
        )
    own = tuple(sorted(shares[jax.process_index()]))
    return {"process_index": distinct.index(own), "process_count": len(distinct)}


def to_host(tree: PyTree) -> PyTree:
    """Return arrays on the devices as host arrays of their own, whole, in every process.

    With several processes it is a collective: all of them must call it. One leaf at a time is
    gathered, so that a device holds no more than one leaf whole.
    """

    def read(leaf: Any) -> np.ndarray:
        if isinstance(leaf, jax.Array) and not (
            leaf.is_fully_addressable or leaf.is_fully_replicated
        ):
            from jax.experimental import multihost_utils

            return np.array(multihost_utils.process_allgather(leaf, tiled=True))
        return np.array(leaf)

    return jax.tree_util.tree_map(read, tree)


def round_up_to_devices(batch_size: int, mesh: Mesh) -> int:
    """Return the smallest multiple of the batch's parts that is at least ``batch_size``."""
    parts = num_batch_shards(mesh)
    return -(-batch_size // parts) * parts
