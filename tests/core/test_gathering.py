"""Split parameters come together layer by layer, and nothing else moves."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.planning.jobs import make_job
from wiseft_jax.clip.matmul import dense
from wiseft_jax.core.gathering import gather, keep_rows, split_over
from wiseft_jax.core.mesh import Layout, batch_sharding, make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.platform import compiling_for
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


SPLIT = MeshConfig(fsdp=8, min_shard_elements=2**10)


@pytest.mark.parametrize(
    ("tower", "remat", "parts"),
    [
        ("scan", "full", 2),
        pytest.param("scan", "none", 1, marks=pytest.mark.slow),
        pytest.param("transformers", "none", 1, marks=pytest.mark.slow),
    ],
)
def test_no_device_does_the_work_of_another_eight_devices(tower: Any, remat: Any, parts: int):
    training = {"batch_size": 256, "accumulation_steps": parts}
    job = make_job(SPLIT, training=training, remat=remat, tower=tower)
    traced = trace_train_step(job)
    counts = count_program(traced.lower().compile().as_text(), 8)
    assert 8 * counts.flops < 1.05 * count_jaxpr(traced.jaxpr).flops
    largest = max(4 * leaf.size for leaf in jax.tree_util.tree_leaves(job.theta))
    gathered = [each for each in counts.collectives if each.kind == "all-gather"]
    assert gathered
    assert max(each.num_bytes for each in gathered) <= largest


def test_what_was_gathered_is_not_kept_for_the_backward_pass_eight_devices():
    def temporaries(mesh: MeshConfig) -> int:
        job = make_job(mesh, training={"batch_size": 64}, remat="none")
        return trace_train_step(job).lower().compile().memory_analysis().temp_size_in_bytes

    whole, split = temporaries(MeshConfig()), temporaries(SPLIT)
    # Gradients are split too; kept kernels would add the size of all parameters.
    assert split < whole


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_product_of_a_split_kernel_equals_that_of_a_whole_one_eight_devices(dtype: str):
    mesh = make_mesh(config=MeshConfig(data=2, fsdp=4))
    rng = np.random.default_rng(0)
    x, kernel, bias = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((16, 3, 8), (8, 12), (12,))
    )

    def loss(kernel: Any, bias: Any, x: Any) -> Any:
        return jnp.square(dense(x, kernel, bias, dtype).astype(jnp.float32)).sum()

    def split_loss(*arrays: Any) -> Any:
        with split_over(mesh):
            return loss(*arrays)

    layout = Layout(mesh, MeshConfig(data=2, fsdp=4, min_shard_elements=1))
    placed = (*layout.place((kernel, bias)), jax.device_put(x, batch_sharding(mesh)))
    found = jax.jit(jax.value_and_grad(split_loss, (0, 1)))(*placed)
    expected = jax.jit(jax.value_and_grad(loss, (0, 1)))(kernel, bias, x)
    # The same roundings on both sides; sums over devices in another order.
    for one, other in zip(*map(jax.tree_util.tree_leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)
    assert tuple(found[1][0].sharding.spec) == (None, "fsdp")


def test_a_bfloat16_kernel_travels_in_bfloat16_and_its_gradient_in_float32_eight_devices():
    mesh = make_mesh(config=MeshConfig(fsdp=8))

    def loss(kernel: Any, x: Any) -> Any:
        with split_over(mesh), compiling_for("tpu"):
            return dense(x, kernel, jnp.zeros(16), "bfloat16").astype(jnp.float32).sum()

    text = str(jax.make_jaxpr(jax.grad(loss))(jnp.ones((8, 16)), jnp.ones((16, 8))))
    constraints = [line for line in text.splitlines() if "sharding_constraint[" in line]
    kernels = [line for line in constraints if "[8,16]" in line]
    assert sum(":bf16[8,16]" in line for line in kernels) == 2  # forward and backward
    assert sum(":f32[8,16]" in line for line in kernels) == 1  # the gradient
