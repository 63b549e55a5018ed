"""Heads of a merged text tower, and the sweep that reads them, against the compiled programs."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from tests.planning.jobs import CLASSES, forward_flops, make_job, prompts, text_flops
from wiseft_jax.clip.load import load_clip
from wiseft_jax.clip.two_towers import two_tower_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.evaluation.heads import with_heads
from wiseft_jax.evaluation.merging import find_shared
from wiseft_jax.planning.abstract_sweep import abstract_sweep_facts
from wiseft_jax.planning.heads_step import abstract_heads_facts, trace_heads_step
from wiseft_jax.planning.hlo import count_program
from wiseft_jax.planning.jaxpr import count_jaxpr
from wiseft_jax.planning.sweep_step import planned_backend, planned_shared, trace_sweep_step

FLYP: dict[str, Any] = {"training": {"recipe": "flyp"}}
GRID = (0.0, 0.5, 1.0)


def test_a_head_is_a_forward_pass_of_every_prompt():
    for templates, count in (("simple", 1), ("imagenet", 80)):
        job = make_job(templates=templates, **FLYP)
        facts = abstract_heads_facts(job)
        assert (facts.step, facts.images, facts.alphas) == ("heads", count * CLASSES, 1)
        padded = -(-facts.images // 256) * 256 if facts.images > 256 else facts.images
        assert facts.counts.flops == pytest.approx(padded * text_flops(job), rel=0.01)
        assert facts.counts.collectives == ()
        assert len(prompts(job)) == facts.images


def test_it_costs_what_xla_says_of_the_compiled_program():
    job = make_job(templates="imagenet", devices=1, **FLYP)
    facts = abstract_heads_facts(job)
    compiled = trace_heads_step(job).lower().compile()
    assert facts.counts.flops == count_program(compiled.as_text(), 1).flops
    stats = compiled.memory_analysis()
    assert facts.memory["both ends"] == pytest.approx(stats.argument_size_in_bytes, rel=0.01)
    whole = stats.argument_size_in_bytes + stats.temp_size_in_bytes
    assert whole < facts.memory_bytes < 2 * whole


def test_heads_are_made_in_float32_whatever_the_towers_compute_in():
    job, half = (make_job(compute_dtype=dtype, **FLYP) for dtype in ("float32", "bfloat16"))
    assert abstract_heads_facts(half).memory == abstract_heads_facts(job).memory


@pytest.mark.parametrize("tower", ["scan", "transformers"])
def test_the_sweeps_ends_are_those_that_it_makes(tower: str):
    job = make_job(sweep={"alphas": GRID}, tower=tower, **FLYP)
    clip = load_clip("glyphclip", "float32", tower)
    classifier, theta_0 = two_tower_classifier(clip, tuple("abcde"))
    theta_1 = jax.tree_util.tree_map(lambda leaf: leaf + np.float32(0.01), theta_0)
    start, end = with_heads(classifier, theta_0, theta_1, GRID)
    found = {path: (leaf.shape, leaf.dtype) for path, leaf in flatten_paths(start).items()}
    planned = {path: (leaf.shape, leaf.dtype) for path, leaf in flatten_paths(job.swept).items()}
    assert planned == found
    assert planned_shared(job) == find_shared(start, end)


@pytest.mark.parametrize("method", ["direct", "curve"])
def test_a_sweep_runs_the_image_tower_at_each_alpha_and_no_text_eight_devices(method: str):
    job = make_job(sweep={"alphas": GRID, "method": method}, **FLYP)
    sweep = trace_sweep_step(job)
    assert (sweep.choice.name, sweep.passes, sweep.alphas) == ("map", 3, 3)
    flops = count_jaxpr(sweep.step.jaxpr, sweep.taken).flops
    assert flops == pytest.approx(64 * 3 * forward_flops(make_job()), rel=1e-6)
    facts = abstract_sweep_facts(job)
    assert 8 * facts.counts.flops == facts.traced_flops == flops
    both = abstract_sweep_facts(make_job(sweep={"alphas": GRID})).memory["both ends"]
    head = 4 * (job.width + 1) * CLASSES
    assert facts.memory["both ends"] == both - 2 * head + 3 * head + 4 * 3 + 2 * 4


def test_split_parameters_are_gathered_eight_devices():
    mesh = MeshConfig(fsdp=4, min_shard_elements=2**10)
    facts = abstract_sweep_facts(make_job(mesh, sweep={"alphas": GRID}, **FLYP))
    assert {each.kind for each in facts.counts.collectives} == {"all-gather"}


@pytest.mark.parametrize("backend", ["linear", "delta"])
def test_a_back_end_for_linear_heads_is_refused(backend: str):
    with pytest.raises(InputError, match=r"linear in alpha|differ in the head alone"):
        planned_backend(make_job(sweep={"backend": backend}, **FLYP))
