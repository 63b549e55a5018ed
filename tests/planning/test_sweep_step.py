"""The sweep's own step by recipe, back-end and method: chosen as the sweep does, exact FLOPs."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from tests.planning.jobs import CLASSES, forward_flops, make_job
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.evaluation.backend import shared_of
from wiseft_jax.planning.jaxpr import count_jaxpr
from wiseft_jax.planning.steps import Job
from wiseft_jax.planning.sweep_step import (
    TracedSweep,
    planned_backend,
    planned_shared,
    trace_sweep_step,
)

LINEAR: dict[str, Any] = {"recipe": "linear_probe"}
IMAGES = 64


def flops(sweep: TracedSweep) -> float:
    return count_jaxpr(sweep.step.jaxpr, sweep.taken).flops


def head_flops(job: Job) -> float:
    return 2.0 * job.theta["head"]["kernel"].shape[0] * CLASSES


@pytest.mark.parametrize("alphas", [1, 11, 32])
def test_a_sweep_is_a_forward_pass_an_alpha(alphas: int):
    job = make_job(sweep={"alphas": tuple(step / 64 for step in range(alphas))})
    sweep = trace_sweep_step(job)
    assert sweep.passes == alphas
    flops = count_jaxpr(sweep.step.jaxpr, sweep.taken).flops
    assert flops == pytest.approx(64 * alphas * forward_flops(job), rel=1e-6)


@pytest.mark.parametrize("recipe", ["few_shot", "lp_ft", "paint"])
def test_every_recipe_that_trains_the_encoder_runs_it_at_each_alpha(recipe: str):
    job = make_job(training={"recipe": recipe}, sweep={"alphas": (0.0, 0.5, 1.0)})
    assert trace_sweep_step(job).passes == 3


@pytest.mark.parametrize("backend", ["auto", "delta"])
@pytest.mark.parametrize("tower", ["scan", "transformers"])
def test_a_recipe_shares_what_its_ends_are_found_to_share(tower: str, backend: str):
    job = make_job(training=LINEAR, sweep={"backend": backend}, tower=tower)
    theta_0 = jax.tree_util.tree_map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), job.theta)
    head = jax.tree_util.tree_map(lambda leaf: leaf + 1, theta_0["head"])
    found = shared_of(backend, job.classifier, theta_0, {**theta_0, "head": head})
    assert planned_shared(job) == found
    assert found.leaves
    theta_1 = jax.tree_util.tree_map(lambda leaf: leaf + 1, theta_0)
    whole = make_job(sweep={"backend": backend}, tower=tower)
    assert planned_shared(whole) == shared_of(backend, job.classifier, theta_0, theta_1)


@pytest.mark.parametrize(
    ("training", "mesh", "method", "backend", "name"),
    [
        ({}, MeshConfig(), "direct", "auto", "map"),
        ({}, MeshConfig(), "direct", "delta", "delta"),
        ({}, MeshConfig(alpha=2), "direct", "auto", "sharded"),
        (LINEAR, MeshConfig(), "direct", "auto", "linear"),
        (LINEAR, MeshConfig(), "direct", "map", "map"),
        (LINEAR, MeshConfig(alpha=2), "direct", "auto", "sharded"),
        ({}, MeshConfig(), "curve", "auto", "curve"),
        ({}, MeshConfig(alpha=2), "curve", "auto", "curve"),
        (LINEAR, MeshConfig(), "curve", "auto", "linear"),
    ],
)
def test_the_back_end_is_the_sweeps_own_choice_eight_devices(
    training: Any, mesh: MeshConfig, method: Any, backend: Any, name: str
):
    job = make_job(mesh, training=training, sweep={"method": method, "backend": backend})
    assert planned_backend(job)[1].name == name


def test_a_back_end_that_the_recipe_rules_out_is_refused():
    with pytest.raises(InputError, match="ends that differ in the head alone"):
        trace_sweep_step(make_job(sweep={"backend": "linear"}))


@pytest.mark.parametrize("tower", ["scan", "transformers"])
@pytest.mark.parametrize("alphas", [1, 11])
def test_linear_is_one_forward_pass_and_two_heads(alphas: int, tower: str):
    grid = tuple(step / 16 for step in range(alphas))
    job = make_job(training=LINEAR, sweep={"alphas": grid}, tower=tower)
    sweep = trace_sweep_step(job)
    assert (sweep.choice.name, sweep.alphas, sweep.passes) == ("linear", alphas, 1)
    expected = IMAGES * (forward_flops(job) + head_flops(job))
    assert flops(sweep) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("backend", "passes"), [("map", 11), ("vmap", 11), ("sharded", 12), ("delta", 22)]
)
def test_flops_by_back_end_eight_devices(backend: str, passes: int):
    """Sharded over 4 devices, 11 alphas take 3 chunks of 4; delta multiplies twice."""
    job = make_job(sweep={"backend": backend})
    sweep = trace_sweep_step(job)
    assert (sweep.choice.name, sweep.passes) == (backend, 11)
    assert flops(sweep) == pytest.approx(passes * IMAGES * forward_flops(job), rel=0.02)


def test_a_frozen_encoder_runs_once_whatever_merges_the_head():
    job = make_job(training=LINEAR, sweep={"backend": "map"})
    sweep = trace_sweep_step(job)
    expected = IMAGES * (forward_flops(job) + 10 * head_flops(job))
    assert sweep.passes == 1
    assert flops(sweep) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("alphas", "passes"), [((0.0, 0.5, 1.0), 5), ((-0.5, 0.5, 1.0), 7), ((0.0, 1.5), 7)]
)
def test_a_curve_is_its_first_nodes(alphas: tuple[float, ...], passes: int):
    job = make_job(sweep={"method": "curve", "alphas": alphas})
    sweep = trace_sweep_step(job)
    assert (sweep.choice.name, sweep.passes, sweep.alphas) == ("curve", passes, passes)
    features = forward_flops(job) - head_flops(job)
    assert flops(sweep) == pytest.approx(passes * IMAGES * features, rel=1e-6)
    # 101 tabulated points and the grid: features from 5 nodes, and a head, at each.
    width, points = job.theta["head"]["kernel"].shape[0], 101 + sum(a % 0.01 for a in alphas)
    least = points * IMAGES * (2 * 5 * width + head_flops(job))
    assert least < sweep.reading.flops < 1.1 * least


def test_a_curve_of_heads_alone_is_both_ends():
    sweep = trace_sweep_step(make_job(training=LINEAR, sweep={"method": "curve"}))
    assert (sweep.choice.name, sweep.alphas, sweep.passes) == ("linear", 2, 1)
    assert sweep.engine.keep_logits


def test_the_platform_decides_how_a_sweep_is_fed():
    job = make_job(sweep={"batch_size": None})
    on_cpu = planned_backend(job)[0]
    on_gpu = planned_backend(Job(job.config, job.classifier, job.theta, 10, job.layout, "gpu"))[0]
    assert (on_cpu.batch_size, on_cpu.chunk_size) == (64, 1)
    assert on_gpu.batch_size == 256
    assert on_gpu.chunk_size > 1
