"""Whether a program runs as several processes, and how they find each other; no JAX is imported."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, Literal

from wiseft_jax.core.clusters import Cluster, find_cluster
from wiseft_jax.core.errors import InputError

VARIABLES = {
    "coordinator": "JAX_COORDINATOR_ADDRESS",
    "num_processes": "JAX_NUM_PROCESSES",
    "process_id": "JAX_PROCESS_ID",
}
"""Environment variables that stand in for options that aren't given."""


@dataclasses.dataclass(frozen=True)
class Rendezvous:
    """Where the processes meet; None is left for JAX to detect.

    Attributes:
      found: What was found, for the log.
      coordinator: ``HOST:PORT`` of process 0.
      num_processes: How many there are.
      process_id: Which one this is.
      cluster: JAX's name of the environment that tells it the rest.
    """

    found: str
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None
    cluster: str | None = None


@dataclasses.dataclass(frozen=True)
class DistributedConfig:
    """One process a host (or a GPU), all started with the same command.

    TPU pods, GKE, SLURM and Open MPI 4 are found by their environment; elsewhere give the first
    three.
    """

    mode: Literal["auto", "on", "off"] = "auto"
    """`auto`: several processes if options or the environment say so; `off`: this one alone."""
    coordinator: str | None = None
    """HOST:PORT of process 0, where the processes meet; also JAX_COORDINATOR_ADDRESS."""
    num_processes: int | None = None
    """How many processes there are; also JAX_NUM_PROCESSES."""
    process_id: int | None = None
    """Which one this is, from 0; also JAX_PROCESS_ID."""
    init_timeout_secs: int = 300
    """How long to wait for the others at the start."""
    heartbeat_timeout_secs: int = 100
    """After how long without a sign of life a host counts as lost."""
    shutdown_timeout_secs: int = 120
    """How long to wait for the others at the end."""

    def __post_init__(self) -> None:
        """Check every field by itself.

        Raises:
          InputError: Names the field, what was expected and what was found.
        """
        if self.coordinator is not None:
            _check_address(self.coordinator, "distributed.coordinator")
        for name, least in (
            ("num_processes", 1),
            ("process_id", 0),
            ("init_timeout_secs", 1),
            ("heartbeat_timeout_secs", 1),
            ("shutdown_timeout_secs", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"distributed.{name}: expected at least {least}, found {value}")

    def rendezvous(self, environment: Mapping[str, str] | None = None) -> Rendezvous | None:
        """Return where the processes meet; None if this one is alone.

        Args:
          environment: Environment variables; those of this process by default.

        Raises:
          InputError: If options (or their variables) are incomplete or contradict each other.
        """
        environment = os.environ if environment is None else environment
        if self.mode == "off":
            return None
        given = {name: self._given(name, environment) for name in VARIABLES}
        missing = [name for name, value in given.items() if value is None]
        if not missing:
            return self._by_options(given)
        cluster = find_cluster(environment)
        if cluster is not None:
            return _by_cluster(cluster, given)
        if len(missing) < len(VARIABLES):
            raise InputError(
                f"distributed: {' and '.join(missing)} missing: without a cluster that tells, give"
                " --distributed.coordinator HOST:PORT, --distributed.num-processes and"
                f" --distributed.process-id, or {', '.join(VARIABLES.values())} (to run alone:"
                " --distributed.mode off)"
            )
        if self.mode == "on":
            raise InputError(
                "distributed.mode on: no other processes are named, and no TPU pod, GKE, SLURM or"
                " Open MPI environment was found; give --distributed.coordinator HOST:PORT,"
                " --distributed.num-processes and --distributed.process-id"
            )
        return None

    def _given(self, name: str, environment: Mapping[str, str]) -> Any:
        value = getattr(self, name)
        variable = VARIABLES[name]
        text = environment.get(variable, "")
        if value is not None or not text:
            return value
        if name == "coordinator":
            _check_address(text, variable)
            return text
        if not text.isdecimal():
            raise InputError(f"{variable}: expected an integer >= 0, found {text!r}")
        return int(text)

    def _by_options(self, given: Mapping[str, Any]) -> Rendezvous | None:
        coordinator, num_processes, process_id = (given[name] for name in VARIABLES)
        if process_id >= num_processes:
            raise InputError(
                f"distributed.process_id: expected 0 to {num_processes - 1} (num_processes is"
                f" {num_processes}), found {process_id}"
            )
        if num_processes == 1 and self.mode == "auto":
            return None
        found = f"process {process_id} of {num_processes}, meeting at {coordinator}"
        return Rendezvous(found, coordinator, num_processes, process_id)


def _by_cluster(cluster: Cluster, given: Mapping[str, Any]) -> Rendezvous:
    coordinator = given["coordinator"]
    if cluster.needs_coordinator and coordinator is None:
        raise InputError(
            f"{cluster.found}, which doesn't say where process 0 is: give"
            " --distributed.coordinator HOST:PORT (a host and a free port of process 0), or run"
            " alone with --distributed.mode off"
        )
    return Rendezvous(
        cluster.found,
        coordinator,
        cluster.num_processes if given["num_processes"] is None else given["num_processes"],
        cluster.process_id if given["process_id"] is None else given["process_id"],
        cluster.jax_name,
    )


def _check_address(address: str, where: str) -> None:
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16):
        raise InputError(
            f"{where}: expected HOST:PORT, for example 10.0.0.1:8476, found {address!r}"
        )
