"""The compiled step: one batch, every alpha.

A batch is moved to the devices once; merging weights costs almost nothing beside a forward pass, so
the loop over alphas is inside, and what doesn't depend on alpha comes before it. The step takes up
to ``CAPACITY`` alphas and skips the places that are not used, so one compiled program serves a
sweep of any length and the evaluation of a single model, and both give the same bits.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Float32

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.mesh import Layout, replicated, round_up_to_devices
from wiseft_jax.core.mesh_config import ALPHA_AXIS, DATA_AXIS, FSDP_AXIS, MeshConfig
from wiseft_jax.core.typing import Params
from wiseft_jax.evaluation.entropy import entropy_of_logits
from wiseft_jax.evaluation.exact import Chunks, run_used
from wiseft_jax.evaluation.merging import NOTHING_SHARED, Shared
from wiseft_jax.evaluation.projections import SLOTS, class_logits, classes_of_slots

logger = logging.getLogger(__name__)

BACKENDS = ("auto", "map", "vmap", "sharded", "delta", "linear")
CAPACITY = 32
"""Alphas that one call of the compiled step has room for."""

# Left to itself XLA's CPU compiler merges all weights before it uses the first: a third model.
_CPU_OPTIONS = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
_BATCH_SIZE = {"cpu": 64}
_ACCELERATOR_BATCH_SIZE = 256
_CHUNK_BYTES = 64 * 2**20
_MAX_CHUNK = 8


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """How the step is compiled and fed; made by ``resolve``.

    Attributes:
      layout: The devices: the batch is split over ``data`` and ``fsdp``, alphas over ``alpha``.
      batch_size: Images a batch, over all devices; the last batch is padded.
      chunk_size: Alphas evaluated at once by vmap, a multiple of the axis ``alpha``; the chunks
        follow each other.
      keep_logits: Whether logits come back too.
      num_threads: Decoding threads.
      backend: One of ``BACKENDS`` but ``"auto"``.
      shared: What is the same at both ends.
    """

    layout: Layout
    batch_size: int
    chunk_size: int
    keep_logits: bool
    num_threads: int
    backend: str = "map"
    shared: Shared = NOTHING_SHARED

    @classmethod
    def resolve(
        cls,
        theta: Params,
        *,
        num_alphas: int = 1,
        backend: str = "auto",
        batch_size: int | None = None,
        chunk_size: int | None = None,
        keep_logits: bool = False,
        mesh: Layout | Mesh | MeshConfig | None = None,
        num_threads: int = 16,
        platform: str = "",
        shared: Shared = NOTHING_SHARED,
    ) -> EngineConfig:
        """Fill in what was not given, by the kind of device and the size of ``theta``.

        ``platform`` is that kind: the mesh's own when empty. ``"auto"`` is ``"map"`` here: what
        differs between the ends is known to ``evaluation.backend`` only.

        Raises:
          InputError: Unknown backend; sizes below 1; ``chunk_size`` with ``"vmap"``; a mesh that
            the backend can't use.
        """
        if backend not in BACKENDS:
            raise unknown_name("backend", backend, BACKENDS)
        for name, value in (("batch_size", batch_size), ("chunk_size", chunk_size)):
            if value is not None and value < 1:
                raise InputError(f"{name}: expected at least 1, found {value}")
        if backend == "vmap" and chunk_size is not None:
            raise InputError(
                "chunk_size has no meaning with backend 'vmap', which takes all alphas at once;"
                " use backend 'map'"
            )
        layout = Layout.of(mesh)
        if backend == "sharded":
            layout = split_alphas(layout, num_alphas)
        elif backend in ("delta", "linear") and layout.mesh.shape[ALPHA_AXIS] > 1:
            raise InputError(
                f"backend {backend!r} splits no alphas over devices; expected mesh.alpha 1, found"
                f" {layout.mesh.shape[ALPHA_AXIS]}"
            )
        platform = platform or str(layout.mesh.devices.flat[0].platform)
        if batch_size is None:
            batch_size = _BATCH_SIZE.get(platform, _ACCELERATOR_BATCH_SIZE)
        rounded = round_up_to_devices(batch_size, layout.mesh)
        if rounded != batch_size:
            logger.info(
                "batch size %d -> %d, a multiple of the devices that share it", batch_size, rounded
            )
        if chunk_size is None:
            chunk_size = num_alphas if backend == "vmap" else default_chunk(theta, platform)
        at_once = layout.mesh.shape[ALPHA_AXIS]
        chunk = -(-chunk_size // at_once) * at_once
        if chunk != chunk_size:
            logger.info("%d alphas at once, a multiple of mesh.alpha %d", chunk, at_once)
        name = "map" if backend == "auto" else backend
        return cls(layout, rounded, chunk, keep_logits, num_threads, name, shared)


def split_alphas(layout: Layout, num_alphas: int) -> Layout:
    """Return the layout with devices of ``data`` moved to ``alpha``, unless it has an alpha axis.

    Of the divisors of ``data`` above 1, the one that leaves the fewest places of the axis unused,
    of equals the largest: each device then merges for fewer alphas, and none talks to another.

    Args:
      layout: The devices.
      num_alphas: Alphas to evaluate.

    Raises:
      InputError: If there is only one device on ``data``.
    """
    sizes = layout.mesh.shape
    if sizes[ALPHA_AXIS] > 1:
        return layout
    data = sizes[DATA_AXIS]
    devices = layout.mesh.devices
    processes = len({device.process_index for device in devices.flat})
    local = max(1, data // processes)

    def fits(size: int) -> bool:  # or processes would have overlapping shares of a batch
        return data % size == 0 and (local % size == 0 or size % local == 0)

    fitting = [size for size in range(2, data + 1) if fits(size)]
    if not fitting:
        raise InputError(
            f"backend 'sharded': expected at least 2 devices on mesh.data or mesh.alpha, found"
            f" {data}; use backend 'map'"
        )
    alpha = min(fitting, key=lambda size: (-(-num_alphas // size) * size, -size))
    logger.info("%d of the %d devices that split a batch split the alphas instead", alpha, data)
    apart = devices.reshape(data // alpha, alpha, sizes[FSDP_AXIS]).transpose(0, 2, 1)
    mesh = Mesh(apart, layout.mesh.axis_names, axis_types=layout.mesh.axis_types)
    return dataclasses.replace(layout, mesh=mesh)


def default_chunk(theta: Params, platform: str) -> int:
    """Return how many alphas to evaluate at once.

    One on a CPU, where more was measured to be slower (docs/benchmarks). On accelerators, where a
    small model leaves the chip idle, as many copies of the weights as fit in 64 MiB, at most 8; one
    for a ViT-B.
    """
    if platform == "cpu":
        return 1
    leaves = jax.tree_util.tree_leaves(theta)
    size = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)
    return max(1, min(_MAX_CHUNK, _CHUNK_BYTES // max(size, 1)))


def padded_alphas(
    alphas: Sequence[float], chunk_size: int, capacity: int = CAPACITY
) -> list[tuple[Any, int]]:
    """Return ``(float32[chunks, chunk_size], alphas in it)`` for each call of the step."""
    chunks = max(1, capacity // chunk_size)
    room = chunks * chunk_size
    groups = []
    for start in range(0, len(alphas), room):
        group = np.asarray(alphas[start : start + room], np.float32)
        padded = np.full(room, group[-1], np.float32)
        padded[: len(group)] = group
        groups.append((padded.reshape(chunks, chunk_size), len(group)))
    return groups


def compiled_step(classifier: Classifier, config: EngineConfig) -> Callable[..., dict[str, Any]]:
    """Return ``step(theta_0, theta_1, alphas, count, batch)``, compiled once for all datasets.

    Args of the step:
      theta_0, theta_1: The ends, on every device.
      alphas: float32[chunks, chunk_size], from ``padded_alphas``.
      count: How many of them to evaluate; the rest is skipped and left zero.
      batch: ``image`` uint8[B, S, S, 3], ``index`` int32[B], ``mask`` bool[B], split over devices;
        of a projected set ``slots`` (``evaluation.projections``).

    Returns of the step, on every device: ``top1`` int32[A, B], ``margin`` and ``entropy``
    float32[A, B], ``logits`` float32[A, B, K] if kept, and the batch's ``index`` and ``mask``.
    """
    return _compiled_step(
        classifier,
        config.layout,
        config.chunk_size,
        config.keep_logits,
        config.backend,
        config.shared,
    )


@functools.lru_cache(maxsize=2)  # an entry keeps its classifier alive
def _compiled_step(
    classifier: Classifier,
    layout: Layout,
    chunk_size: int,
    keep_logits: bool,
    backend: str,
    shared: Shared,
) -> Callable[..., dict[str, Any]]:
    def step(
        theta_0: Params, theta_1: Params, alphas: Any, count: Any, batch: dict[str, Any]
    ) -> dict[str, Any]:
        finish = functools.partial(summarise, keep_logits=keep_logits, slots=batch.get(SLOTS))
        chunks = Chunks(classifier, layout, chunk_size, shared, finish)
        prepare = {"delta": chunks.delta, "linear": chunks.linear}.get(backend, chunks.merge)
        outputs = run_used(prepare(theta_0, theta_1, batch["image"]), alphas, count)
        return outputs | {"index": batch["index"], "mask": batch["mask"]}

    return jax.jit(
        step, out_shardings=replicated(layout.mesh), compiler_options=compiler_options(layout)
    )


def compiler_options(layout: Layout) -> dict[str, Any] | None:
    """Return what XLA is told when a program that merges weights is compiled for these devices."""
    on_cpu = layout.mesh.devices.flat[0].platform == "cpu"
    return _CPU_OPTIONS if on_cpu else None


def summarise(logits: Float[Array, "B K"], keep_logits: bool, slots: Any = None) -> dict[str, Any]:
    """Return the class of each example, the gap between the two largest logits, and the entropy.

    Args:
      logits: One row an example.
      keep_logits: Whether to return them as well.
      slots: Of a projected set, ``Projection.slots``: classes, and their logits, are the set's.
    """
    logits = logits.astype(jnp.float32)
    if slots is None:
        top1 = jnp.argmax(logits, axis=-1).astype(jnp.int32)
        entropy = entropy_of_logits(logits)
    else:
        logits, valid, count = class_logits(logits, slots)
        top1 = classes_of_slots(jnp.argmax(logits, axis=-1), slots)
        entropy = jnp.where(valid, entropy_of_logits(logits), jnp.log(count))
    outputs = {"top1": top1, "margin": top_margin(logits), "entropy": entropy}
    return outputs | {"logits": logits} if keep_logits else outputs


def top_margin(logits: Float32[Array, "B K"]) -> Float32[Array, " B"]:
    """Return the largest logit minus the second largest; inf for a single class.

    NaN where a logit is not finite: that prediction never counts as right.
    """
    # Two passes: top_k sorts on a CPU, which took over 10 times as long with 1000 classes.
    first = jnp.argmax(logits, axis=-1, keepdims=True)
    others = jax.lax.broadcasted_iota(jnp.int32, logits.shape, 1) != first
    second = jnp.max(jnp.where(others, logits, -jnp.inf), axis=-1)
    valid = jnp.all(jnp.isfinite(logits), axis=-1)
    return jnp.where(valid, jnp.max(logits, axis=-1) - second, jnp.nan)
