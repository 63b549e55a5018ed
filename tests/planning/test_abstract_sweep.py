"""Estimates of a sweep's step by its back-end: memory, FLOPs, traffic, gathers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planning.jobs import CLASSES, forward_flops, make_job, parameter_bytes
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.planning.abstract_sweep import abstract_sweep_facts
from wiseft_jax.planning.counts import Collective
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.steps import Job

LINEAR: dict[str, Any] = {"recipe": "linear_probe"}
WHOLE = parameter_bytes(make_job())


@pytest.fixture(scope="module")
def of() -> dict[str, StepFacts]:
    found = {
        backend: abstract_sweep_facts(make_job(sweep={"backend": backend}))
        for backend in ("map", "vmap", "sharded", "delta")
    }
    found["linear"] = abstract_sweep_facts(make_job(training=LINEAR))
    found["curve"] = abstract_sweep_facts(make_job(sweep={"method": "curve"}))
    return found


def head_bytes(job: Job) -> int:
    return 4 * (job.theta["head"]["kernel"].shape[0] + 1) * CLASSES


def test_a_sweep_holds_both_ends_and_what_is_between(of: dict[str, StepFacts]):
    facts = of["map"]
    assert (facts.passes, facts.alphas, facts.backend) == (11, 11, "map")
    assert facts.reason == "asked for"
    assert "parameter arrays of the encoder differ" in of["curve"].reason
    assert facts.memory["both ends"] == 2 * WHOLE
    assert facts.memory["merged"] == WHOLE
    assert facts.counts.collectives == ()
    split = abstract_sweep_facts(make_job(MeshConfig(fsdp=8)))
    assert split.memory["both ends"] < facts.memory["both ends"]
    assert isinstance(split.counts.collectives[0], Collective)


def test_memory_depends_on_the_back_end_eight_devices(of: dict[str, StepFacts]):
    memory = {name: facts.memory for name, facts in of.items()}
    assert memory["vmap"]["merged"] == 11 * WHOLE  # a copy for each alpha
    assert memory["vmap"]["activations"] == 11 * memory["map"]["activations"]
    # 4 of 8 devices take an alpha each, so a device has 4 times the images.
    assert memory["sharded"]["merged"] == WHOLE
    assert memory["sharded"]["batch"] == 4 * memory["map"]["batch"]
    assert "merged" not in memory["delta"]
    # A layer's difference is made when its product comes: the largest kernel's at most.
    assert memory["delta"]["largest difference"] == 4 * 160 * 640
    assert memory["delta"]["activations"] > memory["map"]["activations"]
    linear = memory["linear"]
    assert not {"merged", "largest difference"} & set(linear)
    assert linear["both ends"] == WHOLE + head_bytes(make_job())  # one encoder, two heads
    assert linear["logits of both heads"] == 2 * 4 * 8 * CLASSES
    curve = memory["curve"]
    assert curve["merged"] == WHOLE
    width = make_job().theta["head"]["kernel"].shape[0]
    assert curve["features at nodes"] == 4 * 9 * 8 * width  # more than 9 nodes cost the grid


def test_stored_logits_are_counted() -> None:
    def memory(**sweep: Any) -> dict[str, int]:
        return abstract_sweep_facts(make_job(sweep=sweep)).memory

    kept, none = memory(keep_logits="all"), memory(keep_logits="none")
    assert none["results"] == 32 * 64 * 12  # 32 places for alphas, 64 images
    assert kept["results"] == none["results"] + 32 * 64 * 4 * CLASSES
    curve = {keep: memory(method="curve", keep_logits=keep) for keep in ("auto", "ends", "none")}
    assert curve["auto"]["stored logits"] == 11 * 64 * 4 * CLASSES
    assert curve["ends"]["stored logits"] == 2 * 64 * 4 * CLASSES
    assert "stored logits" not in curve["none"]


def test_flops_and_traffic_depend_on_the_back_end_eight_devices(of: dict[str, StepFacts]):
    forward = 8 * forward_flops(make_job())
    passes = {name: facts.counts.flops / forward for name, facts in of.items()}
    expected = {"map": 11, "vmap": 11, "sharded": 12, "delta": 22, "linear": 1, "curve": 5}
    assert passes == pytest.approx(expected, rel=0.02)
    moved = {
        name: facts.counts.num_bytes / of["map"].counts.num_bytes for name, facts in of.items()
    }
    assert moved["linear"] < 0.1 < moved["sharded"] < moved["curve"] * 1.2 < 1 < moved["delta"]
    assert moved["vmap"] == pytest.approx(1, rel=0.05)


def test_what_no_alpha_changes_is_done_by_every_group_of_alpha_eight_devices():
    job = make_job(MeshConfig(alpha=2), training=LINEAR)
    facts = abstract_sweep_facts(job)
    assert (facts.backend, facts.passes) == ("sharded", 1)
    # 4 devices split the batch, each twice.
    assert facts.counts.flops == pytest.approx(64 / 4 * forward_flops(job), rel=0.02)
    assert facts.traced_flops == pytest.approx(64 * forward_flops(job), rel=0.02)


def test_split_parameters_are_gathered_as_often_as_they_are_used_eight_devices():
    mesh = MeshConfig(fsdp=4, min_shard_elements=2**10)

    def gathered(**changes: Any) -> float:
        facts = abstract_sweep_facts(make_job(mesh, **changes))
        assert {each.kind for each in facts.counts.collectives} == {"all-gather"}
        return sum(each.total_bytes for each in facts.counts.collectives)

    once = gathered(training=LINEAR)
    assert 0.9 * WHOLE < once <= WHOLE
    assert gathered(sweep={"backend": "map"}) == 11 * once
    assert gathered(sweep={"backend": "vmap"}) == 11 * once
    assert gathered(sweep={"backend": "delta"}) == 22 * once
