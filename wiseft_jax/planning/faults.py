"""What will break, the first thing first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.request import Step
from wiseft_jax.planning.roofline import Estimate
from wiseft_jax.planning.topology import Topology
from wiseft_jax.training.config import TWO_TOWER_RECIPES, Plan, TrainConfig

IMAGES_PER_CORE_SECOND = 306.0
"""JPEG images of 500 pixels that one CPU core decodes and resizes in a second: the least of the 306
to 344 in docs/benchmarks.md."""

_FEW_CORES = 4.0
"""Cores a host that decoding may need without a warning; any accelerator's host has these."""

GPU_MEMORY_FRACTION = 0.75
"""The share of a GPU's memory that JAX takes (XLA_PYTHON_CLIENT_MEM_FRACTION)."""

TPU_RESERVED_BYTES = 2**28
"""What XLA leaves alone on a TPU: it grants 15.75 GiB of a v5e's 16."""

_TIGHT = 0.9
_FEW_IMAGES = 8
_COUNTED = 0.85
"""Least share of the traced FLOPs in the program; dropping unused work takes up to 15 % of it."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that will break, or will be slow.

    Attributes:
      breaks: Whether the run can't work; otherwise it is a warning.
      what: One line, with the numbers.
      fix: What to do.
    """

    breaks: bool
    what: str
    fix: str


def memory_limit(topology: Topology) -> int | None:
    """Return the bytes that a program may use on a device, or None if they aren't known."""
    size = topology.chip.memory_bytes
    if size is None:
        return None
    if topology.chip.kind == "gpu":
        return round(size * GPU_MEMORY_FRACTION)
    return size - TPU_RESERVED_BYTES if topology.chip.kind == "tpu" else size


def find_faults(
    config: TrainConfig,
    plan: Plan,
    shards: int,
    steps: Mapping[Step, tuple[StepFacts, Estimate]],
    topology: Topology,
) -> list[Fault]:
    """Return what will break, in the order in which a run would meet it; warnings come after.

    Args:
      config: How to fine-tune.
      plan: The steps that it makes.
      shards: Devices that share a batch.
      steps: As ``RunPlan`` has them.
      topology: The devices.
    """
    found = [*_batch_faults(config, plan, shards), *_schedule_faults(config, plan)]
    for name, (facts, estimate) in steps.items():
        found += _memory_faults(name, facts, topology, config.recipe)
        found += _counting_faults(name, facts, topology)
        found += _network_faults(name, estimate)
    train = steps.get("train")
    if train is not None and config.recipe != "linear_probe":
        found += _decoding_faults(train[0], train[1], topology)
    if config.recipe == "linear_probe":
        found.append(
            Fault(
                False,
                "the pass of the tower over all training images, which makes the features, isn't"
                " counted; the train step is the head's alone",
                "take that pass as the sweep's time of an image, over its forward passes",
            )
        )
    return sorted(found, key=lambda fault: not fault.breaks)


def _batch_faults(config: TrainConfig, plan: Plan, shards: int) -> list[Fault]:
    parts = config.accumulation_steps
    found = []
    if config.batch_size < shards * parts or plan.num_examples < shards * parts:
        found.append(
            Fault(
                True,
                f"a batch of {min(config.batch_size, plan.num_examples)} images is less than one"
                f" image for each of {shards} devices in {parts} part(s)",
                "use fewer devices, a larger training.batch_size, or a smaller"
                " training.accumulation_steps",
            )
        )
    elif plan.batch_size != config.batch_size:
        found.append(
            Fault(
                False,
                f"training.batch_size {config.batch_size} becomes {plan.batch_size}: it must be a"
                f" multiple of {shards} devices x {parts} part(s), and at most the training set",
                f"give training.batch_size {plan.batch_size}, so that the run says what it does",
            )
        )
    local = plan.batch_size // (shards * parts)
    if 0 < local < _FEW_IMAGES:
        found.append(
            Fault(
                False,
                f"only {local} image(s) a device at a time: matrix products are too small for the"
                " efficiency that the times assume",
                "use fewer devices, a larger batch, or fewer accumulation steps",
            )
        )
    return found


def _schedule_faults(config: TrainConfig, plan: Plan) -> list[Fault]:
    if plan.total_steps > plan.warmup_steps:
        return []
    return [
        Fault(
            False,
            f"the learning rate never leaves warm-up: {plan.total_steps} steps,"
            f" {plan.warmup_steps} of warm-up",
            "give training.warmup_fraction 0.1, or a smaller training.warmup_steps",
        )
    ]


def _memory_faults(name: Step, facts: StepFacts, topology: Topology, recipe: str) -> list[Fault]:
    limit = memory_limit(topology)
    needed = facts.memory_bytes
    if limit is None or (facts.too_large is None and needed <= _TIGHT * limit):
        return []
    guess = "" if facts.method == "compile" else " (an estimate, on the high side)"
    guess = guess if facts.too_large is None else ", says XLA, which refuses it"
    largest = f"; the largest array is {facts.largest[0][0]}" if facts.largest else ""
    has = f"the {name} step needs {needed / 2**30:.2f} GiB a device{guess}"
    parts = "" if recipe in TWO_TOWER_RECIPES else "raise training.accumulation_steps, "
    fix = {
        "train": f"{parts}set model.tower scan and model.remat dots or full, or split parameters"
        " with mesh.fsdp",
        "heads": "make the heads where there is more memory: one device has both text towers",
        "sweep": "lower sweep.batch_size or sweep.chunk_size, or split parameters with mesh.fsdp",
    }[name]
    if facts.too_large is not None or needed > limit:
        over = max(needed - limit, 0) / 2**30
        what = f"{has}, {over:.2f} more than the {limit / 2**30:.2f} that there are{largest}"
        return [Fault(True, what, fix)]
    return [Fault(False, f"{has}, close to the {limit / 2**30:.2f} that there are{largest}", fix)]


def _counting_faults(name: str, facts: StepFacts, topology: Topology) -> list[Fault]:
    """Return what makes the counts of a compiled program too low."""
    found = []
    if facts.counts.unknown_loops:
        loops = ", ".join(facts.counts.unknown_loops)
        found.append(
            Fault(
                False,
                f"how often loops of the {name} step run isn't known, each counts once: {loops}",
                "take its FLOPs, traffic, collectives and times as too low",
            )
        )
    share = topology.num_devices * facts.counts.flops / max(facts.traced_flops, 1.0)
    if facts.method == "compile" and facts.too_large is None and share < _COUNTED:
        found.append(
            Fault(
                False,
                f"{share:.0%} of the {name} step's traced FLOPs are found in the compiled program:"
                " the rest was dropped by the compiler, or lies in custom calls, which count 0",
                "take its time of products as too low",
            )
        )
    return found


def _network_faults(name: str, estimate: Estimate) -> list[Fault]:
    if not estimate.network or not estimate.exposed or 2 * estimate.network < estimate.exposed:
        return []
    share = estimate.network / estimate.exposed
    return [
        Fault(
            False,
            f"collectives take {share:.0%} of the {name} step if none is hidden",
            "use fewer devices, a larger batch, or less splitting (mesh.fsdp)",
        )
    ]


def _decoding_faults(facts: StepFacts, estimate: Estimate, topology: Topology) -> list[Fault]:
    if not estimate.overlapped:
        return []
    rate = facts.images / estimate.overlapped / topology.num_hosts
    cores = rate / IMAGES_PER_CORE_SECOND
    if cores < _FEW_CORES:
        return []
    return [
        Fault(
            False,
            f"each of {topology.num_hosts} host(s) must decode up to {rate:,.0f} images/s: about"
            f" {cores:.0f} cores for JPEGs of 500 pixels",
            "store images near the model's size, or set training.num_workers on hosts of many"
            " cores; otherwise the devices wait",
        )
    ]
