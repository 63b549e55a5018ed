"""Split parameters come together layer by layer, and nothing else moves."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.planning.jobs import make_job
from wiseft_jax.core.gathering import gather, keep_rows, split_over
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.planning.hlo import count_program
from wiseft_jax.planning.jaxpr import count_jaxpr
from wiseft_jax.planning.steps import trace_train_step


def constraints(mesh: Any) -> str:
    def layer(x: Any, kernel: Any) -> Any:
        return keep_rows(x) @ gather({"kernel": kernel})["kernel"]

    with split_over(mesh):
        return str(jax.make_jaxpr(layer)(jnp.ones((8, 4)), jnp.ones((4, 4))))


def test_rows_stay_and_parameters_are_gathered_eight_devices():
    assert constraints(make_mesh(config=MeshConfig(fsdp=4))).count("sharding_constraint") == 2


def test_whole_parameters_change_nothing_eight_devices():
    assert "sharding_constraint" not in constraints(make_mesh(config=MeshConfig()))


def test_outside_nothing_is_constrained():
    x = jnp.ones((3, 2))
    assert keep_rows(x) is x
    assert gather(x) is x


def test_an_error_ends_the_block():
    with pytest.raises(KeyError), split_over(make_mesh(config=MeshConfig(fsdp=8))):
        raise KeyError
    x = np.ones(3)
    assert keep_rows(x) is x


@pytest.mark.parametrize("parts", [1, 2])
def test_no_device_does_the_work_of_another_eight_devices(parts: int):
    mesh = MeshConfig(fsdp=8, min_shard_elements=2**10)
    job = make_job(mesh, training={"batch_size": 256, "accumulation_steps": parts}, remat="full")
    traced = trace_train_step(job)
    counts = count_program(traced.lower().compile().as_text(), 8)
    assert 8 * counts.flops < 1.05 * count_jaxpr(traced.jaxpr).flops
    largest = max(4 * leaf.size for leaf in jax.tree_util.tree_leaves(job.theta))
    gathered = [each for each in counts.collectives if each.kind == "all-gather"]
    assert gathered
    assert max(each.num_bytes for each in gathered) <= largest
