"""Suggestions: the fastest that fits, from a model of memory with round numbers."""

from __future__ import annotations

import dataclasses

import pytest

from wiseft_jax.planning.faults import memory_limit
from wiseft_jax.planning.memory_model import Activations, MemoryModel, State
from wiseft_jax.planning.suggest import HEADROOM, Suggestion, largest_batch, smallest, suggest
from wiseft_jax.planning.topology import parse_topology

GIB = 2**30
V5E = parse_topology("v5e:2x4")
LIMIT = memory_limit(V5E) or 0


def model(gib: float, per_image: float) -> MemoryModel:
    """Return a model whose parameters take so many GiB, and each image so many."""
    size = round(gib * GIB)
    again = {"none": (1.0, 3e9), "dots": (0.5, 3.2e9), "full": (0.1, 4e9)}
    return MemoryModel(
        activations={
            remat: Activations(0.0, share * per_image * GIB, flops, 0.0, 0.0)
            for remat, (share, flops) in again.items()
        },
        states={split: State(size // split, 2 * size // split) for split in (1, 2, 4, 8)},
        leaves={split: ((size, split > 1),) for split in (1, 2, 4, 8)},
        pixels=0,
    )


def test_nothing_is_changed_when_all_fits():
    best = suggest(model(0.1, 0.01), V5E, 512)[0]
    assert (best.accumulation_steps, best.fsdp, best.remat, best.images) == (1, 1, "none", 64)


def test_every_suggestion_fits_and_the_fastest_is_first():
    found = suggest(model(1.0, 0.25), V5E, 512)
    assert found
    assert all(each.memory_bytes <= HEADROOM * LIMIT for each in found)
    secs = [each.seconds for each in found]
    assert secs == sorted(secs)  # type: ignore[type-var]
    assert all(each.images * each.accumulation_steps * 8 == 512 for each in found)


def test_accumulation_comes_before_recomputing():
    # 64 images a device take 16 GiB: in two parts they fit, and small gradients cost little twice.
    best = suggest(model(0.001, 0.25), V5E, 512)[0]
    assert (best.accumulation_steps, best.remat, best.fsdp) == (2, "none", 1)


def test_large_parameters_are_split():
    # Parameters, optimizer and gradients: 4 x 6 GiB on every device.
    found = suggest(model(6.0, 0.001), V5E, 512)
    assert found
    assert min(each.fsdp for each in found) == 2


def test_calibration_by_a_compiled_step_changes_what_fits():
    predicted = suggest(model(0.1, 0.5), V5E, 512)[0]
    calibrated = suggest(model(0.1, 0.5), V5E, 512, scale=0.25)[0]
    assert (predicted.remat, calibrated.remat) == ("full", "none")


def test_nothing_fits():
    huge = model(100.0, 1.0)
    assert suggest(huge, V5E, 512) == []
    least = smallest(huge, V5E, 512)
    assert least is not None
    assert (least.fsdp, least.accumulation_steps) == (8, 1)  # accumulating would cost a second sum
    assert least.remat == "full"
    assert least.memory_bytes > LIMIT


@pytest.mark.parametrize(("gib", "per_image", "batch"), [(2.0, 25.0, 4096), (4.0, 3.0, 8 * 67)])
def test_the_largest_batch_that_fits(gib: float, per_image: float, batch: int):
    built = dataclasses.replace(model(gib, per_image), pixels=2**24)
    assert suggest(built, V5E, batch) == []
    found = largest_batch(built, V5E, batch)
    assert found is not None
    assert found.batch_size is not None
    assert found.batch_size == 8 * found.images * found.accumulation_steps < batch
    assert found.memory_bytes <= HEADROOM * LIMIT
    assert found.options.startswith(f"--training.batch-size {found.batch_size} --training.acc")
    # It fits by the way of all suggestions, and nothing between it and the configured batch does.
    assert found.layout in [each.layout for each in suggest(built, V5E, found.batch_size)]
    larger = range(found.batch_size + 8, batch, 8)
    assert [size for size in larger if suggest(built, V5E, size)] == []


def test_no_batch_fits():
    assert largest_batch(model(100.0, 1.0), V5E, 512) is None
    assert largest_batch(model(0.001, 1000.0), V5E, 512) is None
    assert largest_batch(model(0.001, 0.001), parse_topology("cpu:8"), 512) is None


def test_a_batch_that_does_not_split_has_no_suggestion():
    assert suggest(model(0.1, 0.01), V5E, 509) == []
    assert smallest(model(0.1, 0.01), V5E, 509) is None


def test_options_of_the_command_line():
    suggestion = Suggestion(2, 4, "dots", 32, 1, 0.5)
    assert suggestion.options == (
        "--training.accumulation-steps 2 --mesh.data -1 --mesh.fsdp 4 --model.remat dots"
    )


def test_seconds_are_those_of_the_roofline():
    best = suggest(model(0.1, 0.01), V5E, 512, efficiency=0.5)[0]
    reduced = 2 * (7 / 8) * round(0.1 * GIB) / V5E.group_bandwidth(8)  # type: ignore[operator]
    assert best.seconds == pytest.approx(64 * 3e9 / (197e12 * 0.5) + reduced, rel=1e-6)


def test_json_and_back():
    built = model(1.0, 0.25)
    assert MemoryModel.from_json(built.to_json()) == built


def test_a_batch_that_has_no_parts_is_never_split_into_some():
    whole = dataclasses.replace(model(1.0, 0.25), accumulates=False)
    found = suggest(whole, V5E, 512)
    assert {each.accumulation_steps for each in found} == {1}
    assert {each.accumulation_steps for each in suggest(model(1.0, 0.25), V5E, 512)} > {1}
    largest = largest_batch(dataclasses.replace(model(1.0, 8.0), accumulates=False), V5E, 512)
    assert largest is not None
    assert largest.accumulation_steps == 1
