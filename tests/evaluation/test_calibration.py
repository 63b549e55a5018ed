"""How many alphas at once: what is timed, when it pays, and what is chosen."""

from __future__ import annotations

import dataclasses
import logging

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import dataset
from tests.helpers.compilations import counted_compilations
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.mesh_config import MeshConfig
from wiseft_jax.evaluation import calibration as module
from wiseft_jax.evaluation.calibration import calibrated, candidates, time_step
from wiseft_jax.evaluation.config import SweepConfig
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.sweep import sweep

PLENTY = 2**40
ALPHAS = tuple(np.linspace(0, 1, 8).tolist())


@pytest.fixture
def job(tiny):
    config = EngineConfig.resolve(tiny.theta_0, num_alphas=8, batch_size=8, mesh=make_mesh(1))
    ends = config.layout.place(tiny.theta_0), config.layout.place(tiny.theta_1)
    return tiny.classifier, ends, config, ALPHAS


def sizes(found: tuple[EngineConfig, list[EngineConfig]]) -> list[tuple[int, str]]:
    return [(config.chunk_size, config.backend) for config in (found[0], *found[1])]


def bytes_of(job) -> int:
    return sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(job[1][0]))


def with_times(monkeypatch, seconds, *, compiling=1.0, one=1.0):
    """Replace the clock: what each chunk takes; a chunk that isn't in ``seconds`` is an error."""
    seen = []

    def time(classifier, ends, config, alphas, batch):
        seen.append(config.chunk_size)
        return seconds[config.chunk_size]

    monkeypatch.setattr(module, "time_step", time)
    monkeypatch.setattr(module, "_compiled_and_tried", lambda *args: (compiling, one))
    return seen


def test_candidates_are_one_four_and_all_alphas_at_once(job):
    assert sizes(candidates(job[2], job[1][0], 8, PLENTY)) == [(1, "map"), (4, "map"), (8, "vmap")]
    assert sizes(candidates(job[2], job[1][0], 3, PLENTY)) == [(1, "map"), (3, "vmap")]
    assert sizes(candidates(job[2], job[1][0], 1, PLENTY)) == [(1, "map")]
    many = sizes(candidates(job[2], job[1][0], 101, PLENTY))
    assert many == [(1, "map"), (4, "map"), (32, "map")]  # as many as a call has room for


def test_candidates_over_an_axis_of_alphas_are_multiples_of_it(tiny):
    mesh = MeshConfig(data=4, alpha=2)
    config = EngineConfig.resolve(tiny.theta_0, backend="sharded", batch_size=8, mesh=mesh)
    found = sizes(candidates(config, tiny.theta_0, 11, PLENTY))
    assert found == [(2, "sharded"), (8, "sharded"), (12, "sharded")]


def test_memory_bounds_the_candidates(job):
    model = bytes_of(job)
    assert sizes(candidates(job[2], job[1][0], 8, 11 * model)) == [(1, "map"), (4, "map")]
    assert sizes(candidates(job[2], job[1][0], 8, 6 * model)) == [(1, "map"), (2, "map")]
    config, reason = calibrated(*job, [dataset(9, "few")], "always", model)
    assert (config, reason.split(",")[0]) == (job[2], "no other number of alphas at once fits")
    large = dataclasses.replace(job[2], chunk_size=8)
    assert sizes(candidates(large, job[1][0], 8, 6 * model)) == [(2, "map"), (1, "map")]


@pytest.mark.parametrize(
    ("seconds", "chosen", "why"),
    [
        ({1: 1.0, 4: 0.5, 8: 0.7}, (4, "map"), "4 was the fastest"),
        ({1: 1.0, 4: 0.9, 8: 0.4}, (8, "vmap"), "8 was the fastest"),
        ({1: 1.0, 4: 0.97, 8: 2.0}, (1, "map"), "no other was at least 5 % faster than 1"),
    ],
)
def test_the_fastest_is_taken_if_it_is_clearly_faster(job, monkeypatch, seconds, chosen, why):
    seen = with_times(monkeypatch, seconds)
    config, reason = calibrated(*job, [dataset(8 * 200, "many")], "auto", PLENTY)
    assert (config.chunk_size, config.backend, seen) == (*chosen, [1, 4, 8])
    listed = ", ".join(f"{size}: {1000 * taken:.0f} ms" for size, taken in seconds.items())
    assert reason == (f"all 8 alphas on the first batch took, by alphas at once, {listed}; {why}")


def test_what_has_no_memory_is_not_chosen(job, monkeypatch):
    with_times(monkeypatch, {1: 1.0, 4: 0.5, 8: float("inf")})
    config, reason = calibrated(*job, [dataset(9, "few")], "always", PLENTY)
    assert config.chunk_size == 4
    assert "8: not enough memory; 4 was the fastest" in reason


def test_few_batches_pay_for_no_second_program(job, monkeypatch):
    seen = with_times(monkeypatch, {})
    found = calibrated(*job, [dataset(8 * 15, "a"), dataset(8 * 4 + 1, "b")], "auto", PLENTY)
    assert found == (job[2], "20 batches of images, too few to time another number at once")
    assert seen == []


def test_a_sweep_that_is_short_beside_compiling_is_not_timed(job, monkeypatch):
    seen = with_times(monkeypatch, {}, compiling=5.0, one=0.01)
    config, reason = calibrated(*job, [dataset(8 * 200, "many")], "auto", PLENTY)
    assert (config, seen) == (job[2], [])
    assert reason == (
        "about 16 s of work and 5.0 s of compiling, too little work to time another number at once"
    )


def test_it_is_timed_always_or_never_when_that_is_asked_for(tiny, job, monkeypatch):
    seen = with_times(monkeypatch, {1: 1.0, 4: 0.5, 8: 0.7}, compiling=1e9)
    few = [dataset(9, "few")]
    assert calibrated(*job, few, "never", PLENTY) == (job[2], "nothing was timed, as asked for")
    assert seen == []
    assert calibrated(*job, few, "always", PLENTY)[0].chunk_size == 4


def test_timings_are_of_the_step_itself(tiny, job):
    config, reason = calibrated(*job, [dataset(9, "few")], "always", PLENTY)
    assert config.chunk_size in (1, 4, 8)
    assert reason.startswith("all 8 alphas on the first batch took, by alphas at once, 1: ")
    assert time_step(*job, module._first_batch(tiny.classifier, tiny.datasets[0], job[2])) > 0


@pytest.mark.parametrize("fastest", [1, 4, 5])
def test_each_candidate_is_compiled_once_and_the_chosen_one_is_run(
    tiny, monkeypatch, caplog, fastest
):
    """The results are those of the back-end that was chosen, asked for by name: bit for bit."""
    real = module.time_step

    def time(classifier, ends, config, alphas, batch):
        real(classifier, ends, config, alphas, batch)
        return 1.0 if config.chunk_size == fastest else 2.0

    monkeypatch.setattr(module, "time_step", time)
    alphas = (0.0, 0.25, 0.5, 0.75, 1.0)
    ends, data = (tiny.theta_0, tiny.theta_1), tiny.datasets[:2]
    options = {"batch_size": 8, "mesh": make_mesh(1)}
    with counted_compilations() as compiled, caplog.at_level(logging.INFO):
        found = sweep(tiny.fresh(), *ends, data, alphas, calibrate="always", **options)
    assert compiled.count("step") == 3
    name = "vmap" if fastest == 5 else "map"
    assert (found.backend.name, found.backend.chunk_size) == (name, fastest)
    (line,) = [text for text in caplog.messages if text.startswith("back-end")]
    assert line.startswith(f"back-end {name}, alphas at once: {fastest} (")
    assert "1: " in line
    assert "ms" in line
    asked = {"backend": "vmap"} if fastest == 5 else {"backend": "map", "chunk_size": fastest}
    same = sweep(tiny.classifier, *ends, data, alphas, **asked, **options)
    for key, predictions in same.predictions.items():
        assert found.predictions[key].margin.tobytes() == predictions.margin.tobytes()
        assert found.predictions[key].top1.tobytes() == predictions.top1.tobytes()


def test_options_that_leave_nothing_to_time_are_refused():
    with pytest.raises(InputError, match=r"sweep\.calibrate: always .* sweep\.chunk_size 4"):
        SweepConfig(calibrate="always", chunk_size=4)
    with pytest.raises(InputError, match=r"sweep\.calibrate: always .* sweep\.backend map"):
        SweepConfig(calibrate="always", backend="map")
    with pytest.raises(InputError, match=r"sweep\.calibrate: has no meaning with sweep\.method"):
        SweepConfig(calibrate="always", method="curve")
