"""The planning process's answers, in this process: on its eight virtual devices."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import jax
import pytest

from tests.helpers.tiny import tiny_clip_directory
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.experiment import ExperimentConfig, ModelConfig, SweepConfig
from wiseft_jax.planning import worker
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.memory_model import MemoryModel
from wiseft_jax.planning.request import Method, PlanRequest, Question
from wiseft_jax.planning.topology import parse_topology
from wiseft_jax.training.config import TrainConfig


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Any:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    directory = tiny_clip_directory(tmp_path / "clip")
    config = ExperimentConfig(
        model=ModelConfig(name=str(directory), tower="scan"),
        training=TrainConfig(batch_size=16, warmup_steps=0),
        sweep=SweepConfig(batch_size=16),
        mesh=MeshConfig(min_shard_elements=64),
    )

    def run(
        question: Question, how: Method = "abstract", topology: str = "cpu:8", **sweep: Any
    ) -> list[dict[str, Any]]:
        changed = dataclasses.replace(config, sweep=dataclasses.replace(config.sweep, **sweep))
        request = PlanRequest(changed, topology, 100, 3, (question,), how)
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request.to_json())))
        code = worker.main()
        messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert code == (2 if "error" in messages[-1] else 0)
        return messages

    return run


def stages(messages: list[dict[str, Any]]) -> list[str]:
    return [message["stage"] for message in messages if "stage" in message]


@pytest.mark.parametrize("step", ["train", "sweep"])
def test_a_step_is_compiled_once_and_then_remembered_eight_devices(ask: Any, step: Question):
    first, second = ask(step, "compile"), ask(step, "compile")
    assert stages(first) == [
        f"{step}: {name}" for name in ("tracing", "lowering", "compiling for 8 devices")
    ]
    assert stages(second)[-1] == f"{step}: found in the cache"
    assert first[-1] == second[-1]
    facts = StepFacts.from_json(first[-1]["value"])
    assert facts.method == "compile"
    assert facts.memory["arguments"] > 0
    assert facts.memory["temporaries"] > 0
    assert facts.counts.flops == pytest.approx(facts.traced_flops / 8, rel=0.15)
    estimated = StepFacts.from_json(ask(step)[-1]["value"])
    assert estimated.method == "abstract"
    assert estimated.traced_flops == facts.traced_flops
    assert estimated.images == facts.images == 16


def test_the_nodes_of_a_curve_are_compiled_eight_devices(ask: Any):
    compiled, traced = (
        StepFacts.from_json(ask("sweep", method, method="curve")[-1]["value"])
        for method in ("compile", "abstract")
    )
    assert (compiled.backend, compiled.passes) == ("curve", 5)
    assert compiled.traced_flops == traced.traced_flops
    assert compiled.counts.flops == pytest.approx(traced.counts.flops, rel=0.15)
    assert compiled.memory["arguments"] > 0


def test_sweeps_of_one_program_are_kept_apart_eight_devices(ask: Any):
    ten, eleven = (
        StepFacts.from_json(
            ask("sweep", "compile", alphas=tuple(i / 10 for i in range(count)), chunk_size=4)[-1][
                "value"
            ]
        )
        for count in (10, 11)
    )
    assert (ten.passes, eleven.passes) == (10, 11)
    assert eleven.counts == ten.counts  # chunks of alphas are whole: 12 passes are paid for


def test_the_compilers_flags_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch):
    topology, kept = parse_topology("cpu:8"), {"step": "train"}
    monkeypatch.delenv("LIBTPU_INIT_ARGS", raising=False)
    without = worker.cache_key("program", topology, kept)
    assert without == worker.cache_key("program", topology, kept)
    monkeypatch.setenv("LIBTPU_INIT_ARGS", "--xla_tpu_enable_async_all_to_all=true")
    assert without != worker.cache_key("program", topology, kept)


def test_the_memory_model_knows_every_choice(ask: Any):
    model = MemoryModel.from_json(ask("model")[-1]["value"])
    assert set(model.activations) == {"none", "dots", "full"}
    assert set(model.states) == {1, 2, 4, 8}
    assert model.states[8].parameters < model.states[1].parameters


def test_a_tpu_is_estimated_without_libtpu_eight_devices(ask: Any):
    facts = StepFacts.from_json(ask("train", topology="v5e:2x4")[-1]["value"])
    assert facts.method == "abstract"
    on_gpus = StepFacts.from_json(ask("train", topology="h100:8")[-1]["value"])
    assert facts.counts == on_gpus.counts


def test_too_few_virtual_devices_is_said(ask: Any):
    messages = ask("train", topology="cpu:16")
    assert "--xla_force_host_platform_device_count=16" in messages[-1]["error"]


def test_what_xla_refuses_becomes_facts(ask: Any, monkeypatch: pytest.MonkeyPatch):
    words = (
        "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO"
        " temporaries (132.28G) exceeds available HBM (15.75G)."
    )

    def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
        raise jax.errors.JaxRuntimeError(words)

    monkeypatch.setattr(jax.stages.Lowered, "compile", refuse)
    facts = StepFacts.from_json(ask("train", "compile")[-1]["value"])
    assert facts.too_large == words
    assert facts.memory["temporaries"] == round(132.28 * 2**30)
    assert facts.memory["parameters"] > 0
    assert facts.counts.flops > 0


def test_another_failure_of_the_compiler_is_not_hidden(ask: Any, monkeypatch: pytest.MonkeyPatch):
    def fail(self: Any, *args: Any, **kwargs: Any) -> None:
        raise jax.errors.JaxRuntimeError("INTERNAL: a bug")

    monkeypatch.setattr(jax.stages.Lowered, "compile", fail)
    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"):
        ask("train", "compile")


def test_devices_of_other_kinds_are_virtual():
    devices = worker.devices_of(parse_topology("h100:4"), "abstract")
    assert [device.platform for device in devices] == ["cpu"] * 4
    with pytest.raises(InputError, match="h200:2x8"):
        worker.devices_of(parse_topology("h200:2x8"), "abstract")
