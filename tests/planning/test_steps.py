"""The program's own steps, traced and compiled without arrays on eight virtual devices."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planning.jobs import CLASSES, forward_flops, make_job
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.planning.hlo import count_program
from wiseft_jax.planning.jaxpr import count_jaxpr
from wiseft_jax.planning.steps import trace_train_step
from wiseft_jax.planning.sweep_step import trace_sweep_step


def train_flops(job: Any) -> float:
    return count_jaxpr(trace_train_step(job).jaxpr).flops


@pytest.mark.parametrize("parts", [1, 4])
def test_a_train_step_is_three_forward_passes(parts: int):
    job = make_job(training={"accumulation_steps": parts})
    patches = 2 * (job.classifier.preprocess.size // 8) ** 2 * 8 * 8 * 3 * 160
    expected = 64 * (3 * forward_flops(job) - patches)  # no gradient of the image
    assert train_flops(job) == pytest.approx(expected, rel=0.02)


def test_scanned_layers_count_as_unrolled_ones():
    scanned, unrolled = (make_job(tower=tower) for tower in ("scan", "transformers"))
    assert train_flops(scanned) == pytest.approx(train_flops(unrolled), rel=0.02)


def test_rematerialisation_adds_a_forward_pass():
    plain, again = (train_flops(make_job(remat=remat)) for remat in ("none", "full"))
    # All but the last product of each layer, which nothing in the backward pass needs.
    assert 1.2 < again / plain < 4 / 3


def test_compiled_steps_cost_what_their_traces_do_eight_devices():
    job = make_job(MeshConfig(fsdp=2), training={"accumulation_steps": 4})
    traced = trace_train_step(job)
    train = count_program(traced.lower().compile().as_text(), 8)
    assert train.unknown_loops == ()
    # XLA drops what the last layer needn't do: only its first token has a gradient.
    share = 8 * train.flops / count_jaxpr(traced.jaxpr).flops
    assert 0.9 < share < 1.02
    kinds = train.by_kind()
    assert {"all-gather", "all-reduce"} <= set(kinds)
    sweep = trace_sweep_step(job)
    swept = count_program(sweep.step.lower().compile().as_text(), 8, sweep.taken)
    traced_flops = count_jaxpr(sweep.step.jaxpr, sweep.taken).flops
    assert 8 * swept.flops == pytest.approx(traced_flops, rel=0.02)


def test_the_linear_probe_trains_the_head_on_features():
    job = make_job(training={"recipe": "linear_probe"})
    width = job.theta["head"]["kernel"].shape[0]
    assert set(job.batch(2, None)) == {"label", "mask", "features"}
    assert train_flops(job) == 2 * 2 * 64 * width * CLASSES  # forward, gradient of the kernel
