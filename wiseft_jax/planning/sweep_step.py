"""The real step of a configuration's sweep, over shapes in place of arrays.

What the two ends share follows from the recipe, so the back-end is chosen as the sweep chooses it.
Where the text tower is trained the heads of all alphas are there already (``heads_step``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wiseft_jax.clip.two_towers import HEADS
from wiseft_jax.core.mesh import batch_sharding, replicated
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.evaluation.backend import BackendChoice, check_backend, choose
from wiseft_jax.evaluation.curve import curve_engine
from wiseft_jax.evaluation.curve_config import LEAST_NODES, expected_passes
from wiseft_jax.evaluation.curve_pass import working_grid
from wiseft_jax.evaluation.engine import EngineConfig, compiled_step, padded_alphas
from wiseft_jax.evaluation.features import ROOM, compiled_features
from wiseft_jax.evaluation.interpolant import read_off, residual
from wiseft_jax.evaluation.merging import NOTHING_SHARED, Shared, shared_under
from wiseft_jax.planning.facts import CURVE
from wiseft_jax.planning.jaxpr import TracedCounts, count_jaxpr
from wiseft_jax.planning.steps import Job, with_shardings

NOTHING_READ = TracedCounts()


def planned_shared(job: Job) -> Shared:
    """Return what the ends of the sweep will share: the encoder, where it isn't trained; heads.

    A head that stays, as in ``paint``, isn't counted: merging it costs next to nothing.
    """
    if job.trains_text:
        return shared_under(job.swept, f"{HEADS}/")
    if job.sees_images:
        return NOTHING_SHARED
    shared = shared_under(job.theta, "encoder/")
    canonical = flatten_paths(job.classifier.tower.to_canonical(job.theta))
    same = frozenset(path for path in canonical if path.startswith("encoder/"))
    backend = job.config.sweep.backend
    return dataclasses.replace(shared, canonical=same) if backend == "delta" else shared


def planned_backend(job: Job) -> tuple[EngineConfig, BackendChoice]:
    """Return how the sweep of a job runs, and why; only the timing of chunks is left out.

    Logits are counted as stored unless ``sweep.keep_logits`` is ``none``: ``auto`` goes by the
    sizes of the sets, of which a plan knows nothing.

    Raises:
      InputError: If the recipe's ends or the devices rule out the back-end.
    """
    sweep, shared, layout = job.config.sweep, planned_shared(job), job.layout
    check_backend(sweep.backend, job.swept, shared)
    name, reason = choose(sweep.backend, job.swept, shared, layout)
    fed: dict[str, Any] = {
        "batch_size": sweep.batch_size,
        "num_threads": job.config.data.num_threads,
        "platform": job.platform,
        "keep_logits": sweep.keep_logits != "none",
    }
    if job.config.sweeps_curve:
        engine = curve_engine(name, job.theta, shared, layout, **fed)
        name = "linear" if name == "linear" else CURVE
    else:
        engine = EngineConfig.resolve(
            job.swept,
            num_alphas=len(sweep.alphas),
            backend=name,
            chunk_size=sweep.chunk_size,
            mesh=layout,
            shared=shared,
            **fed,
        )
    return engine, BackendChoice(name, engine.chunk_size, reason)


@dataclasses.dataclass(frozen=True)
class TracedSweep:
    """The trace of one call of the sweep's step.

    Attributes:
      step: The trace; ``.jaxpr``, ``.lower()`` go on from it.
      engine: How it runs.
      choice: The back-end, and why.
      chunks: float32[C, S], the alphas of the call, with room for more.
      alphas: How many of them the call evaluates.
      reading: What is done beside it over all devices: the polynomial through a curve's nodes.
      nodes_kept: Nodes of a curve whose features wait on the devices until its last level.
    """

    step: Any
    engine: EngineConfig
    choice: BackendChoice
    chunks: np.ndarray
    alphas: int
    reading: TracedCounts = NOTHING_READ
    nodes_kept: int = 0

    @property
    def taken(self) -> float:
        """Share of the step's places that are used; the rest is skipped."""
        return self.used_chunks / self.chunks.shape[0]

    @property
    def used_chunks(self) -> int:
        """Chunks of alphas that are evaluated, one after another."""
        return -(-self.alphas // self.chunks.shape[1])

    @property
    def encodes_once(self) -> bool:
        """Whether the encoder runs once for all alphas: nothing in it depends on them."""
        # A recipe freezes all of the encoder or nothing; delta repeats the images for the alphas.
        frozen = any(path.startswith("encoder/") for path in self.engine.shared.leaves)
        return frozen and self.engine.backend != "delta"

    @property
    def passes(self) -> int:
        """Forward passes of an image in a call."""
        return 1 if self.encodes_once else self.alphas


def trace_sweep_step(job: Job) -> TracedSweep:
    """Return the trace of the program's own sweep step, over the sweep's first alphas.

    Of a curve that is the step of its first nodes; where only the head differs, of both ends.
    """
    engine, choice = planned_backend(job)
    if choice.name == CURVE:
        sweep = job.config.sweep
        low, high = min(0.0, sweep.alphas[0]), max(1.0, sweep.alphas[-1])
        own = (0.0, 1.0) if (low, high) != (0.0, 1.0) else ()
        nodes = (*own, *np.linspace(low, high, LEAST_NODES).tolist())
        chunks, used = padded_alphas(nodes, engine.chunk_size, ROOM)[0]
        most = expected_passes(sweep.curve, sweep.alphas).nodes[1] + len(own)
        step = trace_step(job, engine, chunks, compiled_features)
        reading = _reading(job, engine)
        return TracedSweep(step, engine, choice, chunks, used, reading, most)
    alphas = (0.0, 1.0) if job.config.sweeps_curve else job.config.sweep.alphas
    chunks, used = padded_alphas(alphas, engine.chunk_size)[0]
    return TracedSweep(trace_step(job, engine, chunks, compiled_step), engine, choice, chunks, used)


def trace_step(
    job: Job,
    engine: EngineConfig,
    chunks: np.ndarray,
    compiled: Callable[..., Any] = compiled_step,
) -> Any:
    """Return the trace of a step of the sweep.

    Args:
      job: Its model.
      engine: How it runs.
      chunks: float32[C, S], the alphas; only their shape is looked at.
      compiled: ``compiled_step``, or ``compiled_features`` for the nodes of a curve.
    """
    mesh, size = engine.layout.mesh, engine.batch_size
    pixels = job.classifier.preprocess.size
    split, whole = batch_sharding(mesh), replicated(mesh)
    batch: Any = {
        "image": jax.ShapeDtypeStruct((size, pixels, pixels, 3), jnp.uint8, sharding=split),
        "index": jax.ShapeDtypeStruct((size,), jnp.int32, sharding=split),
        "mask": jax.ShapeDtypeStruct((size,), jnp.bool_, sharding=split),
    }
    theta = with_shardings(job.swept, engine.layout)
    alphas = jax.ShapeDtypeStruct(chunks.shape, jnp.float32, sharding=whole)
    count = jax.ShapeDtypeStruct((), jnp.int32, sharding=whole)
    given = batch["image"] if compiled is compiled_features else batch
    return compiled(job.classifier, engine).trace(theta, theta, alphas, count, given)


def _reading(job: Job, engine: EngineConfig) -> TracedCounts:
    """Return what the polynomial through a batch's first nodes costs: reading it, judging it."""
    config = job.config.sweep
    grid, _ = working_grid(config.alphas, config.curve.points)
    coarse = (LEAST_NODES + 1) // 2
    heads = (job.theta["head"], job.theta["head"])

    def values(count: int) -> Any:
        return jax.ShapeDtypeStruct((count, engine.batch_size, job.width), jnp.float32)

    def both(heads: Any, fine: Any, known: Any, new: Any) -> Any:
        every, others = len(grid), LEAST_NODES - coarse
        at = np.zeros((every, LEAST_NODES), np.float32), np.zeros(every, np.float32)
        judged = np.zeros((others, coarse), np.float32), np.zeros(others, np.float32)
        return (
            read_off(engine.layout, fine, *at, heads),
            residual(engine.layout, known, *judged, new, heads),
        )

    shapes = values(LEAST_NODES), values(coarse), values(LEAST_NODES - coarse)
    return count_jaxpr(jax.make_jaxpr(both)(heads, *shapes))
