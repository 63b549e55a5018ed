"""Environments of several processes are found by their variables; single tasks are not."""

from __future__ import annotations

import importlib.util
import logging

import pytest

from wiseft_jax.core import clusters
from wiseft_jax.core.clusters import find_cluster, has_tpu

SLURM = {
    "SLURM_JOB_ID": "7001",
    "SLURM_STEP_NODELIST": "node[01-02]",
    "SLURM_NTASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
}
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "0",
}
GKE_TPU = {"TPU_WORKER_HOSTNAMES": "slice-0,slice-1", "TPU_WORKER_ID": "1"}


@pytest.fixture
def tpu(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    present = getattr(request, "param", True)
    monkeypatch.setattr(clusters, "has_tpu", lambda environment: present)


@pytest.mark.usefixtures("tpu")
@pytest.mark.parametrize(
    ("environment", "tpu", "name", "found"),
    [
        (SLURM, False, "slurm", "SLURM: task 5 of 8 in job 7001"),
        (OPEN_MPI, False, "ompi", "Open MPI: rank 1 of 2"),
        (GKE_TPU, True, "gketpu", "TPU hosts: worker 1 of 2"),
        (
            {"TPU_WORKER_HOSTNAMES": "a", "TPU_WORKER_ID": "0", "MEGASCALE_NUM_SLICES": "2"},
            True,
            "gketpu",
            "TPU hosts: worker 0 of 1 in each of 2 slices",
        ),
        ({}, True, "gcetpu", "TPU VM"),
    ],
    indirect=["tpu"],
)
def test_several_processes_are_found(environment: dict[str, str], name: str, found: str):
    cluster = find_cluster(environment)
    assert cluster is not None
    assert (cluster.jax_name, cluster.found) == (name, found)
    assert not cluster.needs_coordinator


@pytest.mark.usefixtures("tpu")
@pytest.mark.parametrize(
    ("environment", "tpu"),
    [
        ({}, False),
        (SLURM | {"SLURM_NTASKS": "1"}, False),
        ({k: v for k, v in SLURM.items() if k != "SLURM_STEP_NODELIST"}, False),  # sbatch itself
        (OPEN_MPI | {"OMPI_COMM_WORLD_SIZE": "1"}, False),
        (GKE_TPU, False),
        ({"TPU_WORKER_HOSTNAMES": "localhost", "TPU_WORKER_ID": "0"}, True),
        ({"TPU_SKIP_MDS_QUERY": "1"}, True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False),
    ],
    indirect=["tpu"],
)
def test_one_process_is_alone(environment: dict[str, str]):
    assert find_cluster(environment) is None


@pytest.mark.usefixtures("tpu")
@pytest.mark.parametrize("tpu", [False], indirect=True)
@pytest.mark.parametrize("installed", [True, False])
def test_kubernetes_jobs_need_a_package(
    installed: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    spec = importlib.util.find_spec("json") if installed else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "2"}
    with caplog.at_level(logging.WARNING):
        cluster = find_cluster(environment)
    assert (cluster is not None) == installed
    assert ("running alone" in caplog.text) == (not installed)
    if cluster is not None:
        assert (cluster.jax_name, cluster.found) == (None, "Kubernetes: pod 2 of a job")


def test_a_machine_told_to_use_cpus_has_no_tpu():
    assert not has_tpu({"JAX_PLATFORMS": "cpu"})
