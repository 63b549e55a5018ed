"""The devices that are here: known by JAX's names, planned as the same devices elsewhere are."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.planning.jobs import make_job
from wiseft_jax.planning.abstract import abstract_train_facts
from wiseft_jax.planning.abstract_sweep import abstract_sweep_facts
from wiseft_jax.planning.chips import CHIPS
from wiseft_jax.planning.heads_step import abstract_heads_facts
from wiseft_jax.planning.here import DEVICE_KINDS, plan_here, topology_of


@dataclasses.dataclass(frozen=True)
class Shown:
    """What JAX shows of a device."""

    device_kind: str
    platform: str = "gpu"
    process_index: int = 0
    coords: tuple[int, ...] = ()


def slice_of(kind: str, *lengths: int) -> list[Any]:
    """Return the devices of a TPU slice, as JAX shows them: three coordinates."""
    x, y, z = (*lengths, 1)[:3]
    places = [(i, j, k) for k in range(z) for j in range(y) for i in range(x)]
    return [Shown(kind, "tpu", coords=place) for place in places]


@pytest.mark.parametrize(
    ("devices", "name", "shape"),
    [
        ([Shown("NVIDIA H200")], "h200:1x1", (1, 1)),
        ([Shown("NVIDIA H100 80GB HBM3", process_index=i // 8) for i in range(16)],
         "h100:2x8", (2, 8)),
        (slice_of("TPU v5 lite", 4, 2), "v5e:4x2", (4, 2)),
        (slice_of("TPU v4", 2, 2, 4), "v4:2x2x4", (2, 2, 4)),
    ],
)  # fmt: skip
def test_known_devices_have_their_chips_numbers(
    devices: list[Any], name: str, shape: tuple[int, ...]
):
    found = topology_of(devices)
    assert (found.name, found.shape) == (name, shape)
    assert found.num_devices == len(devices)
    assert found.chip == CHIPS[name.partition(":")[0]]


@pytest.mark.parametrize("kind", ["NVIDIA H100 PCIe", "Tesla V100-SXM2-16GB"])
def test_of_another_board_nothing_is_made_up(kind: str):
    found = topology_of([Shown(kind)] * 2)
    assert found.num_devices == 2
    assert found.chip.description == kind
    assert found.chip.kind == "gpu"
    assert found.chip.peak_flops is found.chip.memory_bytes is found.chip.memory_bandwidth is None


def test_every_kind_is_a_chip_of_the_table():
    assert set(DEVICE_KINDS.values()) == CHIPS.keys() - {"cpu"}


@pytest.mark.parametrize("recipe", ["end_to_end", "linear_probe", "flyp"])
def test_the_plan_is_that_of_the_same_job(recipe: str):
    job = make_job(training={"recipe": recipe})
    plan = plan_here(
        job.config, job.classifier, job.theta, num_images=job.num_images, num_evaluated=200
    )
    assert plan.topology.num_devices == 8
    assert plan.total_steps == job.plan.total_steps
    expected = {"train": abstract_train_facts(job), "sweep": abstract_sweep_facts(job)}
    if recipe == "flyp":
        expected["heads"] = abstract_heads_facts(job)
    assert set(plan.steps) == set(expected)
    for step, (facts, _) in plan.steps.items():
        assert facts.memory == expected[step].memory
        assert facts.counts == expected[step].counts
    value = plan.to_json()["steps"]
    assert value["train"]["hours"] == {"overlapped": None, "exposed": None}


def test_hours_are_those_of_the_chips_rates(monkeypatch: pytest.MonkeyPatch):
    job = make_job()
    monkeypatch.setitem(DEVICE_KINDS, "cpu", "h100")  # as if these were
    plan = plan_here(
        job.config, job.classifier, job.theta, num_images=job.num_images, num_evaluated=200
    )
    facts, times = plan.steps["train"]
    assert times.math == pytest.approx(facts.counts.flops / (989e12 * 0.5 * 0.5))  # float32
    hours = plan.to_json()["steps"]["train"]["hours"]
    assert hours["overlapped"] == pytest.approx(plan.total_steps * times.overlapped / 3600)
    assert 0 < hours["overlapped"] <= hours["exposed"]


def test_captions_are_as_long_as_they_are():
    job = make_job(training={"recipe": "contrastive"})
    sizes = {"num_images": job.num_images, "num_evaluated": 200}
    given, short = (
        plan_here(job.config, job.classifier, job.theta, **sizes, caption_tokens=tokens)
        for tokens in (None, 8)
    )
    assert short.steps["train"][0].counts.flops < given.steps["train"][0].counts.flops
    assert short.steps["heads"][0].counts == given.steps["heads"][0].counts  # of prompts
