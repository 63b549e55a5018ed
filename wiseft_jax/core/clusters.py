"""Environments that start several processes, by what they leave in the environment variables.

These are the ones that ``jax.distributed.initialize`` detects, looked for in its order and by the
same variables (JAX 0.10, ``jax.distributed``), but asked first whether there is more than one
process: a single SLURM task or TPU VM is a program on its own, and must not wait for anybody.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

Environment = Mapping[str, str]

_SLURM = (
    "SLURM_JOB_ID",
    "SLURM_STEP_NODELIST",  # there inside a step (srun) only, not in the batch script itself
    "SLURM_NTASKS",
    "SLURM_PROCID",
    "SLURM_LOCALID",
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """An environment of several processes.

    Attributes:
      found: What was found, for the log.
      jax_name: JAX's name of it (``cluster_detection_method``); None: it has none.
      num_processes: How many; None is left for JAX to detect.
      process_id: Which one this is; None is left for JAX to detect.
      needs_coordinator: Whether the user must say where process 0 is.
    """

    found: str
    jax_name: str | None
    num_processes: int | None = None
    process_id: int | None = None
    needs_coordinator: bool = False


def find_cluster(environment: Environment) -> Cluster | None:
    """Return the environment that started several processes; None if there is none."""
    for find in (_open_mpi, _slurm, _gke_tpu, _tpu_pod, _kubernetes):
        cluster = find(environment)
        if cluster is not None:
            return cluster
    return None


def _open_mpi(environment: Environment) -> Cluster | None:
    count = _integer(environment, "OMPI_COMM_WORLD_SIZE")
    if count < 2:
        return None
    rank = _integer(environment, "OMPI_COMM_WORLD_RANK")
    found = f"Open MPI: rank {rank} of {count}"
    # Open MPI 4 names the launcher's address; 5 no longer does.
    if "OMPI_MCA_orte_hnp_uri" in environment:
        return Cluster(found, "ompi")
    return Cluster(found, None, count, rank, needs_coordinator=True)


def _slurm(environment: Environment) -> Cluster | None:
    if not all(name in environment for name in _SLURM):
        return None
    count = _integer(environment, "SLURM_NTASKS")
    if count < 2:
        return None
    job, task = environment["SLURM_JOB_ID"], environment["SLURM_PROCID"]
    return Cluster(f"SLURM: task {task} of {count} in job {job}", "slurm")


def _gke_tpu(environment: Environment) -> Cluster | None:
    names = environment.get("TPU_PROCESS_ADDRESSES") or environment.get("TPU_WORKER_HOSTNAMES", "")
    hosts = len([name for name in names.split(",") if name])
    slices = max(1, _integer(environment, "MEGASCALE_NUM_SLICES"))
    worker = environment.get("TPU_WORKER_ID")
    if hosts * slices < 2 or worker is None or not has_tpu(environment):
        return None
    found = f"TPU hosts: worker {worker} of {hosts}"
    return Cluster(found + (f" in each of {slices} slices" if slices > 1 else ""), "gketpu")


def _tpu_pod(environment: Environment) -> Cluster | None:
    # Only the machine's metadata know how many hosts there are; JAX asks them.
    named = "TPU_PROCESS_ADDRESSES" in environment or "TPU_WORKER_HOSTNAMES" in environment
    if named or "TPU_SKIP_MDS_QUERY" in environment or not has_tpu(environment):
        return None
    return Cluster("TPU VM", "gcetpu")


def _kubernetes(environment: Environment) -> Cluster | None:
    if not {"KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"} <= environment.keys():
        return None
    if importlib.util.find_spec("kubernetes") is None:
        logger.warning(
            "an indexed Kubernetes job, but the package kubernetes isn't installed, without which"
            " JAX can't find the other pods: running alone (pip install kubernetes, or give"
            " --distributed.coordinator, --distributed.num-processes and --distributed.process-id)"
        )
        return None
    return Cluster(f"Kubernetes: pod {environment['JOB_COMPLETION_INDEX']} of a job", None)


def has_tpu(environment: Environment) -> bool:
    """Return whether this machine has TPU chips, and JAX would use them."""
    platforms = environment.get("JAX_PLATFORMS", "")
    if platforms and "tpu" not in platforms.split(","):
        return False
    chips = [path for pattern in ("accel*", "vfio/[0-9]*") for path in Path("/dev").glob(pattern)]
    return bool(chips) and importlib.util.find_spec("libtpu") is not None


def _integer(environment: Environment, name: str) -> int:
    text = environment.get(name, "")
    return int(text) if text.isdecimal() else 0
