"""The arithmetic model of memory against the estimate that it stands for."""

from __future__ import annotations

import pytest

from tests.planning.jobs import make_job
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.planning.abstract import abstract_train_facts
from wiseft_jax.planning.memory_trace import trace_memory


@pytest.mark.parametrize(
    ("fsdp", "parts", "remat"), [(1, 1, "none"), (1, 4, "full"), (4, 2, "none"), (8, 1, "dots")]
)
def test_the_model_is_the_estimate(fsdp: int, parts: int, remat: str):
    job = make_job(MeshConfig(fsdp=fsdp), training={"accumulation_steps": parts}, remat=remat)
    model = trace_memory({job.config.model.remat: job}, [fsdp])
    estimated = abstract_train_facts(job).memory
    predicted = model.num_bytes(8 // parts, parts, fsdp, remat)
    assert predicted == pytest.approx(sum(estimated.values()), rel=0.05)


@pytest.mark.parametrize("batch_size", [64, 512])
def test_the_model_of_both_towers_is_the_estimate(batch_size: int):
    job = make_job(training={"recipe": "flyp", "batch_size": batch_size})
    model = trace_memory({"none": job}, [1])
    predicted = model.num_bytes(batch_size // 8, 1, 1, "none")
    assert predicted == pytest.approx(abstract_train_facts(job).memory_bytes, rel=0.05)
    assert not model.accumulates  # the loss is over all pairs of a batch


def test_the_scale_leaves_the_state_alone():
    job = make_job()
    model = trace_memory({"none": job}, [1])
    state, pixels = model.states[1], model.pixels * 8
    held = state.parameters + state.optimizer + pixels
    assert model.num_bytes(8, 1, 1, "none", scale=0.0) == held
    passing = model.num_bytes(8, 1, 1, "none") - held
    assert model.num_bytes(8, 1, 1, "none", scale=0.5) == pytest.approx(held + passing / 2)


def test_flops_of_an_image():
    jobs = {remat: make_job(remat=remat) for remat in ("none", "full")}
    flops = {
        remat: each.flops_per_image for remat, each in trace_memory(jobs, [1]).activations.items()
    }
    assert 1.2 < flops["full"] / flops["none"] < 4 / 3
