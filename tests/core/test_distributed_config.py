"""When a program runs as several processes, and where they meet."""

from __future__ import annotations

from typing import Any

import pytest

from wiseft_jax.core import clusters
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import InputError

OPTIONS: dict[str, Any] = {"coordinator": "10.0.0.1:8476", "num_processes": 4, "process_id": 3}
VARIABLES = {
    "JAX_COORDINATOR_ADDRESS": "10.0.0.1:8476",
    "JAX_NUM_PROCESSES": "4",
    "JAX_PROCESS_ID": "3",
}
SLURM = {
    "SLURM_JOB_ID": "7001",
    "SLURM_STEP_NODELIST": "node[01-02]",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "0",
}


@pytest.fixture(autouse=True)
def no_tpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "has_tpu", lambda environment: False)


def test_alone_by_default():
    assert DistributedConfig().rendezvous({}) is None


@pytest.mark.parametrize(
    ("options", "environment"), [(OPTIONS, {}), ({}, VARIABLES), (OPTIONS, SLURM)]
)
def test_options_and_their_variables(options: dict[str, Any], environment: dict[str, str]):
    found = DistributedConfig(**options).rendezvous(environment)
    assert found is not None
    assert (found.coordinator, found.num_processes, found.process_id) == ("10.0.0.1:8476", 4, 3)
    assert found.cluster is None
    assert found.found == "process 3 of 4, meeting at 10.0.0.1:8476"


def test_an_option_wins_over_its_variable():
    found = DistributedConfig(process_id=0).rendezvous(VARIABLES)
    assert found is not None
    assert found.process_id == 0


def test_off_wins_over_everything():
    assert DistributedConfig(mode="off", **OPTIONS).rendezvous({**SLURM, **VARIABLES}) is None


def test_one_process_is_alone_unless_told_otherwise():
    options: dict[str, Any] = {"coordinator": "localhost:1234", "num_processes": 1, "process_id": 0}
    assert DistributedConfig(**options).rendezvous({}) is None
    assert DistributedConfig(mode="on", **options).rendezvous({}) is not None


def test_a_cluster_tells_jax_and_the_options_what_they_know():
    found = DistributedConfig().rendezvous(SLURM)
    assert found is not None
    assert (found.cluster, found.coordinator, found.num_processes) == ("slurm", None, None)
    assert found.found == "SLURM: task 1 of 2 in job 7001"
    found = DistributedConfig(coordinator="login:4000").rendezvous(SLURM)
    assert found is not None
    assert (found.cluster, found.coordinator) == ("slurm", "login:4000")


def test_open_mpi_5_needs_a_coordinator():
    environment = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}
    with pytest.raises(InputError, match=r"rank 1 of 2, which doesn't say .*--distributed.coordin"):
        DistributedConfig().rendezvous(environment)
    found = DistributedConfig(coordinator="node01:4000").rendezvous(environment)
    assert found is not None
    assert (found.cluster, found.num_processes, found.process_id) == (None, 2, 1)


@pytest.mark.parametrize(
    ("changes", "environment", "message"),
    [
        ({"coordinator": "10.0.0.1"}, {}, "coordinator: expected HOST:PORT, .* found '10.0.0.1'"),
        ({"coordinator": "host:99999"}, {}, "coordinator: expected HOST:PORT"),
        ({"num_processes": 0}, {}, "num_processes: expected at least 1, found 0"),
        ({"process_id": -1}, {}, "process_id: expected at least 0, found -1"),
        ({"init_timeout_secs": 0}, {}, "init_timeout_secs: expected at least 1"),
        ({"heartbeat_timeout_secs": 0}, {}, "heartbeat_timeout_secs: expected at least 1"),
        ({"shutdown_timeout_secs": 0}, {}, "shutdown_timeout_secs: expected at least 1"),
        ({"coordinator": "host:1"}, {}, "num_processes and process_id missing"),
        ({"process_id": 1}, {}, "coordinator and num_processes missing"),
        ({**OPTIONS, "process_id": 4}, {}, "process_id: expected 0 to 3 .* found 4"),
        ({"mode": "on"}, {}, "mode on: no other processes are named"),
        ({}, {"JAX_PROCESS_ID": "one"}, "JAX_PROCESS_ID: expected an integer >= 0, found 'one'"),
        ({}, {"JAX_COORDINATOR_ADDRESS": "x"}, "JAX_COORDINATOR_ADDRESS: expected HOST:PORT"),
    ],
)
def test_what_does_not_fit_is_refused(
    changes: dict[str, Any], environment: dict[str, str], message: str
):
    with pytest.raises(InputError, match=message):
        DistributedConfig(**changes).rendezvous(environment)
