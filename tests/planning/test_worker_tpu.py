"""Both steps compiled for TPUs that aren't there: memory, FLOPs and collectives."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.experiment import ExperimentConfig, ModelConfig, SweepConfig
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.process import ask
from wiseft_jax.planning.request import PlanRequest
from wiseft_jax.training.config import TrainConfig

pytestmark = [
    pytest.mark.tpu_compile,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs libtpu"),
]

SIZES = {
    "image_size": 64, "patch_size": 8, "vision_width": 256, "vision_heads": 4,
    "vision_hidden": 1024, "projection": 128,
}  # fmt: skip
BATCH = 256


@pytest.fixture(scope="module", autouse=True)
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("plans")))
        yield


@pytest.fixture(scope="module")
def request_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("towers")

    def build(layers: int = 2, tower: Any = "scan", **training: Any) -> PlanRequest:
        directory = root / str(layers)
        if not directory.exists():
            tiny_clip_directory(directory, vision_layers=layers, **SIZES)
        config = ExperimentConfig(
            model=ModelConfig(name=str(directory), compute_dtype="bfloat16", tower=tower),
            training=TrainConfig(**{"batch_size": BATCH, "warmup_steps": 0, **training}),
            sweep=SweepConfig(batch_size=BATCH),
        )
        return PlanRequest(config, "v5e:2x2", 10_000, 100, ("train", "sweep"), "compile")

    return build


def facts(request: PlanRequest) -> dict[str, StepFacts]:
    return {name: StepFacts.from_json(value) for name, value in ask(request).items()}


def only_train(request: PlanRequest) -> StepFacts:
    return facts(dataclasses.replace(request, questions=("train",)))["train"]


def parameter_count(layers: int) -> int:
    width, hidden, tokens = 256, 1024, 65
    layer = 4 * (width * width + width) + 2 * width * hidden + hidden + width + 4 * width
    rest = 8 * 8 * 3 * width + width + tokens * width + 4 * width + width * 128
    return layers * layer + rest + 128 * 100 + 100


def test_both_steps(request_of: Any, caplog: pytest.LogCaptureFixture):
    found = facts(request_of())
    train, sweep = found["train"], found["sweep"]
    state = 3 * 4 * parameter_count(2)  # parameters and Adam's moments, whole on each device
    pixels = BATCH // 4 * 64 * 64 * 3
    assert state + pixels < train.memory["arguments"] < 1.2 * (state + pixels)
    assert 0 < train.memory["temporaries"] < 2**30
    assert train.counts.unknown_loops == sweep.counts.unknown_loops == ()
    assert train.counts.num_bytes > state
    reduced = train.counts.by_kind()["all-reduce"][1]
    assert reduced == pytest.approx(4 * parameter_count(2), rel=0.05)  # gradients, in float32
    assert sweep.passes == 11
    assert 4 * sweep.counts.flops == pytest.approx(sweep.traced_flops, rel=0.02)
    with caplog.at_level(logging.INFO):
        assert facts(request_of()) == found
    assert "train: found in the cache" in caplog.text


def test_a_layer_costs_what_the_trace_says(request_of: Any):
    two, four = (only_train(request_of(layers)) for layers in (2, 4))
    compiled = 4 * (four.counts.flops - two.counts.flops)
    assert compiled == pytest.approx(four.traced_flops - two.traced_flops, rel=0.02)
    # The last layer's work on all tokens but the first is dropped: nothing depends on it.
    assert 0.85 < 4 * four.counts.flops / four.traced_flops < 1.02


def test_scanned_layers_and_parts_cost_as_unrolled_ones(request_of: Any):
    scan, unrolled, parts = (
        only_train(request_of(4, **changes))
        for changes in ({}, {"tower": "transformers"}, {"accumulation_steps": 4})
    )
    assert scan.counts.flops == pytest.approx(unrolled.counts.flops, rel=0.05)
    assert parts.counts.flops == pytest.approx(scan.counts.flops, rel=0.02)
    assert parts.memory["temporaries"] < scan.memory["temporaries"]
    many, once = (each.counts.by_kind()["all-reduce"] for each in (parts, scan))
    assert many[1] == pytest.approx(4 * once[1], rel=0.05)  # gradients of each part


def test_split_parameters_are_gathered(request_of: Any):
    request = request_of()
    mesh = MeshConfig(fsdp=4, min_shard_elements=2**12)
    split = only_train(
        dataclasses.replace(request, config=dataclasses.replace(request.config, mesh=mesh))
    )
    whole = only_train(request)
    assert split.memory["arguments"] < 0.5 * whole.memory["arguments"]
    assert split.counts.by_kind()["all-gather"][1] > parameter_count(2)


def test_groups_of_a_mesh_of_two_axes(request_of: Any):
    request = request_of()
    mesh = MeshConfig(fsdp=8, min_shard_elements=2**12)
    config = dataclasses.replace(request.config, mesh=mesh)
    split = only_train(dataclasses.replace(request, config=config, topology="v5e:4x4"))
    groups: dict[str, set[int]] = {}
    for each in split.counts.collectives:
        if each.num_bytes > 2**14:
            groups.setdefault(each.kind, set()).add(each.group_size)
    assert groups["all-gather"] == {8}  # parameters, over fsdp
    assert 2 in groups["all-reduce"]  # gradients of the parts, over data


def test_a_program_too_large_for_the_device(request_of: Any):
    request = dataclasses.replace(request_of(batch_size=2**17), num_images=2**17)
    refused = only_train(request)
    assert refused.too_large is not None
    assert refused.memory_bytes > 16 * 2**30


def test_a_slice_that_is_not_there_is_refused(request_of: Any, tmp_path: Path):
    from wiseft_jax.core.errors import InputError

    with pytest.raises(InputError, match="3x5"):
        ask(dataclasses.replace(request_of(), topology="v5e:3x5"))
