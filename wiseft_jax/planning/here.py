"""Estimate a run on the devices that this program has: memory, and time where rates are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from wiseft_jax.clip.classifier import Classifier
from wiseft_jax.core.mesh import Layout
from wiseft_jax.core.typing import Params
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.planning.abstract import abstract_train_facts
from wiseft_jax.planning.abstract_sweep import abstract_sweep_facts
from wiseft_jax.planning.chips import CHIPS, Chip
from wiseft_jax.planning.faults import find_faults
from wiseft_jax.planning.heads_step import abstract_heads_facts
from wiseft_jax.planning.plan import PlanOptions, RunPlan, computes_float32
from wiseft_jax.planning.request import Step, planned_steps
from wiseft_jax.planning.roofline import estimate
from wiseft_jax.planning.steps import Job
from wiseft_jax.planning.topology import Topology

DEVICE_KINDS = {
    "TPU v4": "v4",
    "TPU v5 lite": "v5e",
    "TPU v5e": "v5e",
    "TPU v5": "v5p",
    "TPU v5p": "v5p",
    "TPU v6 lite": "v6e",
    "TPU v6e": "v6e",
    "TPU7x": "v7x",
    "NVIDIA H100 80GB HBM3": "h100",
    "NVIDIA H200": "h200",
    "NVIDIA A100-SXM4-80GB": "a100",
    "NVIDIA A100-SXM4-40GB": "a100-40",
}
"""JAX's name of a device -> the chip; another name, another board: its rates aren't known."""

_UNKNOWN = "unknown"


def topology_of(devices: Sequence[Any]) -> Topology:
    """Return what is known of devices: the chip's numbers, or a chip without any.

    Args:
      devices: Of one kind, as JAX shows them.
    """
    first, count = devices[0], len(devices)
    name = DEVICE_KINDS.get(first.device_kind, _UNKNOWN)
    if name == _UNKNOWN:
        kind = first.platform if first.platform in ("tpu", "gpu") else "cpu"
        chip = Chip(kind, first.device_kind, None, 1.0, None, None, None, None, 0, 0, count, 1, ())
        return Topology(f"{first.device_kind} x {count}", name, chip, (1, count))
    chip = CHIPS[name]
    if chip.kind == "tpu":
        places = [device.coords[: chip.axes] for device in devices]
        shape = tuple(max(axis) - min(axis) + 1 for axis in zip(*places, strict=True))
    else:
        hosts = len({device.process_index for device in devices})
        shape = (hosts, math.ceil(count / hosts))
    return Topology(f"{name}:{'x'.join(map(str, shape))}", name, chip, shape)


def plan_here(
    config: ExperimentConfig,
    classifier: Classifier,
    theta: Params,
    *,
    num_images: int,
    num_evaluated: int,
    caption_tokens: int | None = None,
) -> RunPlan:
    """Return the plan of a run on this program's devices, estimated from traces; nothing compiles.

    Args:
      config: The run.
      classifier: Its functions.
      theta: The classifier's tree, as ``jax.ShapeDtypeStruct``.
      num_images: Size of the training set.
      num_evaluated: Images of all the sets that the sweep reads.
      caption_tokens: As ``Job`` takes it.

    Raises:
      InputError: If the configuration doesn't fit the devices.
    """
    layout = Layout.of(config.mesh)
    topology = topology_of(layout.mesh.devices.reshape(-1).tolist())
    platform = topology.chip.kind
    job = Job(config, classifier, theta, num_images, layout, platform, caption_tokens)
    of_step = {
        "train": abstract_train_facts,
        "heads": abstract_heads_facts,
        "sweep": abstract_sweep_facts,
    }
    steps: dict[Step, Any] = {}
    for step in planned_steps(config):
        facts = of_step[step](job)
        float32 = computes_float32(config, step)
        steps[step] = (facts, estimate(facts, topology, float32=float32))
    plan, count = job.plan, topology.num_devices
    options = PlanOptions(
        topology=topology.name,
        num_images=num_images,
        num_classes=job.num_classes,
        num_evaluated=num_evaluated,
        method="abstract",
    )
    return RunPlan(
        config=config,
        options=options,
        topology=topology,
        why="estimated from the trace",
        total_steps=plan.total_steps,
        steps=steps,
        faults=tuple(find_faults(config.training, plan, count, steps, topology)),
        configured=None,
        suggestions=(),
        tightest=None,
        largest=None,
        verified=None,
    )
