"""How many alphas at once: a timing on the first batch, where it pays, of programs that agree."""

from __future__ import annotations

import dataclasses
import logging

import jax
import numpy as np
import pytest

from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.evaluation import calibration as module
from wiseft_jax.evaluation.calibration import calibrated, candidates, time_step
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.sweep import sweep

ALPHAS = tuple(np.linspace(0, 1, 8).tolist())
PLENTY = 2**40


def long(tiny, images):
    """Return a dataset of so many images: the first one, again and again."""
    return tiny.datasets[0].subset(np.zeros(images, np.int64))


@pytest.fixture
def job(tiny):
    config = EngineConfig.resolve(tiny.theta_0, num_alphas=8, batch_size=8, mesh=make_mesh(1))
    ends = config.layout.place(tiny.theta_0), config.layout.place(tiny.theta_1)
    return tiny.classifier, ends, config, ALPHAS


def with_times(monkeypatch, compiling, seconds):
    """Let the clock say what a test wants; return the list of what was timed."""
    seen = []

    def time(classifier, ends, config, alphas, batch):
        seen.append((config.backend, config.chunk_size))
        return seconds[config.chunk_size]

    monkeypatch.setattr(module, "_first_batch", lambda *_: None)
    monkeypatch.setattr(module, "_compiled_and_tried", lambda *_: (compiling, seconds[1] / 8))
    monkeypatch.setattr(module, "time_step", time)
    monkeypatch.setattr(module, "compiled_step", lambda *_: None)
    return seen


@pytest.mark.parametrize(
    ("four", "eight", "chosen"),
    [
        (0.5, 0.7, ("map", 4)),
        (0.7, 0.5, ("vmap", 8)),
        (0.97, 0.96, ("map", 1)),  # within the noise
        (2.0, float("inf"), ("map", 1)),
    ],
)
def test_the_fastest_is_taken_if_it_is_clearly_faster(tiny, job, monkeypatch, four, eight, chosen):
    seen = with_times(monkeypatch, 1.0, {1: 1.0, 4: four, 8: eight})
    config, reason = calibrated(*job, [long(tiny, 8 * 1000)], free_bytes=PLENTY)
    assert (config.backend, config.chunk_size) == chosen
    assert seen == [("map", 1), ("map", 4), ("vmap", 8)]
    assert f"by alphas at once, 1: 1000 ms, 4: {1000 * four:.0f} ms, 8: " in reason
    assert ("not enough memory" in reason) == (eight == float("inf"))
    best = f"{chosen[1]} was the fastest" if chosen[1] > 1 else "no other was at least 5 % faster"
    assert best in reason


def test_a_sweep_of_few_batches_is_not_even_tried(tiny, job, monkeypatch):
    seen = with_times(monkeypatch, 1.0, {1: 1.0})
    config, reason = calibrated(*job, [long(tiny, 8 * 100)], free_bytes=PLENTY)
    assert (config, seen) == (job[2], [])
    assert reason == "100 batches of images, too few to time another number at once"


def test_a_sweep_that_is_short_beside_compiling_times_no_other(tiny, job, monkeypatch):
    seen = with_times(monkeypatch, 60.0, {1: 0.1})
    config, reason = calibrated(*job, [long(tiny, 8 * 200)], free_bytes=PLENTY)
    assert (config.chunk_size, seen) == (1, [])
    assert reason.startswith("about 20 s of work and 60.0 s of compiling, too little work")


@pytest.mark.parametrize(("when", "timed"), [("always", 3), ("never", 0)])
def test_it_may_be_asked_for_or_forbidden(tiny, job, monkeypatch, when, timed):
    seen = with_times(monkeypatch, 60.0, {1: 1.0, 4: 0.5, 8: 0.8})
    config, reason = calibrated(*job, [long(tiny, 8)], when, free_bytes=PLENTY)
    assert len(seen) == timed
    assert config.chunk_size == (4 if timed else 1)
    assert ("as asked for" in reason) == (timed == 0)


def test_memory_bounds_the_candidates(job):
    _, ends, config, _ = job
    model = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(ends[0]))

    def sizes(free, default=config):
        first, others = candidates(default, ends[0], 8, free)
        return [(each.backend, each.chunk_size) for each in (first, *others)]

    assert sizes(PLENTY) == [("map", 1), ("map", 4), ("vmap", 8)]
    assert sizes(int(5.2 * model)) == [("map", 1), ("map", 2)]
    assert sizes(model) == [("map", 1)]
    assert sizes(model, dataclasses.replace(config, chunk_size=4)) == [("map", 1)]


def test_alphas_on_an_axis_of_devices_stay_on_it(tiny):
    config = EngineConfig.resolve(
        tiny.theta_0, num_alphas=8, batch_size=8, backend="sharded", mesh=MeshConfig(alpha=2)
    )
    default, others = candidates(config, tiny.theta_0, 8, PLENTY)
    found = [(each.backend, each.chunk_size) for each in (default, *others)]
    assert found == [("sharded", 2), ("sharded", 8)]


def test_timings_are_of_the_step_itself_and_change_no_prediction(tiny, caplog):
    options = {"batch_size": 8, "mesh": make_mesh(1)}
    with caplog.at_level(logging.INFO):
        timed = sweep(
            *(tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets[:1], ALPHAS),
            calibrate="always",
            **options,
        )
    plain = sweep(
        *(tiny.classifier, tiny.theta_0, tiny.theta_1, tiny.datasets[:1], ALPHAS),
        calibrate="never",
        **options,
    )
    (line,) = [text for text in caplog.messages if text.startswith("back-end")]
    assert "all 8 alphas on the first batch took, by alphas at once, 1: " in line
    assert timed.backend is not None
    assert timed.backend.name in ("map", "vmap")
    name = tiny.datasets[0].name
    found, expected = timed.predictions[name], plain.predictions[name]
    differ = found.top1 != expected.top1
    assert (expected.margin[differ] < 2e-4).all()
    np.testing.assert_allclose(found.margin, expected.margin, rtol=0, atol=2e-4)


def test_what_does_not_fit_takes_for_ever(job, monkeypatch):
    def step(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(module, "compiled_step", lambda *_: step)
    assert time_step(*job, None) == float("inf")


@pytest.mark.parametrize("option", [{"backend": "map"}, {"chunk_size": 2}])
def test_always_beside_what_it_would_choose_is_refused(option):
    with pytest.raises(InputError, match=r"sweep\.calibrate: always leaves nothing to time"):
        SweepConfig(calibrate="always", **option)
