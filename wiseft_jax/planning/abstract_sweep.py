"""Estimate a step of the sweep from its trace alone, by its back-end.

FLOPs are exact. The rest is arithmetic on shapes and shardings:

- memory: both ends, what they share once; the copies that are merged (``map`` may do with a layer
  of one at a time, so that is an upper estimate), for ``delta`` in their place the difference of
  one leaf (compiled for a v5e, it held no more), for ``linear`` the logits of both heads; twice
  the widest operation on a device's images;
- memory traffic: operands and results of matrix products on a device, and what merging reads and
  writes;
- collectives: gathers of the parameters that are split, once for each chunk of alphas that is
  merged, or once where nothing depends on alpha. Devices on ``alpha`` exchange results alone.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from wiseft_jax.clip.delta import delta_logits
from wiseft_jax.core.mesh import Layout, num_batch_shards
from wiseft_jax.core.mesh_config import ALPHA_AXIS, AXES, FSDP_AXIS
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.evaluation.engine import compiled_step
from wiseft_jax.evaluation.features import compiled_features
from wiseft_jax.evaluation.kept_logits import end_places
from wiseft_jax.planning.abstract import compute_itemsize, shard_bytes
from wiseft_jax.planning.counts import Collective, Counts, merge_collectives
from wiseft_jax.planning.facts import CURVE, StepFacts
from wiseft_jax.planning.jaxpr import count_jaxpr, widest_operation
from wiseft_jax.planning.steps import Job, with_shardings
from wiseft_jax.planning.sweep_step import TracedSweep, trace_step, trace_sweep_step

_MERGING = 3
"""Merging reads both ends and writes their mean; the difference of both takes as much."""


def abstract_sweep_facts(job: Job) -> StepFacts:
    """Return what a step of the sweep needs, estimated from its trace."""
    begun = time.monotonic()
    sweep = trace_sweep_step(job)
    share = DeviceShare.of(job, sweep)
    return StepFacts(
        step="sweep",
        method="abstract",
        counts=Counts(device_flops(sweep), share.traffic(), merge_collectives(share.gathers())),
        memory=share.memory(),
        seconds=time.monotonic() - begun,
        **known_facts(sweep),
    )


def known_facts(sweep: TracedSweep) -> dict[str, Any]:
    """Return the ``StepFacts`` that a trace tells, however the rest is found."""
    return {
        "images": sweep.engine.batch_size,
        "passes": sweep.passes,
        "traced_flops": traced_flops(sweep),
        "alphas": sweep.alphas,
        "backend": sweep.choice.name,
        "reason": sweep.choice.reason,
    }


def traced_flops(sweep: TracedSweep) -> float:
    """Return the FLOPs of a call over all devices, reading between a curve's nodes included."""
    return count_jaxpr(sweep.step.jaxpr, sweep.taken).flops + sweep.reading.flops


def device_flops(sweep: TracedSweep) -> float:
    """Return the FLOPs of one device: what doesn't depend on alpha is done by all along ``alpha``.

    Such work lies before the loop over alphas, and is left when none of its places is taken.
    """
    mesh = sweep.engine.layout.mesh
    before = count_jaxpr(sweep.step.jaxpr, 0.0).flops + sweep.reading.flops
    return before / num_batch_shards(mesh) + (traced_flops(sweep) - before) / mesh.size


def with_reading(facts: StepFacts, sweep: TracedSweep) -> StepFacts:
    """Return compiled facts of a curve's nodes with what is done beside the compiled program.

    The polynomial's FLOPs and traffic are those of its trace.

    Args:
      facts: Of the program that evaluates the nodes.
      sweep: Its trace.
    """
    shards = num_batch_shards(sweep.engine.layout.mesh)
    counts = dataclasses.replace(
        facts.counts,
        flops=facts.counts.flops + sweep.reading.flops / shards,
        num_bytes=facts.counts.num_bytes + sweep.reading.num_bytes / shards,
    )
    return dataclasses.replace(facts, counts=counts)


@dataclasses.dataclass(frozen=True)
class DeviceShare:
    """What one device has of a call of the sweep's step.

    Attributes:
      job: The run.
      sweep: The call.
      images: Images of the device.
      at_once: Alphas that it evaluates at once.
      moved: Bytes that it holds of the leaves of one end that the other end doesn't share.
    """

    job: Job
    sweep: TracedSweep
    images: int
    at_once: int
    moved: int

    @classmethod
    def of(cls, job: Job, sweep: TracedSweep) -> DeviceShare:
        """Return the share of any one device."""
        engine = sweep.engine
        mesh, shared = engine.layout.mesh, engine.shared.leaves
        leaves = flatten_paths(with_shardings(job.swept, engine.layout))
        return cls(
            job,
            sweep,
            images=engine.batch_size // num_batch_shards(mesh),
            at_once=sweep.chunks.shape[1] // mesh.shape[ALPHA_AXIS],
            moved=shard_bytes([leaf for path, leaf in leaves.items() if path not in shared]),
        )

    @property
    def backend(self) -> str:
        """The engine's: a curve's nodes are run by ``map``."""
        return self.sweep.engine.backend

    def memory(self) -> dict[str, int]:
        """Return the bytes of each part on the device."""
        engine = self.sweep.engine
        whole = shard_bytes(with_shardings(self.job.swept, engine.layout))
        parts = {"both ends": whole + self.moved}
        if self.backend == "delta":
            parts["largest difference"] = self._largest_difference()
        elif self.backend == "linear":
            parts["logits of both heads"] = 2 * 4 * self.images * self.job.num_classes
        else:
            parts["merged"] = self.at_once * self.moved
        parts["activations"] = 2 * self._widest()
        pixels = self.job.classifier.preprocess.size
        parts["batch"] = self.images * pixels * pixels * 3
        if self.sweep.choice.name == CURVE:
            parts["features at nodes"] = 4 * self.sweep.nodes_kept * self.images * self.job.width
            if engine.keep_logits:  # all devices hold those of the whole batch
                each = 4 * self.job.num_classes * engine.batch_size
                parts["stored logits"] = self._alphas_of_logits() * each
        else:  # all devices hold all results: class, margin, entropy, and the logits if kept
            each = 12 + 4 * self.job.num_classes * engine.keep_logits
            parts["results"] = self.sweep.chunks.size * engine.batch_size * each
        return parts

    def _alphas_of_logits(self) -> int:
        """Return at how many alphas a curve's logits are stored at most."""
        sweep = self.job.config.sweep
        return len(end_places(sweep.alphas) if sweep.keep_logits == "ends" else sweep.alphas)

    def _largest_difference(self) -> int:
        """Return the bytes of the largest leaf that moves, of one layer and whole."""
        tower, same = self.job.classifier.tower, self.sweep.engine.shared.canonical
        leaves = flatten_paths(tower.to_canonical(self.job.theta))
        return max(4 * math.prod(leaf.shape) for path, leaf in leaves.items() if path not in same)

    def _widest(self) -> int:
        """Return the bytes of the widest operation on the images, for all alphas at once."""
        theta, classifier = self.job.swept, self.job.classifier
        repeated = self.images * self.at_once if self.backend == "delta" else self.images
        pixels = classifier.preprocess.size
        images = jax.ShapeDtypeStruct((repeated, pixels, pixels, 3), jnp.uint8)
        if self.backend == "delta":
            alphas = jax.ShapeDtypeStruct((repeated,), jnp.float32)
            same = self.sweep.engine.shared.canonical
            run = functools.partial(delta_logits, classifier, same=same)
            return widest_operation(jax.make_jaxpr(run)(theta, theta, alphas, images))
        forward = widest_operation(jax.make_jaxpr(classifier.logits)(theta, images))
        return forward if self.sweep.encodes_once else self.at_once * forward

    def traffic(self) -> float:
        """Return the bytes that the device reads from its memory and writes to it."""
        engine, chunks = self.sweep.engine, self.sweep.used_chunks
        alone = Layout(Mesh(engine.layout.mesh.devices.reshape(-1)[:1].reshape(1, 1, 1), AXES))
        own = dataclasses.replace(
            engine, layout=alone, batch_size=self.images, chunk_size=self.at_once
        )
        shape = np.zeros((self.sweep.chunks.shape[0], self.at_once), np.float32)
        compiled = compiled_features if self.sweep.choice.name == CURVE else compiled_step
        counted = count_jaxpr(trace_step(self.job, own, shape, compiled).jaxpr, self.sweep.taken)
        read = self.sweep.reading.num_bytes / num_batch_shards(engine.layout.mesh)
        if self.backend == "linear":  # every alpha reads the logits of both heads
            mixing = 2 * 4 * self.images * self.job.num_classes * self.at_once
        else:
            mixing = _MERGING * self.moved * (1 if self.backend == "delta" else self.at_once)
        return counted.num_bytes + read + chunks * mixing

    def gathers(self) -> Iterator[Collective]:
        """Yield the gathers of the leaves that are split over ``fsdp``."""
        engine, chunks = self.sweep.engine, self.sweep.used_chunks
        size = engine.layout.mesh.shape[FSDP_AXIS]
        itemsize = compute_itemsize(self.job)
        for path, leaf in flatten_paths(with_shardings(self.job.swept, engine.layout)).items():
            if size == 1 or FSDP_AXIS not in leaf.sharding.spec:
                continue
            whole, times = math.prod(leaf.shape) * itemsize, float(chunks)
            if path in engine.shared.leaves:
                times = 1.0 if self.sweep.encodes_once else times
            elif self.backend == "linear":
                times = 2.0  # both heads
            elif self.backend == "delta":
                times *= 2  # one end, and the difference
            else:
                whole *= self.at_once
            yield Collective("all-gather", whole, size, times)
