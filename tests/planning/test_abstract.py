"""Estimates from traces: exact where they are exact, and the right direction where not."""

from __future__ import annotations

import pytest

from tests.planning.jobs import make_job, parameter_bytes
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.planning.abstract import abstract_train_facts


def test_memory_of_the_state_is_exact_eight_devices():
    job = make_job()
    memory = abstract_train_facts(job).memory
    whole = parameter_bytes(job)
    assert memory["parameters"] == memory["gradients"] == whole
    assert memory["optimizer"] == pytest.approx(2 * whole, rel=1e-3)  # and counters
    pixels = job.classifier.preprocess.size
    assert memory["batch"] == 8 * (pixels * pixels * 3 + 4 + 1)


def test_splitting_divides_the_state_eight_devices():
    whole, split = (
        abstract_train_facts(make_job(mesh)).memory
        for mesh in (MeshConfig(), MeshConfig(fsdp=8, min_shard_elements=1))
    )
    assert 7 < whole["parameters"] / split["parameters"] <= 8
    assert whole["activations"] == split["activations"]


def test_accumulation_trades_activations_for_a_second_gradient():
    one, four = (
        abstract_train_facts(make_job(training={"accumulation_steps": parts})) for parts in (1, 4)
    )
    assert one.memory["activations"] > 3 * four.memory["activations"]
    assert four.memory["gradients"] == 2 * one.memory["gradients"]
    assert four.counts.flops == pytest.approx(one.counts.flops, rel=0.02)


def test_rematerialisation_trades_activations_for_flops():
    none, dots, full = (
        abstract_train_facts(make_job(remat=remat)) for remat in ("none", "dots", "full")
    )
    kept = [each.memory["activations"] for each in (none, dots, full)]
    assert kept[0] > kept[1] > kept[2]
    assert none.traced_flops <= dots.traced_flops < full.traced_flops


def test_collectives_follow_the_sharding_eight_devices():
    job = make_job(MeshConfig(fsdp=4, min_shard_elements=2**10))
    facts = abstract_train_facts(job)
    kinds = facts.counts.by_kind()
    gathered, scattered = kinds["all-gather"], kinds["reduce-scatter"]
    assert gathered[1] == 2 * scattered[1]
    assert 0.9 < scattered[1] / parameter_bytes(job) <= 1
    groups = {(each.kind, each.group_size) for each in facts.counts.collectives}
    assert {("all-gather", 4), ("reduce-scatter", 4), ("all-reduce", 2)} <= groups


def test_facts_of_a_trace_are_marked_as_estimates():
    assert abstract_train_facts(make_job()).method == "abstract"
