"""Which back-end is chosen, and why: what differs, devices, memory."""

from __future__ import annotations

import dataclasses
import logging

import jax
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.evaluation import backend as module
from wiseft_jax.evaluation.backend import (
    BackendChoice,
    available_bytes,
    choose,
    free_device_memory,
    free_memory,
    shared_of,
    warn_if_too_large,
)
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.sweep import SweepResult, sweep

ALPHAS = (0.0, 0.5, 1.0)


def head_only(tiny):
    return {**tiny.theta_1, "encoder": tiny.theta_0["encoder"]}


def chosen(tiny, theta_1, mesh=None):
    shared = shared_of("auto", tiny.classifier, tiny.theta_0, theta_1)
    return choose("auto", tiny.theta_0, shared, Layout.of(mesh))


def test_what_differs_decides(tiny):
    name, reason = chosen(tiny, tiny.theta_1)
    count = len(jax.tree_util.tree_leaves(tiny.theta_0["encoder"]))
    assert (name, reason) == ("map", f"{count} of {count} parameter arrays of the encoder differ")
    assert chosen(tiny, head_only(tiny))[0] == "linear"
    assert chosen(tiny, tiny.theta_1, MeshConfig(data=2, alpha=4)) == (
        "sharded",
        "mesh.alpha is 4",
    )
    shared = shared_of("vmap", tiny.classifier, tiny.theta_0, tiny.theta_1)
    assert choose("vmap", tiny.theta_0, shared, Layout.of(None)) == ("vmap", "asked for")


def test_a_frozen_part_is_told(tiny):
    theta_1 = {**tiny.theta_1, "encoder": dict(tiny.theta_1["encoder"])}
    theta_1["encoder"]["visual_projection"] = tiny.theta_0["encoder"]["visual_projection"]
    name, reason = chosen(tiny, theta_1)
    assert name == "map"
    assert "shared first layers alone runs once a batch" in reason


def test_linear_names_the_leaves_that_differ(tiny):
    with pytest.raises(InputError, match=r"encoder/vision_model/\S+, .* and \d+ more"):
        shared_of("linear", tiny.classifier, tiny.theta_0, tiny.theta_1)
    shared = shared_of("linear", tiny.classifier, tiny.theta_0, head_only(tiny))
    encoder = {path for path in shared.leaves if path.startswith("encoder/")}
    assert len(encoder) == len(jax.tree_util.tree_leaves(tiny.theta_0["encoder"]))


def test_delta_is_told_what_needs_no_second_product(tiny):
    shared = shared_of("delta", tiny.classifier, tiny.theta_0, head_only(tiny))
    assert "encoder/visual_projection/kernel" in shared.canonical
    assert "head/kernel" not in shared.canonical


def test_the_choice_is_said_recorded_and_saved(tiny, caplog, tmp_path):
    with caplog.at_level(logging.INFO):
        result = sweep(
            tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets[:1], ALPHAS, batch_size=8
        )
    (line,) = [text for text in caplog.messages if text.startswith("back-end")]
    assert line.startswith("back-end map, alphas at once: 1 (")
    assert "2 batches of images, too few to time another number at once" in line
    assert isinstance(result.backend, BackendChoice)
    assert result.backend.reason in line
    result.save(tmp_path)
    assert SweepResult.load(tmp_path).backend == result.backend
    facts = tmp_path / "predictions" / "backend.json"
    facts.write_text('{"backend": {"name": "map"}}')
    with pytest.raises(InputError, match=r"backend\.json: can't be read"):
        SweepResult.load(tmp_path)
    facts.unlink()
    assert SweepResult.load(tmp_path).backend is None


@pytest.fixture
def config(tiny):
    return EngineConfig.resolve(tiny.theta_0, num_alphas=8, batch_size=8, mesh=make_mesh(1))


def test_free_memory(tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:       24000 kB\nMemAvailable:    2048 kB\n")
    assert free_memory(path) == 2**21
    path.write_text("MemTotal: 1 kB\n")
    assert free_memory(path) is None
    assert free_memory(tmp_path / "gone") is None


def test_memory_of_accelerators_is_that_of_the_fullest():
    class Device:
        def __init__(self, used):
            self.used = used

        def memory_stats(self):
            return {"bytes_limit": 100, "bytes_in_use": self.used} if self.used else None

    assert free_device_memory([Device(10), Device(30), Device(0)]) == 70
    assert free_device_memory([Device(0)]) is None


def test_memory_of_a_cpu_is_the_machines():
    free = available_bytes(make_mesh(2))
    assert free is None or free > 2**20


def test_too_little_memory_is_told(tiny, config, monkeypatch, caplog):
    config = dataclasses.replace(config, backend="vmap", chunk_size=8)
    monkeypatch.setattr(module, "available_bytes", lambda mesh: 10**9)
    warn_if_too_large(config, tiny.theta_0)
    assert not caplog.text
    monkeypatch.setattr(module, "available_bytes", lambda mesh: 10**3)
    warn_if_too_large(config, tiny.theta_0)
    assert "at 8 alphas at once take about" in caplog.text
