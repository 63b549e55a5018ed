"""Which back-end a sweep uses, and why: what differs between the ends, memory, a short timing.

All back-ends agree within float rounding, so a choice changes no result beyond that: on float32
logits by at most 1e-4, on predictions only where the margin is below 2e-4. The choice is part of
the result, and asking for it by name and chunk gives the same bits again.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.clip.delta import same_paths
from wiseft_jax.core.distributed import of_first
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.mesh import Layout, process_share, put_batch
from wiseft_jax.core.mesh_config import ALPHA_AXIS
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.engine import BACKENDS, EngineConfig, compiled_step, padded_alphas
from wiseft_jax.evaluation.merging import Shared, find_shared

logger = logging.getLogger(__name__)

_LISTED = 5
_SPARE = 0.8
"""Share of the free memory that copies of the weights may take."""

_TRIED_CHUNK = 4
_PAYS_OFF = 10.0
"""How many compilations' time a sweep must take before a second program is compiled for it."""

_FASTER = 0.95


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


def calibrate(
    classifier: Classifier,
    ends: tuple[Params, Params],
    config: EngineConfig,
    alphas: tuple[float, ...],
    num_images: int,
) -> tuple[EngineConfig, str]:
    """Return the configuration with the faster chunk of alphas, and why; runs a batch of zeros.

    On a CPU nothing is timed: more than one alpha at once was measured to be slower there. On
    accelerators one alpha at once is timed against several, where these fit into the free memory
    and the sweep is long enough to pay for a second compilation. Process 0 decides.

    Args:
      classifier: The model.
      ends: Both ends, on the devices.
      config: The default.
      alphas: The sweep's.
      num_images: Images of all datasets.
    """
    platform = config.layout.mesh.devices.flat[0].platform
    if platform == "cpu":
        return config, "on a CPU more than one alpha at once was measured to be slower"
    return of_faster_chunk(
        classifier, ends, config, alphas, num_images, available_bytes(config.layout.mesh)
    )


def of_faster_chunk(
    classifier: Classifier,
    ends: tuple[Params, Params],
    config: EngineConfig,
    alphas: tuple[float, ...],
    num_images: int,
    free_bytes: int | None,
) -> tuple[EngineConfig, str]:
    """Time chunks on any device; see ``calibrate``.

    Args:
      classifier: The model.
      ends: Both ends, on the devices.
      config: The default.
      alphas: The sweep's.
      num_images: Images of all datasets.
      free_bytes: Free memory of a device; None: unknown.
    """
    at_once = config.layout.mesh.shape[ALPHA_AXIS]
    larger = max(config.chunk_size, _TRIED_CHUNK * at_once)
    largest = -(-len(alphas) // at_once) * at_once
    size = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(ends[0]))
    if free_bytes is not None:
        fitting = int(_SPARE * free_bytes / max(size, 1)) * at_once
        largest = min(largest, max(fitting, at_once))
    larger = min(larger, largest)
    default = dataclasses.replace(config, chunk_size=min(config.chunk_size, largest))
    sizes = of_first([default.chunk_size, at_once, larger])
    default = dataclasses.replace(config, chunk_size=sizes[0])
    others = [size for size in sizes[1:] if size != sizes[0]]
    if not others:
        return default, "no other number of alphas at once fits"
    compiling, seconds = time_step(classifier, ends, default, alphas)
    whole = seconds * num_images / config.batch_size
    if of_first(whole < _PAYS_OFF * compiling * len(others)):
        return default, f"about {whole:.0f} s of work, too little to time another"
    rates = {sizes[0]: seconds}
    for chunk in others:
        tried = dataclasses.replace(config, chunk_size=chunk)
        rates[chunk] = time_step(classifier, ends, tried, alphas)[1]
    best = min(rates, key=lambda chunk: rates[chunk])
    chosen = best if rates[best] < _FASTER * seconds else sizes[0]
    listed = ", ".join(f"{chunk}: {1e3 * rates[chunk]:.0f} ms" for chunk in sorted(rates))
    reason = f"a batch took, by alphas at once, {listed}"
    return dataclasses.replace(config, chunk_size=of_first(chosen)), of_first(reason)


def time_step(
    classifier: Classifier, ends: tuple[Params, Params], config: EngineConfig, alphas: Any
) -> tuple[float, float]:
    """Return the seconds of compiling the step, and of running it for all alphas on one batch."""
    mesh = config.layout.mesh
    size = classifier.preprocess.size
    rows = config.batch_size // process_share(mesh)["process_count"]
    batch = put_batch(
        {
            "image": np.zeros((rows, size, size, 3), np.uint8),
            "mask": np.ones(rows, bool),
            "index": np.arange(rows, dtype=np.int32),
        },
        mesh,
    )
    step, groups = compiled_step(classifier, config), padded_alphas(alphas, config.chunk_size)

    def run() -> float:
        begin = time.perf_counter()
        jax.block_until_ready([step(*ends, padded, count, batch) for padded, count in groups])
        return time.perf_counter() - begin

    first, second = run(), run()
    return max(first - second, 0.0), second


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
