"""The roofline model against arithmetic done by hand."""

from __future__ import annotations

import dataclasses

import pytest

from wiseft_jax.planning.counts import Collective, Counts
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.roofline import HOP_SECS, collective_secs, estimate
from wiseft_jax.planning.topology import parse_topology

V5E = parse_topology("v5e:8x8")


def facts(flops: float = 0.0, num_bytes: float = 0.0, *collectives: Collective) -> StepFacts:
    counts = Counts(flops, num_bytes, collectives)
    return StepFacts("train", "compile", 64, 1, counts, flops * 64, {"arguments": 1})


def test_each_bound_alone():
    math = estimate(facts(flops=197e12), V5E, efficiency=0.5)
    assert math.math == pytest.approx(2.0)
    assert (math.bound, math.overlapped, math.exposed) == ("math", math.math, math.math)
    memory = estimate(facts(num_bytes=819e9), V5E)
    assert memory.memory == pytest.approx(1.0)
    assert memory.bound == "memory"
    gathered = Collective("all-gather", 10**9, 64, 3.0)
    network = estimate(facts(0.0, 0.0, gathered), V5E)
    assert network.network == pytest.approx(3 * (63 / 64) * 1e9 / 100e9)
    assert network.bound == "network"


def test_bounds_together():
    found = estimate(
        facts(98.5e12, 0.5 * 819e9, Collective("all-gather", 64 * 10**9, 64, 1.0)),
        V5E,
        efficiency=0.5,
    )
    assert found.network == pytest.approx(0.63)
    assert found.overlapped == pytest.approx(1.0)
    assert found.exposed == pytest.approx(1.63)


@pytest.mark.parametrize(
    ("kind", "share"),
    [
        ("all-gather", 7 / 8),
        ("reduce-scatter", 7 / 8),
        ("all-reduce", 2 * 7 / 8),
        ("all-to-all", 0.25 * 7 / 8),
        ("collective-permute", 1.0),
    ],
)
def test_a_kind_of_collective(kind: str, share: float):
    secs = collective_secs(Collective(kind, 10**9, 8, 2.0), V5E)  # type: ignore[arg-type]
    assert secs == pytest.approx(2 * share * 1e9 / 50e9)


def test_a_small_collective_takes_its_latency():
    # 8 chips in a row without a ring: 7 hops.
    assert collective_secs(Collective("all-reduce", 4, 8, 1.0), V5E) == pytest.approx(7 * HOP_SECS)
    whole_pod = parse_topology("v5e:16x16")
    assert collective_secs(Collective("all-reduce", 4, 256, 1.0), whole_pod) == 16 * HOP_SECS
    assert collective_secs(Collective("all-reduce", 4, 1, 1.0), V5E) == 0.0


def test_float32_runs_at_the_chips_float32_rate():
    gpus = parse_topology("h100:8")
    half = estimate(facts(flops=989e12), gpus, efficiency=1.0)
    full = estimate(facts(flops=989e12), gpus, float32=True, efficiency=1.0)
    assert (half.math, full.math) == (pytest.approx(1.0), pytest.approx(2.0))


def test_what_is_not_known_is_none():
    cpus = parse_topology("cpu:8")
    found = estimate(facts(1e12, 1e9, Collective("all-reduce", 4, 8, 1.0)), cpus)
    assert (found.math, found.memory, found.network) == (None, None, None)
    assert (found.overlapped, found.exposed, found.bound) == (None, None, None)
    chip = dataclasses.replace(cpus.chip, peak_flops=1e12)
    known = estimate(facts(1e12), dataclasses.replace(cpus, chip=chip), efficiency=1.0)
    assert known.exposed == pytest.approx(1.0)
