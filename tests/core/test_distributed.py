"""Several processes join, agree, and wait for each other; alone, all of it is nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from tests.helpers.processes import ROOT, Done, free_port, run_processes
from wiseft_jax.core import distributed
from wiseft_jax.core.distributed_config import DistributedConfig, Rendezvous
from wiseft_jax.core.errors import RendezvousError


def printed(done: list[Done]) -> list[Any]:
    """Return the JSON that each process printed last."""
    assert [each.returncode for each in done] == [0] * len(done), done
    return [json.loads(each.stdout.splitlines()[-1]) for each in done]


def test_alone_everything_is_as_it_was():
    tree = {"head": {"kernel": np.ones(3)}, "encoder": {}}
    assert distributed.is_first()
    assert distributed.gather_json({"a": (1, 2)}) == [{"a": [1, 2]}]
    assert distributed.of_first("value") == "value"
    assert distributed.arrays_of_first(tree) is tree
    assert distributed.same_parameters(tree) is tree
    distributed.assert_same({"a": 1})
    distributed.barrier("here")


AGREE = """
import json

import jax
import numpy as np

from wiseft_jax.core import distributed
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig

rank = jax.process_index()
for config in (MeshConfig(), MeshConfig(fsdp=2), MeshConfig(data=1, fsdp=2, alpha=2)):
    distributed.warm_up(make_mesh(config=config))

found = {"first": distributed.is_first()}
found["gathered"] = distributed.gather_json({"rank": rank, "text": "é" * 2000 * rank})
found["of_first"] = distributed.of_first(f"run-{rank}")
tree = {"a": np.full((2, 3), rank, np.float32), "b": np.float32(rank)}
found["arrays"] = {k: np.sum(v).item() for k, v in distributed.arrays_of_first(tree).items()}

distributed.assert_same({"config": {"seed": 0, "name": "x"}, "versions": {"jax": "1"}})
try:
    extra = {"b": 2} if rank else {}
    config = {"seed": rank, "name": "x"}
    distributed.assert_same({"config": config, "versions": {"jax": "1"} | extra})
except InputError as error:
    found["differing"] = str(error)

theta = {"encoder": {"w": np.ones(3)}, "head": {"kernel": np.full(2, 1.0 + 1e-7 * rank)}}
found["head"] = distributed.same_parameters(theta)["head"]["kernel"].tolist()
try:
    distributed.same_parameters(theta | {"encoder": {"w": np.full(3, rank)}})
except InputError as error:
    found["encoder"] = str(error)

towers = {"encoder": {"w": np.ones(3)}, "text": {"w": np.ones(2)}}
found["no head"] = list(distributed.same_parameters(towers))
try:
    distributed.same_parameters(towers | {"text": {"w": np.full(2, rank)}})
except InputError as error:
    found["text"] = str(error)

distributed.barrier("almost done")
print(json.dumps(found), flush=True)
"""


def test_two_processes_agree_or_say_what_differs():
    first, second = printed(run_processes(2, AGREE, devices_per_process=2))
    assert (first.pop("first"), second.pop("first")) == (True, False)
    assert first == second
    assert first["gathered"] == [{"rank": 0, "text": ""}, {"rank": 1, "text": "é" * 2000}]
    assert first["of_first"] == "run-0"
    assert first["arrays"] == {"a": 0.0, "b": 0.0}
    assert first["head"] == [1.0, 1.0]
    assert first["no head"] == ["encoder", "text"]
    assert "theta_0.text" in first["text"]
    assert "process 1 (" in first["differing"]
    assert "config.seed (0 on process 0, here 1)" in first["differing"]
    assert "versions.b (None on process 0, here 2)" in first["differing"]
    assert "name" not in first["differing"]
    assert "theta_0.encoder" in first["encoder"]


JOIN = """
import json, os

from wiseft_jax.core import clusters, distributed
from wiseft_jax.core.distributed_config import DistributedConfig

rank, cluster, port = int(os.environ["JAX_PROCESS_ID"]), {cluster!r}, "{port}"
for name in ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"):
    del os.environ[name]
os.environ["JAX_COORDINATOR_PORT"] = port
os.environ.update({
    "slurm": {
        "SLURM_JOB_ID": "7001", "SLURM_STEP_NODELIST": "localhost,node[02-03]",
        "SLURM_NTASKS": "2", "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank),
    },
    "ompi": {
        "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://127.0.0.1,10.148.0.1:34911",
        "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": str(rank),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(rank),
    },
    "gketpu": {
        "TPU_WORKER_HOSTNAMES": "localhost,localhost", "TPU_WORKER_ID": str(rank),
        # Or JAX asks the metadata server for them.
        "MEGASCALE_COORDINATOR_ADDRESS": "localhost", "MEGASCALE_NUM_SLICES": "1",
        "MEGASCALE_SLICE_ID": "0",
    },
}[cluster])
clusters.has_tpu = lambda environment: cluster == "gketpu"
config = DistributedConfig(heartbeat_timeout_secs=10, shutdown_timeout_secs=30)
rendezvous = config.rendezvous()
assert rendezvous is not None and rendezvous.cluster == cluster, rendezvous
distributed.join(rendezvous, config, lambda message: os._exit(9))

import jax

print(json.dumps([jax.process_index(), jax.process_count(), distributed.gather_json(rank)]))
distributed.leave()
"""


@pytest.mark.parametrize("cluster", ["slurm", "ompi", "gketpu"])
def test_two_processes_join_by_the_environment(cluster: str):
    program = JOIN.replace("{cluster!r}", repr(cluster)).replace("{port}", str(free_port()))
    done = run_processes(2, [sys.executable, "-c", program])
    assert printed(done) == [[0, 2, [0, 1]], [1, 2, [0, 1]]]


WAIT = """
import os, sys

from wiseft_jax.core import distributed
from wiseft_jax.core.distributed_config import DistributedConfig
from wiseft_jax.core.errors import InputError, RendezvousError

def give_up(error):
    print(error, flush=True)
    os._exit({InputError: 2, RendezvousError: 1}[type(error)])

config = DistributedConfig(
    coordinator=sys.argv[1], num_processes=2, process_id=int(sys.argv[2]), init_timeout_secs=2
)
try:
    distributed.join(config.rendezvous(), config, give_up)
except (InputError, RendezvousError) as error:
    give_up(error)  # a normal exit may crash in what JAX left half open
"""


def join_alone(address: str, process_id: int) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", WAIT, address, str(process_id)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("process_id", [0, 1])
def test_others_that_never_come_are_not_waited_for_forever(process_id: int):
    address = f"127.0.0.1:{free_port()}"
    begin = time.monotonic()
    done = join_alone(address, process_id)
    assert time.monotonic() - begin < 50
    assert done.returncode == 1, done.stderr
    assert (
        f"the processes didn't meet: the others didn't come at {address} within 2 s" in done.stdout
    )
    assert ("nothing listens there" in done.stdout) == (process_id == 1)


def test_what_jax_says_about_a_cluster_is_no_bad_input(monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: Any, **options: Any) -> None:
        raise RuntimeError("the metadata server is away")

    monkeypatch.setattr("jax.distributed.initialize", refuse)
    config = DistributedConfig()
    message = "the processes didn't meet: can't join the others .*RuntimeError: the metadata server"
    with pytest.raises(RendezvousError, match=message):
        distributed.join(Rendezvous("a pod", cluster="gketpu"), config, lambda error: None)


def test_a_port_that_is_taken_is_bad_input():
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        done = join_alone(f"127.0.0.1:{port}", 0)
    assert done.returncode == 2
    assert f"port {port} is taken: process 0 can't listen there (another program" in done.stdout


def test_others_say_that_it_is_another_program_that_they_met():
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        done = join_alone(f"127.0.0.1:{port}", 1)
    assert done.returncode == 2
    assert f"port {port} is taken: another program" in done.stdout
