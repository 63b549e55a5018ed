"""What breaks is found, with its numbers, before what is only slow."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from wiseft_jax.planning.counts import Counts
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.faults import Fault, find_faults, memory_limit
from wiseft_jax.planning.roofline import Estimate
from wiseft_jax.planning.topology import parse_topology
from wiseft_jax.training.config import TrainConfig

V5E = parse_topology("v5e:4x4")
QUICK = Estimate(1.0, 0.1, 0.1, 0.5)
CONFIG = TrainConfig(batch_size=256, epochs=10, warmup_fraction=0.1)


def facts(gib: float = 1.0, **changes: object) -> StepFacts:
    base = StepFacts(
        step="train",
        method="compile",
        images=256,
        passes=1,
        counts=Counts(1.0, 1.0),
        traced_flops=16.0,
        memory={"arguments": round(gib * 2**30)},
        largest=(("bf16[64,197,3072]", 77463552),),
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def faults(
    config: TrainConfig = CONFIG,
    images: int = 100_000,
    train: StepFacts | None = None,
    estimate: Estimate = QUICK,
) -> list[Fault]:
    plan = config.plan(images, V5E.num_devices)
    return find_faults(config, plan, 16, {"train": (train or facts(), estimate)}, V5E)


def said(found: list[Fault], *, breaks: bool) -> str:
    return " | ".join(f"{each.what}; {each.fix}" for each in found if each.breaks == breaks)


def test_a_sound_plan_has_no_fault():
    assert faults() == []  # 64 images a second and host: a fifth of a core


def test_decoding_is_a_warning_where_it_needs_many_cores():
    (found,) = faults(estimate=Estimate(0.01, 0.001, 0.001, 0.5))
    # 25,600 images a second over 4 hosts.
    assert found.what.startswith("each of 4 host(s) must decode up to 6,400 images/s: about 21")
    assert not found.breaks


def test_a_loop_that_counts_once_is_a_warning():
    found = faults(train=facts(counts=Counts(1.0, 1.0, (), ("while.7",))))
    assert "isn't known, each counts once: while.7" in said(found, breaks=False)


def test_missing_flops_are_a_warning():
    assert "50% of the train step's traced FLOPs" in said(
        faults(train=facts(traced_flops=32.0)), breaks=False
    )
    assert faults(train=facts(traced_flops=32.0, method="abstract")) == []


def test_too_much_memory_breaks_by_how_much_and_by_which_array():
    found = faults(train=facts(gib=17.0))
    assert found[0].breaks
    assert "needs 17.00 GiB a device, 1.25 more than the 15.75" in found[0].what
    assert "bf16[64,197,3072]" in found[0].what
    assert "accumulation_steps" in found[0].fix


def test_memory_close_to_the_limit_is_a_warning():
    found = faults(train=facts(gib=15.0))
    assert "15.00 GiB" in said(found, breaks=False)
    assert not any(each.breaks for each in found)


def test_what_xla_refuses_breaks_whatever_the_numbers_say():
    assert faults(train=facts(gib=1.0, too_large="RESOURCE_EXHAUSTED"))[0].breaks


def test_an_estimate_is_called_one():
    assert "an estimate" in faults(train=facts(gib=17.0, method="abstract"))[0].what


@pytest.mark.parametrize(
    ("config", "images", "expected", "breaks"),
    [
        (TrainConfig(batch_size=8, warmup_steps=0), 100_000, "less than one image", True),
        (TrainConfig(batch_size=256, warmup_steps=0), 10, "less than one image", True),
        (TrainConfig(batch_size=250, warmup_steps=0), 100_000, "250 becomes 240", False),
        (TrainConfig(batch_size=64, warmup_steps=0), 100_000, "only 4 image(s) a device", False),
        (TrainConfig(batch_size=256, epochs=1), 1000, "never leaves warm-up", False),
    ],
)
def test_a_batch_or_schedule_that_does_not_fit(
    config: TrainConfig,
    images: int,
    expected: str,
    breaks: bool,
    caplog: pytest.LogCaptureFixture,
):
    with caplog.at_level(logging.ERROR):
        assert expected in said(faults(config, images), breaks=breaks)


def test_a_network_bound_step_is_a_warning():
    found = faults(estimate=Estimate(1.0, 0.5, 3.0, 0.5))
    assert "collectives take 75% of the train step" in said(found, breaks=False)


def test_the_features_of_a_linear_probe_are_said_to_be_left_out():
    found = faults(dataclasses.replace(CONFIG, recipe="linear_probe"))
    assert "isn't counted" in said(found, breaks=False)
    assert not any(each.breaks for each in found)


def test_limits_of_memory():
    assert memory_limit(V5E) == 15.75 * 2**30
    assert memory_limit(parse_topology("h100:8")) == 60 * 10**9  # what JAX takes of 80
    assert memory_limit(parse_topology("cpu:8")) is None


def test_no_parts_are_advised_where_a_batch_has_none():
    large = {"train": (facts(gib=20.0), QUICK)}
    fixes = {}
    for recipe in ("end_to_end", "flyp"):
        config = dataclasses.replace(CONFIG, recipe=recipe)
        faults = find_faults(config, config.plan(10_000, 16), 16, large, V5E)
        fixes[recipe] = next(fault.fix for fault in faults if fault.breaks)
    assert "accumulation_steps" in fixes["end_to_end"]
    assert "accumulation_steps" not in fixes["flyp"]
    assert "mesh.fsdp" in fixes["flyp"]
