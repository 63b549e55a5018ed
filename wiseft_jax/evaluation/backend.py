"""Which back-end a sweep uses, and why: what differs between the ends, the devices, memory.

How many alphas at once is ``evaluation.calibration``'s to time. All back-ends agree within float
rounding, so a choice changes no result beyond that: on float32 logits by at most 1e-4, on
predictions only where the margin is below 2e-4. The choice is part of the result, and asking for it
by name and chunk gives the same bits again.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.delta import same_paths
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.mesh_config import ALPHA_AXIS
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.engine import BACKENDS, EngineConfig
from wiseft_jax.evaluation.merging import Shared, find_shared

logger = logging.getLogger(__name__)

_LISTED = 5


@dataclasses.dataclass(frozen=True)
class BackendChoice:
    """How a sweep was computed.

    Attributes:
      name: The back-end.
      chunk_size: Alphas evaluated at once.
      reason: Why.
    """

    name: str
    chunk_size: int
    reason: str


def shared_of(backend: str, classifier: Classifier, theta_0: Params, theta_1: Params) -> Shared:
    """Return what two ends share, as far as the back-end needs to know.

    Raises:
      InputError: If the back-end is unknown, or ``"linear"`` and the encoders differ (names the
        leaves).
    """
    shared = find_shared(theta_0, theta_1)
    check_backend(backend, theta_0, shared)
    if backend == "delta":
        paths = same_paths(classifier.tower, theta_0, theta_1)
        return dataclasses.replace(shared, canonical=paths)
    return shared


def check_backend(backend: str, theta_0: Params, shared: Shared) -> None:
    """Refuse a back-end that two ends rule out.

    Args:
      backend: A name.
      theta_0: One end; arrays or ``jax.ShapeDtypeStruct``.
      shared: What both share.

    Raises:
      InputError: As ``shared_of``.
    """
    if backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    moved = [path for path in flatten_paths(theta_0["encoder"]) if not _is_shared(path, shared)]
    if backend == "linear" and moved:
        more = f" and {len(moved) - _LISTED} more" if len(moved) > _LISTED else ""
        raise InputError(
            "backend 'linear': expected ends that differ in the head alone, found other values in"
            f" encoder/{', encoder/'.join(moved[:_LISTED])}{more}; use backend 'map'"
        )


def _is_shared(path: str, shared: Shared) -> bool:
    return f"encoder/{path}" in shared.leaves


def choose(backend: str, theta_0: Params, shared: Shared, layout: Layout) -> tuple[str, str]:
    """Return the back-end that a name means, and why.

    Never ``delta``, which multiplies twice as much and is for alphas that differ by example.

    Args:
      backend: A name; only ``"auto"`` leaves a choice.
      theta_0: One end.
      shared: What both share.
      layout: The devices.
    """
    if backend in ("delta", "linear"):
        check_linear_head(theta_0, f"backend {backend!r}", "backend 'map'")
    if backend != "auto":
        return backend, "asked for"
    encoder = list(flatten_paths(theta_0["encoder"]))
    frozen = sum(_is_shared(path, shared) for path in encoder)
    if layout.mesh.shape[ALPHA_AXIS] > 1:
        return "sharded", f"mesh.alpha is {layout.mesh.shape[ALPHA_AXIS]}"
    if frozen == len(encoder) and "head" in theta_0:
        return "linear", "only the head differs, so logits are linear in alpha"
    reason = f"{len(encoder) - frozen} of {len(encoder)} parameter arrays of the encoder differ"
    if shared.layers:
        reason += f"; its first {shared.layers} layers are shared, and run once a batch"
    elif frozen:
        reason += "; what follows from shared first layers alone runs once a batch"
    return "map", reason


def check_linear_head(theta: Params, what: str, instead: str) -> None:
    """Refuse ends whose head is made of a text tower.

    Args:
      theta: One end.
      what: What needs a head that is linear in alpha.
      instead: What to use in its place.

    Raises:
      InputError: Says why.
    """
    if "head" not in theta:
        raise InputError(
            f"{what} needs a head that is linear in alpha; that of a model whose text tower is"
            f" trained is made of it at each alpha: use {instead}"
        )


def available_bytes(mesh: Mesh) -> int | None:
    """Return the free memory of this process's fullest device; of the machine on CPUs.

    None where it isn't known.
    """
    devices = [d for d in mesh.devices.flat if d.process_index == jax.process_index()]
    if devices and devices[0].platform == "cpu":
        return free_memory(Path("/proc/meminfo"))
    return free_device_memory(devices)


def free_device_memory(devices: Sequence[Any]) -> int | None:
    """Return the free bytes of the fullest of some accelerators; None where that isn't known.

    Args:
      devices: JAX's, or others with ``memory_stats``.
    """
    known = [device.memory_stats() or {} for device in devices]
    free = [
        int(stats["bytes_limit"]) - int(stats["bytes_in_use"])
        for stats in known
        if {"bytes_limit", "bytes_in_use"} <= stats.keys()
    ]
    return min(free, default=None)


def free_memory(path: Path) -> int | None:
    """Return the bytes that Linux counts as available; None elsewhere.

    Args:
      path: ``/proc/meminfo``.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def warn_if_too_large(config: EngineConfig, theta: Params) -> None:
    """Warn where the two ends and the merged copies that ``vmap`` makes won't fit into memory.

    Args:
      config: How the sweep runs.
      theta: One end; arrays.
    """
    free = available_bytes(config.layout.mesh)
    size = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(theta))
    copies = config.chunk_size if config.backend == "vmap" else 0
    devices = config.layout.mesh.size if config.layout.mesh.devices.flat[0].platform == "cpu" else 1
    needed = (2 + copies) * size * devices
    if free is not None and needed > free:
        logger.warning(
            "the weights at %d alphas at once take about %.1f GiB, %.1f GiB are free",
            max(config.chunk_size, 1),
            needed / 2**30,
            free / 2**30,
        )
