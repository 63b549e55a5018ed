"""A request goes to another process and back unchanged."""

from __future__ import annotations

import json

from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.experiment import ExperimentConfig, SweepConfig
from wiseft_jax.planning.request import PlanRequest, planned_steps
from wiseft_jax.training.config import TrainConfig


def test_json_and_back():
    config = ExperimentConfig(mesh=MeshConfig(fsdp=4), sweep=SweepConfig(alphas=(0.0, 0.5)))
    request = PlanRequest(config, "v5e:8x8", 10, 3, ("train", "model"), "compile", 18)
    assert PlanRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_heads_are_a_step_where_the_text_tower_is_trained():
    flyp = ExperimentConfig(training=TrainConfig(recipe="flyp"))
    assert planned_steps(flyp) == ("train", "heads", "sweep")
    assert planned_steps(ExperimentConfig()) == ("train", "sweep")
