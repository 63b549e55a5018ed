"""The compiled step: one batch, every alpha.

A batch is moved to the devices once; merging weights costs almost nothing beside a forward pass, so
the loop over alphas is inside. The step takes up to ``CAPACITY`` alphas and skips the places that
are not used, so one compiled program serves a sweep of any length and the evaluation of a single
model, and both give the same bits.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Float32

from wiseft_jax.core.errors import InputError, unknown_name
from wiseft_jax.core.gathering import split_over
from wiseft_jax.core.mesh import Layout, alpha_sharding, replicated, round_up_to_devices
from wiseft_jax.core.mesh_config import ALPHA_AXIS, MeshConfig
from wiseft_jax.core.typing import Params
from wiseft_jax.weights.interpolate import lerp

logger = logging.getLogger(__name__)

BACKENDS = ("auto", "map", "vmap")
CAPACITY = 32
"""Alphas that one call of the compiled step has room for."""

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
    """

    layout: Layout
    batch_size: int
    chunk_size: int
    keep_logits: bool
    num_threads: int

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
    ) -> EngineConfig:
        """Fill in what was not given, by the kind of device and the size of ``theta``.

        ``platform`` is that kind: the mesh's own when empty.

        Raises:
          InputError: Unknown backend; sizes below 1; ``chunk_size`` with ``"vmap"``.
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
        return cls(layout, rounded, chunk, keep_logits, num_threads)


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


def padded_alphas(alphas: tuple[float, ...], chunk_size: int) -> list[tuple[Any, int]]:
    """Return ``(float32[chunks, chunk_size], alphas in it)`` for each call of the step."""
    chunks = max(1, CAPACITY // chunk_size)
    room = chunks * chunk_size
    groups = []
    for start in range(0, len(alphas), room):
        group = np.asarray(alphas[start : start + room], np.float32)
        padded = np.full(room, group[-1], np.float32)
        padded[: len(group)] = group
        groups.append((padded.reshape(chunks, chunk_size), len(group)))
    return groups


def compiled_step(classifier: Any, config: EngineConfig) -> Callable[..., dict[str, Any]]:
    """Return ``step(theta_0, theta_1, alphas, count, batch)``, compiled once for all datasets.

    Args of the step:
      theta_0, theta_1: The ends, on every device.
      alphas: float32[chunks, chunk_size], from ``padded_alphas``.
      count: How many of them to evaluate; the rest is skipped and left zero.
      batch: ``image`` uint8[B, S, S, 3], ``index`` int32[B], ``mask`` bool[B], split over devices.

    Returns of the step, on every device: ``top1`` int32[A, B], ``margin`` float32[A, B], ``logits``
    float32[A, B, K] if kept, and the batch's ``index`` and ``mask``.
    """
    return _compiled_step(classifier, config.layout, config.chunk_size, config.keep_logits)


@functools.lru_cache(maxsize=2)  # an entry keeps its classifier alive
def _compiled_step(
    classifier: Any, layout: Layout, chunk_size: int, keep_logits: bool
) -> Callable[..., dict[str, Any]]:
    over_alpha = ALPHA_AXIS if layout.mesh.shape[ALPHA_AXIS] > 1 else None

    def step(
        theta_0: Params, theta_1: Params, alphas: Any, count: Any, batch: dict[str, Any]
    ) -> dict[str, Any]:
        def at_alpha(alpha: Any) -> dict[str, Any]:
            theta = lerp(theta_0, theta_1, alpha)
            theta = jax.lax.with_sharding_constraint(theta, layout.shardings(theta))
            with split_over(layout.mesh):
                logits = classifier.logits(theta, batch["image"])
            return summarise(logits, keep_logits)

        def at_chunk(chunk: Any) -> dict[str, Any]:
            if over_alpha:
                chunk = jax.lax.with_sharding_constraint(chunk, alpha_sharding(layout.mesh))
            if chunk_size > 1:
                return jax.vmap(at_alpha, spmd_axis_name=over_alpha)(chunk)
            return jax.tree_util.tree_map(lambda x: x[None], at_alpha(chunk[0]))

        def nothing(chunk: Any) -> dict[str, Any]:
            shapes = jax.eval_shape(at_chunk, chunk)
            return jax.tree_util.tree_map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        def used_or_not(item: tuple[Any, Any]) -> dict[str, Any]:
            first, chunk = item
            return jax.lax.cond(first < count, at_chunk, nothing, chunk)

        first = jnp.arange(alphas.shape[0], dtype=jnp.int32) * chunk_size
        stacked = jax.lax.map(used_or_not, (first, alphas))
        outputs = {name: array.reshape((-1, *array.shape[2:])) for name, array in stacked.items()}
        return outputs | {"index": batch["index"], "mask": batch["mask"]}

    return jax.jit(step, out_shardings=replicated(layout.mesh))


def summarise(logits: Float[Array, "B K"], keep_logits: bool) -> dict[str, Any]:
    """Return the class, and the gap between the two largest logits, of each example.

    Args:
      logits: One row an example.
      keep_logits: Whether to return them as well.
    """
    logits = logits.astype(jnp.float32)
    top1 = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    outputs = {"top1": top1, "margin": top_margin(logits)}
    return outputs | {"logits": logits} if keep_logits else outputs


def top_margin(logits: Float32[Array, "B K"]) -> Float32[Array, " B"]:
    """Return the largest logit minus the second largest; inf for a single class, NaN with NaN."""
    if logits.shape[-1] == 1:
        return jnp.where(jnp.isnan(logits[:, 0]), jnp.nan, jnp.inf)
    largest = jax.lax.top_k(logits, 2)[0]
    gap = largest[:, 0] - largest[:, 1]
    return jnp.where(jnp.any(jnp.isnan(logits), axis=-1), jnp.nan, gap)
