"""The plan of a run: both steps on the devices asked for, their time, faults, and what fits."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import logging
from collections.abc import Mapping
from typing import Any, Literal

from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.curve_config import PassRange, expected_passes
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.planning.chips import GB, GIB, TERA
from wiseft_jax.planning.facts import CURVE, StepFacts
from wiseft_jax.planning.faults import Fault, find_faults, memory_limit
from wiseft_jax.planning.memory_model import MemoryModel
from wiseft_jax.planning.process import ask, choose_method
from wiseft_jax.planning.request import PlanRequest, Question, Step, planned_steps
from wiseft_jax.planning.roofline import EFFICIENCY, HOP_SECS, Estimate, estimate
from wiseft_jax.planning.suggest import Suggestion, largest_batch, smallest, suggest
from wiseft_jax.planning.topology import Topology, parse_topology

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
HOUR_SECS = 3600.0
_SHOWN_SUGGESTIONS = 3
_TENTH_HOUR = 0.095
"""From here on two decimals are two digits."""


@dataclasses.dataclass(frozen=True)
class PlanOptions:
    """What a plan needs beside the configuration.

    Attributes:
      topology: The devices, as ``parse_topology`` reads them.
      num_images: Size of the training set.
      num_classes: Width of the head.
      num_evaluated: Images of all the sets that the sweep reads.
      method: How steps are planned; ``auto`` compiles where it can.
      efficiency: Share of the peak that matrix products are assumed to reach.
      peak_tflops, memory_gib, bandwidth_gbs: In place of the chip's own numbers.
      verify: Whether the first suggestion is compiled too.
      num_tokens: Of the longest text, where texts are trained on; None: as many as the model reads.
    """

    topology: str
    num_images: int
    num_classes: int
    num_evaluated: int
    method: Literal["auto", "compile", "abstract"] = "auto"
    efficiency: float = EFFICIENCY
    peak_tflops: float | None = None
    memory_gib: float | None = None
    bandwidth_gbs: float | None = None
    verify: bool = False
    num_tokens: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
          InputError: Names the option, what was expected and what was found.
        """
        for name, option in (
            ("num_images", "--images"),
            ("num_classes", "--classes"),
            ("num_evaluated", "--test-images"),
        ):
            if getattr(self, name) < 1:
                raise InputError(f"{option}: expected at least 1, found {getattr(self, name)}")
        if not 0 < self.efficiency <= 1:
            raise InputError(f"--efficiency: expected a share in (0, 1], found {self.efficiency}")
        for name in ("peak_tflops", "memory_gib", "bandwidth_gbs"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(
                    f"--{name.replace('_', '-')}: expected a number > 0, found {value}"
                )

    def resolve_topology(self) -> Topology:
        """Return the devices, with the chip's numbers replaced where they were given."""
        topology = parse_topology(self.topology)
        changes: dict[str, Any] = {}
        if self.peak_tflops is not None:
            changes["peak_flops"] = self.peak_tflops * TERA
        if self.memory_gib is not None:
            changes["memory_bytes"] = round(self.memory_gib * GIB)
        if self.bandwidth_gbs is not None:
            changes["memory_bandwidth"] = self.bandwidth_gbs * GB
        chip = dataclasses.replace(topology.chip, **changes)
        return dataclasses.replace(topology, chip=chip)


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """Everything that ``wiseft plan`` says.

    Attributes:
      config: The run.
      options: What was asked.
      topology: The devices.
      why: Why it was compiled or estimated.
      total_steps: Steps of the fine-tuning.
      steps: ``train`` and ``sweep``, and before it ``heads`` where the text tower is trained.
      faults: What will break, then warnings.
      configured: The configured layout of the train step, by the estimates that ``suggestions`` are
        made with; None if it doesn't fit.
      suggestions: What else fits, the fastest first.
      tightest: What needs the least memory, if nothing fits.
      largest: The largest batch that fits, if nothing fits with the configured one; None if not
        even an image a device does.
      verified: The compiled facts of the first suggestion, when that was asked for.
    """

    config: ExperimentConfig
    options: PlanOptions
    topology: Topology
    why: str
    total_steps: int
    steps: dict[Step, tuple[StepFacts, Estimate]]
    faults: tuple[Fault, ...]
    configured: Suggestion | None
    suggestions: tuple[Suggestion, ...]
    tightest: Suggestion | None
    largest: Suggestion | None
    verified: StepFacts | None

    @property
    def works(self) -> bool:
        """Whether nothing breaks."""
        return not any(fault.breaks for fault in self.faults)

    @property
    def curve(self) -> PassRange | None:
        """The forward passes of an image that the curve takes; None if there are no nodes."""
        if self.steps["sweep"][0].backend != CURVE:
            return None
        return expected_passes(self.config.sweep.curve, self.config.sweep.alphas)

    def num_batches(self, step: Step) -> int:
        """Return how many batches there are: of the fine-tuning, or that the sweep reads.

        Of ``heads``: how many heads.
        """
        if step == "train":
            return self.total_steps
        if step == "heads":
            return len(self.config.sweep.alphas)
        return -(-self.options.num_evaluated // self.steps["sweep"][0].images)

    def calls(self, step: Step) -> tuple[float, float]:
        """Return how often a step runs for a batch, at least and at most.

        Of a curve these are shares of its first nodes, for later ones and direct evaluation cost as
        much an alpha.
        """
        facts, curve = self.steps[step][0], self.curve
        if step != "sweep":
            return 1.0, 1.0
        if curve is not None:
            return curve.low / facts.passes, curve.high / facts.passes
        if self.config.sweeps_curve:
            return 1.0, 1.0  # both ends, which settle every alpha
        count = float(-(-len(self.config.sweep.alphas) // facts.alphas))
        return count, count

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        chip = self.topology.chip
        packages = ("wiseft-jax", "jax", "libtpu")
        return {
            "schema_version": SCHEMA_VERSION,
            "config": self.config.name,
            "model": dataclasses.asdict(self.config.model),
            "topology": {
                "name": self.topology.name,
                "devices": self.topology.num_devices,
                "hosts": self.topology.num_hosts,
                **dataclasses.asdict(chip),
                "sources": list(chip.sources),
            },
            "mesh": dict(
                zip(
                    ("data", "fsdp", "alpha"),
                    self.config.mesh.sizes(self.topology.num_devices),
                    strict=True,
                )
            ),
            "why": self.why,
            "assumptions": {"efficiency": self.options.efficiency, "hop_secs": HOP_SECS},
            "memory_limit_bytes": memory_limit(self.topology),
            "works": self.works,
            "first_to_break": next((f.what for f in self.faults if f.breaks), None),
            "faults": [dataclasses.asdict(fault) for fault in self.faults],
            "steps": {name: self._step_json(name) for name in self.steps},
            "configured": _json(self.configured),
            "suggestions": [each.to_json() for each in self.suggestions],
            "tightest": _json(self.tightest),
            "largest_batch": _json(self.largest),
            "verified": _json(self.verified),
            "versions": {name: _version(name) for name in packages},
        }

    def _step_json(self, step: Step) -> dict[str, Any]:
        facts, times = self.steps[step]
        batches, (low, high) = self.num_batches(step), self.calls(step)
        secs = {"overlapped": times.overlapped, "exposed": times.exposed}
        of_batch = {
            name: None if each is None else each * (low if name == "overlapped" else high)
            for name, each in secs.items()
        }
        curve = self.curve if step == "sweep" else None
        return facts.to_json() | {
            "memory_bytes": facts.memory_bytes,
            "steps": batches * int(low),
            "passes_per_image": {"low": facts.passes * low, "high": facts.passes * high},
            "curve": None if curve is None else curve.to_json(),
            "secs": {
                "math": times.math,
                "memory": times.memory,
                "network": times.network,
                **secs,
            },
            "bound": times.bound,
            "images_per_sec": {
                name: None if not each else facts.images / each for name, each in of_batch.items()
            },
            "hours": {
                name: None if each is None else batches * each / HOUR_SECS
                for name, each in of_batch.items()
            },
        }


def make_plan(config: ExperimentConfig, options: PlanOptions) -> RunPlan:
    """Return the plan of a run.

    Args:
      config: The run.
      options: The devices, and how many images and classes there are.

    Raises:
      InputError: If the configuration doesn't fit the model or the devices.
    """
    topology = options.resolve_topology()
    sizes = config.mesh.sizes(topology.num_devices)
    method, why = choose_method(options.method, topology)
    logger.info("%s: method %s (%s)", topology.name, method, why)
    named = planned_steps(config)
    questions: tuple[Question, ...] = (*named, "model")
    request = PlanRequest(
        config,
        options.topology,
        options.num_images,
        options.num_classes,
        questions,
        method,
        options.num_tokens,
    )
    answers = ask(request)
    plan = config.training.plan(options.num_images, topology.num_devices)
    efficiency: dict[str, Any] = {"efficiency": options.efficiency}
    steps: dict[Step, tuple[StepFacts, Estimate]] = {}
    for step in named:
        facts = StepFacts.from_json(answers[step])
        float32 = computes_float32(config, step)
        steps[step] = (facts, estimate(facts, topology, float32=float32, **efficiency))
    assumed = {"float32": computes_float32(config, "train"), **efficiency}
    model = MemoryModel.from_json(answers["model"])
    train = steps["train"][0]
    scale = _scale(model, train, config, plan.batch_size // topology.num_devices, sizes[1])
    found = suggest(model, topology, plan.batch_size, scale=scale, **assumed)
    tightest = largest = None
    if not found:
        tightest = smallest(model, topology, plan.batch_size, scale)
        largest = largest_batch(model, topology, plan.batch_size, scale=scale, **assumed)
    own = config.training.accumulation_steps, sizes[1], config.model.remat
    others = [each for each in found if each.layout != own]
    verified = None
    if options.verify and others:
        changed = dataclasses.replace(
            request, config=follow(config, others[0]), questions=("train",)
        )
        verified = StepFacts.from_json(ask(changed)["train"])
    return RunPlan(
        config=config,
        options=options,
        topology=topology,
        why=why,
        total_steps=plan.total_steps,
        steps=steps,
        faults=tuple(find_faults(config.training, plan, topology.num_devices, steps, topology)),
        configured=None if train.too_large else _first(found, own),
        suggestions=tuple(others[:_SHOWN_SUGGESTIONS]),
        tightest=tightest,
        largest=largest,
        verified=verified,
    )


def computes_float32(config: ExperimentConfig, step: Step) -> bool:
    """Return whether a step's products are of float32 numbers; those of heads always are.

    Args:
      config: The run.
      step: Which.
    """
    return step == "heads" or config.model.compute_dtype == "float32"


def hours_text(hours: Mapping[str, float | None] | None) -> str:
    """Return ``"0.094 to 0.10"``: hours when all collectives are hidden, to when none is.

    Args:
      hours: ``{"overlapped", "exposed"}``, as the JSON of a step has them; None is not known.
    """
    values = [] if hours is None else [hours["overlapped"], hours["exposed"]]
    known = [each for each in values if each is not None]
    return "not known" if len(known) < 2 else range_text(*known)


def range_text(low: float, high: float) -> str:
    """Return hours as text, ``"0.094 to 0.10"``; once, where both are the same."""
    texts = [f"{each:,.2f}" if each >= _TENTH_HOUR else f"{each:.2g}" for each in (low, high)]
    return " to ".join(dict.fromkeys(texts))


def _json(value: Suggestion | StepFacts | None) -> dict[str, Any] | None:
    return None if value is None else value.to_json()


def _first(found: list[Suggestion], layout: tuple[int, int, str]) -> Suggestion | None:
    return next((each for each in found if each.layout == layout), None)


def follow(config: ExperimentConfig, suggestion: Suggestion) -> ExperimentConfig:
    """Return the configuration with a suggestion followed."""
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, remat=suggestion.remat),
        training=dataclasses.replace(
            config.training, accumulation_steps=suggestion.accumulation_steps
        ),
        mesh=dataclasses.replace(config.mesh, data=-1, fsdp=suggestion.fsdp),
    )


def _scale(
    model: MemoryModel, facts: StepFacts, config: ExperimentConfig, share: int, fsdp: int
) -> float:
    """Return what a compiled step needs of the gradients and activations that are predicted.

    It is fitted on the configured rematerialisation and taken for the others, where it is a guess;
    ``PlanOptions.verify`` compiles the first suggestion.
    """
    if facts.method != "compile" or facts.too_large is not None:
        return 1.0
    parts = config.training.accumulation_steps
    local = max(share // parts, 1)
    whole = model.num_bytes(local, parts, fsdp, config.model.remat)
    held = model.num_bytes(local, parts, fsdp, config.model.remat, scale=0.0)
    return facts.memory["temporaries"] / (whole - held)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
