"""The whole plan, from the answers of a planning process."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from tests.planning.jobs import make_job
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.planning import plan as planning
from wiseft_jax.planning.abstract import abstract_train_facts
from wiseft_jax.planning.abstract_sweep import abstract_sweep_facts
from wiseft_jax.planning.faults import GPU_MEMORY_FRACTION
from wiseft_jax.planning.memory_trace import trace_memory
from wiseft_jax.planning.plan import PlanOptions, RunPlan, hours_text, make_plan
from wiseft_jax.planning.request import PlanRequest

OPTIONS = PlanOptions("h100:8", num_images=4096, num_classes=5, num_evaluated=1000)


@pytest.fixture(scope="module")
def answers() -> tuple[ExperimentConfig, dict[str, Any]]:
    job = make_job(compute_dtype="bfloat16")
    return job.config, {
        "train": abstract_train_facts(job).to_json(),
        "sweep": abstract_sweep_facts(job).to_json(),
        "model": trace_memory({"none": job}, [1, 2, 4, 8]).to_json(),
    }


@pytest.fixture
def make(answers: tuple[ExperimentConfig, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Plan with the answers that a process would give; keep what it was asked."""
    config, found = answers
    asked: list[PlanRequest] = []

    def ask(request: PlanRequest) -> dict[str, Any]:
        asked.append(request)
        return {question: found[question] for question in request.questions}

    def run(**changes: Any) -> tuple[RunPlan, list[PlanRequest]]:
        return make_plan(config, dataclasses.replace(OPTIONS, **changes)), asked

    monkeypatch.setattr(planning, "ask", ask)
    return run


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.271, 1.304, "1.27 to 1.30"),
        (0.0944, 0.104, "0.094 to 0.10"),
        (0.0311, 0.0312, "0.031"),
        (None, None, "not known"),
    ],
)
def test_hours_have_two_digits_at_least(low: float | None, high: float | None, text: str):
    assert hours_text({"overlapped": low, "exposed": high}) == text
    assert hours_text(None) == "not known"


def test_time_and_hours_add_up(make: Any):
    plan, asked = make()
    assert [request.questions for request in asked] == [("train", "sweep", "model")]
    value = plan.to_json()
    train, sweep = value["steps"]["train"], value["steps"]["sweep"]
    assert train["steps"] == 64  # 4096 images of 64
    assert sweep["steps"] == 16  # 1000 images of 64
    secs = train["secs"]["exposed"]
    assert train["images_per_sec"]["exposed"] == pytest.approx(64 / secs)
    assert train["hours"]["exposed"] == pytest.approx(64 * secs / 3600)
    assert train["secs"]["overlapped"] <= secs
    assert train["memory_bytes"] == sum(train["memory"].values())
    assert plan.works
    assert value["first_to_break"] is None


@pytest.fixture(scope="module")
def curve_answers() -> tuple[ExperimentConfig, dict[str, Any]]:
    job = make_job(compute_dtype="bfloat16", sweep={"method": "curve"})
    return job.config, {"sweep": abstract_sweep_facts(job).to_json()}


def test_a_curve_takes_a_range_of_passes(
    make: Any, answers: Any, curve_answers: Any, monkeypatch: pytest.MonkeyPatch
):
    config, found = curve_answers
    monkeypatch.setattr(planning, "ask", lambda request: answers[1] | found)
    sweep = make_plan(config, OPTIONS).to_json()["steps"]["sweep"]
    assert (sweep["backend"], sweep["steps"], sweep["passes"]) == ("curve", 16, 5)
    # 11 alphas: 5 or 9 nodes and their audit, and a fifth of the grid directly, or all of it.
    assert sweep["passes_per_image"] == pytest.approx({"low": 5.25, "high": 9.45 + 2.2})
    assert sweep["curve"]["nodes"] == [5, 9]
    assert sweep["curve"]["rough"] == pytest.approx(9.45 + 11)
    secs = sweep["secs"]
    low, high = (16 * secs[name] / 3600 for name in ("overlapped", "exposed"))
    assert sweep["hours"]["overlapped"] == pytest.approx(1.05 * low)
    assert sweep["hours"]["exposed"] == pytest.approx(11.65 / 5 * high)
    assert sweep["images_per_sec"]["exposed"] == pytest.approx(64 / (11.65 / 5 * secs["exposed"]))


def test_many_alphas_take_several_calls(make: Any, answers: Any, monkeypatch: pytest.MonkeyPatch):
    grid = tuple(step / 64 for step in range(40))
    config = make_job(compute_dtype="bfloat16", sweep={"alphas": grid}).config
    monkeypatch.setitem(answers[1]["sweep"], "alphas", 32)
    monkeypatch.setitem(answers[1]["sweep"], "passes", 32)
    make()  # sets the answers
    sweep = make_plan(config, OPTIONS).to_json()["steps"]["sweep"]
    assert sweep["steps"] == 2 * 16
    assert sweep["curve"] is None


def test_json_has_a_schema_and_no_surprises(make: Any):
    value = json.loads(json.dumps(make()[0].to_json(), allow_nan=False))
    assert value["schema_version"] == 1
    assert set(value) == {
        "schema_version", "config", "model", "topology", "mesh", "why", "assumptions",
        "memory_limit_bytes", "works", "first_to_break", "faults", "steps", "configured",
        "suggestions", "tightest", "largest_batch", "verified", "versions",
    }  # fmt: skip
    assert value["mesh"] == {"data": 8, "fsdp": 1, "alpha": 1}
    assert value["topology"]["sources"]
    assert value["versions"]["jax"]


def test_too_little_memory_breaks_and_says_what_would_fit(make: Any):
    needed = make()[0].steps["train"][0].memory_bytes
    limit = 0.8 * needed
    plan, _ = make(memory_gib=limit / GPU_MEMORY_FRACTION / 2**30)
    assert not plan.works
    assert "the train step needs" in plan.to_json()["first_to_break"]
    assert plan.suggestions
    assert all(each.memory_bytes < limit for each in plan.suggestions)
    assert plan.tightest is None


def test_what_is_configured_is_not_suggested(make: Any):
    plan, asked = make(verify=True)
    own = (asked[0].config.training.accumulation_steps, 1, asked[0].config.model.remat)
    assert plan.configured is not None
    assert plan.configured.layout == own
    assert plan.suggestions
    assert own not in [each.layout for each in plan.suggestions]
    assert plan.to_json()["configured"]["options"] == plan.configured.options
    assert asked[-1].config.mesh.fsdp == plan.suggestions[0].fsdp


def test_what_the_compiler_refused_is_neither_configured_nor_suggested(
    make: Any, answers: tuple[ExperimentConfig, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(answers[1]["train"], "too_large", "RESOURCE_EXHAUSTED")
    plan, asked = make()
    own = (asked[0].config.training.accumulation_steps, 1, asked[0].config.model.remat)
    assert not plan.works
    assert plan.configured is None
    assert plan.to_json()["configured"] is None
    assert own not in [each.layout for each in plan.suggestions]


def test_nothing_fits(make: Any):
    plan, _ = make(memory_gib=0.001)
    assert plan.suggestions == ()
    assert plan.tightest is not None
    assert plan.tightest.fsdp == 8
    value = plan.to_json()
    assert value["tightest"]["options"] == plan.tightest.options
    assert value["tightest"]["memory_bytes"] > value["memory_limit_bytes"]
    assert plan.largest is None  # the parameters alone are too large
    assert value["largest_batch"] is None


def test_a_smaller_batch_that_fits_is_a_number(make: Any):
    least = make(memory_gib=0.001)[0].tightest
    plan, _ = make(memory_gib=0.97 * least.memory_bytes / GPU_MEMORY_FRACTION / 2**30)
    assert plan.suggestions == ()
    value = plan.to_json()["largest_batch"]
    assert value["batch_size"] % 8 == 0
    assert 0 < value["batch_size"] < 64
    assert value["memory_bytes"] < plan.to_json()["memory_limit_bytes"]


def test_what_fits_needs_no_smaller_batch(make: Any):
    value = make()[0].to_json()
    assert (value["tightest"], value["largest_batch"]) == (None, None)


def test_rates_of_ones_own(make: Any):
    fast, slow = (
        make(peak_tflops=peak, bandwidth_gbs=1e6)[0].steps["train"][1] for peak in (2.0, 1.0)
    )
    assert fast.math is not None
    assert slow.math == pytest.approx(2 * fast.math)


def test_a_suggestion_can_be_verified(make: Any):
    plan, asked = make(verify=True)
    assert asked[-1].questions == ("train",)
    assert asked[-1].config.mesh.fsdp == plan.suggestions[0].fsdp
    assert asked[-1].config.model.remat == plan.suggestions[0].remat
    assert plan.verified is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_images": 0}, "--images"),
        ({"num_classes": 0}, "--classes"),
        ({"num_evaluated": -1}, "--test-images"),
        ({"efficiency": 0.0}, "--efficiency"),
        ({"efficiency": 1.5}, "--efficiency"),
        ({"memory_gib": 0.0}, "--memory-gib"),
        ({"topology": "v5e"}, "CHIP:SIZE"),
    ],
)
def test_wrong_options_are_named(changes: dict[str, Any], said: str):
    with pytest.raises(InputError) as error:
        make_plan(ExperimentConfig(), dataclasses.replace(OPTIONS, **changes))
    assert said in str(error.value)


def test_a_mesh_that_does_not_fit_the_devices():
    config = ExperimentConfig(mesh=MeshConfig(fsdp=3))
    with pytest.raises(InputError, match="fsdp 3"):
        make_plan(config, OPTIONS)
