"""Ask the planning process, show that it works, and end it when it is no longer wanted."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, Literal

from wiseft_jax.core.cache import OFF_VARIABLE, is_disabled
from wiseft_jax.core.errors import InputError
from wiseft_jax.planning.request import Method, PlanRequest
from wiseft_jax.planning.topology import Topology, parse_topology

logger = logging.getLogger(__name__)

REPORT_SECS = 30.0
"""How often a stage that goes on says so."""

_ACCELERATOR_TYPES = {
    "v4": ("v4", 2), "v5e": ("v5litepod", 1), "v5p": ("v5p", 2), "v6e": ("v6e", 1),
    "v7x": ("tpu7x", 2),
}  # fmt: skip
"""Chip -> (name of the accelerator type, its units per chip), as Cloud TPU writes them."""


def choose_method(
    asked: Literal["auto", "compile", "abstract"], topology: Topology
) -> tuple[Method, str]:
    """Return how a step is planned, and why.

    Raises:
      InputError: If a compile is asked for and there is no compiler for the chip.
    """
    kind = topology.chip.kind
    has_libtpu = importlib.util.find_spec("libtpu") is not None
    install = "libtpu isn't installed: pip install 'wiseft-jax[tpu]'"
    if asked == "abstract":
        return "abstract", "asked for"
    if asked == "compile":
        if kind == "tpu" and not has_libtpu:
            raise InputError(f"--method compile for {topology.name}: {install}")
        if kind == "gpu":
            raise InputError(
                f"--method compile for {topology.name}: XLA compiles for a GPU only where there is"
                " one; use --method abstract"
            )
        return "compile", "asked for"
    if kind == "tpu":
        if has_libtpu:
            return "compile", "libtpu is installed"
        return "abstract", f"estimates only, for {install}"
    return "abstract", f"estimates only: there is no compiler for an absent {kind.upper()}"


def ask(request: PlanRequest) -> dict[str, Any]:
    """Return the answers of a planning process by question.

    The process is killed if this one is interrupted.

    Raises:
      InputError: If it says that the configuration is wrong.
      RuntimeError: If it fails; its last words are in the message.
    """
    command = [sys.executable, "-m", "wiseft_jax.planning.worker"]
    environment = _environment(parse_topology(request.topology), request.method)
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as words,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env=environment,
            text=True,
        ) as process,
    ):
        try:
            answers = _talk(process, request)
        except BaseException:
            process.kill()
            raise
        if process.wait() == 0:
            return answers
        if "error" in answers:
            raise InputError(answers["error"])
        words.seek(0)
        tail = "\n".join(words.read().strip().splitlines()[-20:])
        raise RuntimeError(f"the planning process ended with code {process.returncode}:\n{tail}")


def _talk(process: subprocess.Popen[str], request: PlanRequest) -> dict[str, Any]:
    """Send the request, log the stages as they come, and return the answers."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(request.to_json()))
    process.stdin.close()
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    answers: dict[str, Any] = {}
    stage, begun = "starting", time.monotonic()
    while True:
        try:
            line = lines.get(timeout=REPORT_SECS)
        except queue.Empty:
            logger.info("still %s, %.0f s", stage, time.monotonic() - begun)
            continue
        if line is None:
            return answers
        if not line.startswith("{"):
            continue  # a library's own words
        message = json.loads(line)
        if "stage" in message:
            stage, begun = message["stage"], time.monotonic()
            logger.info("%s", stage)
        elif "error" in message:
            answers["error"] = message["error"]
        else:
            answers[message["answer"]] = message["value"]


def _environment(topology: Topology, method: Method) -> dict[str, str]:
    """Return the environment in which JAX shows the topology's devices."""
    environment = dict(os.environ)
    environment.pop("XLA_FLAGS", None)
    environment["JAX_PLATFORMS"] = "cpu"
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if is_disabled():
        environment[OFF_VARIABLE] = "1"
    if topology.chip.kind == "tpu" and method == "compile":
        name, units = _ACCELERATOR_TYPES[topology.chip_name]
        chips = topology.num_devices // topology.chip.devices_per_chip
        environment |= {
            "TPU_SKIP_MDS_QUERY": "1",
            "TPU_WORKER_HOSTNAMES": "localhost",
            "TPU_ACCELERATOR_TYPE": f"{name}-{chips * units}",
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        }
    else:
        flag = f"--xla_force_host_platform_device_count={topology.num_devices}"
        environment["XLA_FLAGS"] = flag
    return environment
