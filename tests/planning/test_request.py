"""A request goes to another process and back unchanged."""

from __future__ import annotations

import json

from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.experiment import ExperimentConfig, SweepConfig
from wiseft_jax.planning.request import PlanRequest


def test_json_and_back():
    config = ExperimentConfig(mesh=MeshConfig(fsdp=4), sweep=SweepConfig(alphas=(0.0, 0.5)))
    request = PlanRequest(config, "v5e:8x8", 10, 3, ("train", "model"), "compile")
    assert PlanRequest.from_json(json.loads(json.dumps(request.to_json()))) == request
