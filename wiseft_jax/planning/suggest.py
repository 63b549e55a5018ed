"""Which batch split, accumulation, parameter split and rematerialisation fit, the fastest first."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from wiseft_jax.planning.collectives import training_collectives
from wiseft_jax.planning.faults import memory_limit
from wiseft_jax.planning.memory_model import MemoryModel
from wiseft_jax.planning.roofline import EFFICIENCY, collective_secs
from wiseft_jax.planning.topology import Topology

HEADROOM = 0.95
"""Share of the limit that a suggestion may use: the model isn't exact."""

_PARTS = (1, 2, 4, 8, 16, 32, 64)


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """One way to lay out a training step.

    The batch and so the result are those of the configuration, but where ``batch_size`` is given.

    Attributes:
      accumulation_steps: Of ``training``.
      fsdp: Of ``mesh``.
      remat: Of ``model``.
      images: Images of a device at a time.
      memory_bytes: Predicted, on a device.
      seconds: Predicted for a step, no collective hidden; None if the chip's rates aren't known.
      batch_size: Of ``training``, in images over all devices; None: as configured.
    """

    accumulation_steps: int
    fsdp: int
    remat: str
    images: int
    memory_bytes: int
    seconds: float | None
    batch_size: int | None = None

    @property
    def layout(self) -> tuple[int, int, str]:
        """Accumulation, split and rematerialisation: what tells one suggestion from another."""
        return self.accumulation_steps, self.fsdp, self.remat

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, with the options."""
        return dataclasses.asdict(self) | {"options": self.options}

    @property
    def options(self) -> str:
        """The command line's options that ask for it."""
        batch = "" if self.batch_size is None else f"--training.batch-size {self.batch_size} "
        return (
            f"{batch}--training.accumulation-steps {self.accumulation_steps} --mesh.data -1"
            f" --mesh.fsdp {self.fsdp} --model.remat {self.remat}"
        )


def suggest(
    model: MemoryModel,
    topology: Topology,
    batch_size: int,
    *,
    scale: float = 1.0,
    float32: bool = False,
    efficiency: float = EFFICIENCY,
) -> list[Suggestion]:
    """Return what fits, the fastest first; empty if nothing does.

    Args:
      model: Of the training step.
      topology: The devices.
      batch_size: Images a step over all devices.
      scale: How a compiled step's memory compares with the model's.
      float32: Whether the towers compute in float32.
      efficiency: Share of the peak that matrix products reach.
    """
    limit = memory_limit(topology)
    found = [
        each
        for each in _candidates(model, topology, batch_size, scale, float32, efficiency)
        if limit is None or each.memory_bytes <= HEADROOM * limit
    ]
    return sorted(found, key=_cost)


def smallest(
    model: MemoryModel, topology: Topology, batch_size: int, scale: float = 1.0
) -> Suggestion | None:
    """Return what needs the least memory, fit or not; None if the batch has no even split."""
    candidates = _candidates(model, topology, batch_size, scale, False, EFFICIENCY)
    return min(candidates, key=lambda each: each.memory_bytes, default=None)


def largest_batch(
    model: MemoryModel,
    topology: Topology,
    batch_size: int,
    *,
    scale: float = 1.0,
    float32: bool = False,
    efficiency: float = EFFICIENCY,
) -> Suggestion | None:
    """Return the largest batch below a size that fits, laid out in the fastest way that holds it.

    None if not even an image a device fits, or the devices' memory isn't known. Memory rises
    linearly with the images, so each layout's most images are found without trying.

    Args:
      model: Of the training step.
      topology: The devices.
      batch_size: Images a step over all devices, of which no layout fits.
      scale: As in ``suggest``.
      float32: As in ``suggest``.
      efficiency: As in ``suggest``.
    """
    limit = memory_limit(topology)
    if limit is None:
        return None
    most = (batch_size - 1) // topology.num_devices
    found = []
    for remat, fsdp, parts in itertools.product(model.activations, model.states, _parts(model)):
        none, one = (model.num_bytes(size, parts, fsdp, remat, scale) for size in (0, 1))
        room = HEADROOM * limit - none
        local = min(most // parts, int(room / max(one - none, 1.0)) if room > 0 else 0)
        if local >= 1:
            choice = (local, parts, fsdp, remat)
            each = _suggestion(model, topology, choice, scale, float32, efficiency)
            images = local * parts * topology.num_devices
            found.append((-images, _cost(each), dataclasses.replace(each, batch_size=images)))
    return min(found, key=lambda item: item[:2])[2] if found else None


def _parts(model: MemoryModel) -> tuple[int, ...]:
    """Return the numbers of parts that a batch may be computed in."""
    return _PARTS if model.accumulates else (1,)


def _cost(each: Suggestion) -> tuple[float, int, int, int]:
    """Sort by time; then by the simplest: nothing again, no split, one part."""
    order = ("none", "dots", "full").index(each.remat)
    return (each.seconds or 0.0, order, each.fsdp, each.accumulation_steps)


def _candidates(
    model: MemoryModel,
    topology: Topology,
    batch_size: int,
    scale: float,
    float32: bool,
    efficiency: float,
) -> Iterator[Suggestion]:
    share, rest = divmod(batch_size, topology.num_devices)
    if rest:
        return
    parts = [count for count in _parts(model) if share % count == 0]
    for remat, fsdp, count in itertools.product(model.activations, model.states, parts):
        choice = (share // count, count, fsdp, remat)
        yield _suggestion(model, topology, choice, scale, float32, efficiency)


def _suggestion(
    model: MemoryModel,
    topology: Topology,
    choice: tuple[int, int, int, str],
    scale: float,
    float32: bool,
    efficiency: float,
) -> Suggestion:
    """Return a layout, its memory and its time; ``choice`` is as ``_seconds`` takes it."""
    local, parts, fsdp, remat = choice
    return Suggestion(
        accumulation_steps=parts,
        fsdp=fsdp,
        remat=remat,
        images=local,
        memory_bytes=round(model.num_bytes(local, parts, fsdp, remat, scale)),
        seconds=_seconds(model, topology, choice, float32, efficiency),
    )


def _seconds(
    model: MemoryModel,
    topology: Topology,
    choice: tuple[int, int, int, str],
    float32: bool,
    efficiency: float,
) -> float | None:
    local, parts, fsdp, remat = choice
    chip, kept = topology.chip, model.activations[remat]
    if chip.peak_flops is None:
        return None
    peak = chip.peak_flops * (chip.float32_ratio if float32 else 1.0)
    math = kept.flops_per_image * local * parts / (peak * efficiency)
    memory = 0.0
    if chip.memory_bandwidth is not None:
        state = model.states[fsdp]
        moved = parts * (kept.traffic_fixed + kept.traffic_per_image * local)
        memory = (moved + 4 * state.parameters + 2 * state.optimizer) / chip.memory_bandwidth
    network = 0.0
    if chip.link_bandwidth is not None and topology.num_devices > 1:
        data = topology.num_devices // fsdp
        collectives = training_collectives(
            model.leaves[fsdp], data, fsdp, parts, itemsize=4 if float32 else 2
        )
        network = sum(collective_secs(each, topology) for each in collectives)
    return max(math, memory) + network
