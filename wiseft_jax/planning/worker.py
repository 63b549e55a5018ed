"""The planning process: ``python -m wiseft_jax.planning.worker``, a request in, facts out.

It is a process of its own because a compiler for devices that aren't there is set up by environment
variables before JAX starts, doesn't let go of them, and may have to be killed. It reads one request
as JSON from stdin and writes one JSON object a line to stdout: ``{"stage": ...}`` while it works,
``{"answer": QUESTION, "value": ...}`` for each question, ``{"error": ...}`` for what the user can
mend.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import re
import sys
import time
from typing import Any, get_args

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.hashing import hash_bytes, hash_json
from wiseft_jax.core.typing import Remat
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.plan_cache import load_plan, store_plan
from wiseft_jax.planning.request import Method, PlanRequest, Question, Step
from wiseft_jax.planning.topology import Topology, parse_topology

COUNTING_VERSION = 5
"""Raised when programs are counted in another way, so that stored facts don't mix."""

_ONE_DEVICE_A_CHIP = {"v4": "megacore"}
"""Chips of two cores that run as one device, as they do in a Cloud TPU machine."""

_TEMPORARIES = re.compile(r"HLO temporaries \(([\d.]+)([KMGT])\)")
"""How XLA for TPUs says what a program would have needed."""

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def main() -> int:
    """Read a request, answer it, and return the exit code."""
    from wiseft_jax.core.platform import compiling_for

    try:
        request = PlanRequest.from_json(json.load(sys.stdin))
        with compiling_for(parse_topology(request.topology).chip.kind):
            for question in request.questions:
                _say({"answer": question, "value": answer(request, question)})
    except InputError as error:
        _say({"error": str(error)})
        return 2
    return 0


def answer(request: PlanRequest, question: Question) -> dict[str, Any]:
    """Return the facts of a step, or the memory model, as JSON values.

    Raises:
      InputError: If the configuration doesn't fit the model or the devices.
    """
    topology = parse_topology(request.topology)
    _say({"stage": f"{question}: tracing"})
    if question == "model":
        return _memory_model(request, topology).to_json()
    job = make_job(request, topology)
    if request.method == "compile" and question != "heads":  # which one device makes
        return _compiled_facts(job, question, topology).to_json()
    return _abstract_facts(job, question).to_json()


def _abstract_facts(job: Any, step: Step) -> StepFacts:
    from wiseft_jax.planning.abstract import abstract_train_facts
    from wiseft_jax.planning.abstract_sweep import abstract_sweep_facts
    from wiseft_jax.planning.heads_step import abstract_heads_facts

    facts = {"train": abstract_train_facts, "heads": abstract_heads_facts}
    return facts.get(step, abstract_sweep_facts)(job)


def _memory_model(request: PlanRequest, topology: Topology) -> Any:
    """Return the memory model over what the tower can rematerialise and the devices can split."""
    from wiseft_jax.planning.memory_trace import trace_memory

    model = request.config.model
    choices = (model.remat, *(each for each in get_args(Remat) if each != model.remat))
    jobs = {}
    for remat in choices:
        config = dataclasses.replace(request.config.model, remat=remat)
        changed = dataclasses.replace(request.config, model=config)
        jobs[remat] = make_job(dataclasses.replace(request, config=changed), topology)
    devices = topology.num_devices
    _, given, alpha = request.config.mesh.sizes(devices)
    splits = {1, given, *(2**power for power in range(1, devices.bit_length()))}
    return trace_memory(jobs, sorted(size for size in splits if devices % (size * alpha) == 0))


def make_job(request: PlanRequest, topology: Topology) -> Any:
    """Return the ``Job`` of a request: the classifier's shapes on the topology's devices."""
    from wiseft_jax.core.mesh import Layout, make_mesh
    from wiseft_jax.planning.model import abstract_classifier
    from wiseft_jax.planning.steps import Job

    mesh = make_mesh(config=request.config.mesh, devices=devices_of(topology, request.method))
    text: dict[str, Any] = {"two_towers": request.config.trains_text}
    text["num_tokens"] = request.num_tokens
    classifier, theta = abstract_classifier(request.config.model, request.num_classes, **text)
    layout = Layout(mesh, request.config.mesh)
    return Job(request.config, classifier, theta, request.num_images, layout, topology.chip.kind)


def devices_of(topology: Topology, method: Method) -> list[Any]:
    """Return the devices of a topology: libtpu's to compile for a TPU, otherwise virtual CPUs.

    Raises:
      InputError: If libtpu doesn't know the slice.
    """
    import jax

    if topology.chip.kind != "tpu" or method == "abstract":
        devices = jax.devices("cpu")
        if len(devices) < topology.num_devices:
            raise InputError(
                f"{topology.name}: needs {topology.num_devices} virtual devices, this process has"
                f" {len(devices)}; it must start with"
                f" XLA_FLAGS=--xla_force_host_platform_device_count={topology.num_devices}"
            )
        return devices[: topology.num_devices]
    from jax.experimental import topologies

    name = {"v7x": "tpu7x"}.get(topology.chip_name, topology.chip_name)
    size = topology.name.split(":")[1]
    extra = _ONE_DEVICE_A_CHIP.get(topology.chip_name)
    try:
        description = topologies.get_topology_desc(
            platform="tpu",
            topology_name=f"{name}:{size}",
            **({"chip_config_name": extra} if extra else {}),
        )
    except Exception as error:  # JAX's own types differ by version
        raise InputError(f"--topology {topology.name}: libtpu refuses it ({error})") from error
    return list(description.devices)


def _compiled_facts(job: Any, step: Step, topology: Topology) -> StepFacts:
    from wiseft_jax.planning.abstract_sweep import known_facts, with_reading
    from wiseft_jax.planning.hlo import count_program, largest_arrays
    from wiseft_jax.planning.jaxpr import count_jaxpr
    from wiseft_jax.planning.steps import trace_train_step
    from wiseft_jax.planning.sweep_step import trace_sweep_step

    begun = time.monotonic()
    sweep = trace_sweep_step(job) if step == "sweep" else None
    if sweep is None:
        traced, taken = trace_train_step(job), 1.0
        flops = count_jaxpr(traced.jaxpr).flops
        known = {"images": job.plan.batch_size, "passes": 1, "traced_flops": flops}
    else:
        traced, taken, known = sweep.step, sweep.taken, known_facts(sweep)
    _say({"stage": f"{step}: lowering"})
    lowered = traced.lower()
    key = cache_key(lowered.as_text(), topology, {"step": step, **known})
    found = load_plan(key)
    if found is not None:
        _say({"stage": f"{step}: found in the cache"})
        return StepFacts.from_json(found)
    _say({"stage": f"{step}: compiling for {topology.num_devices} devices"})
    compiled, refused = _compile(lowered)
    if compiled is None:
        facts = _refused_facts(job, step, refused)
    else:
        text = compiled.as_text()
        facts = StepFacts(
            step=step,
            method="compile",
            counts=count_program(text, topology.num_devices, taken),
            memory=_memory(compiled.memory_analysis()),
            largest=tuple(largest_arrays(text)),
            **known,
        )
        facts = facts if sweep is None else with_reading(facts, sweep)
    facts = dataclasses.replace(facts, seconds=time.monotonic() - begun)
    store_plan(key, facts.to_json())
    return facts


def _compile(lowered: Any) -> tuple[Any, str]:
    """Return the program, or None and XLA's words if it doesn't fit into the device's memory."""
    from jax.errors import JaxRuntimeError

    try:
        return lowered.compile(), ""
    except JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return None, str(error)


def _refused_facts(job: Any, step: Step, refused: str) -> StepFacts:
    """Return estimates, with the temporaries that XLA says it would need."""
    facts = _abstract_facts(job, step)
    named = _TEMPORARIES.search(refused)
    if named is not None:
        held = ("parameters", "optimizer", "both ends", "batch")
        memory = {name: size for name, size in facts.memory.items() if name in held}
        memory["temporaries"] = round(float(named.group(1)) * _UNITS[named.group(2)])
        facts = dataclasses.replace(facts, memory=memory)
    return dataclasses.replace(facts, too_large=refused)


def _memory(stats: Any) -> dict[str, int]:
    return {
        "arguments": stats.argument_size_in_bytes,
        "results beside them": stats.output_size_in_bytes - stats.alias_size_in_bytes,
        "temporaries": stats.temp_size_in_bytes,
        "program": stats.generated_code_size_in_bytes,
    }


def cache_key(program: str, topology: Topology, kept: dict[str, Any]) -> str:
    """Return the key of a compiled step: the program, its compiler, and what is kept beside both.

    Sweeps of 10 and of 11 alphas may be one program: what differs is ``kept``.
    """
    packages = ["jax", "jaxlib", *(["libtpu"] if topology.chip.kind == "tpu" else [])]
    return hash_json(
        {
            "program": hash_bytes(program.encode()),
            "topology": topology.name,
            **kept,
            "flags": os.environ.get("LIBTPU_INIT_ARGS", ""),
            "versions": {name: importlib.metadata.version(name) for name in packages},
            "counting": COUNTING_VERSION,
        }
    )


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
