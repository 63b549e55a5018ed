"""The race over running models: the results of the sweep, each image decoded once a batch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.conftest import dataset
from tests.evaluation.test_evaluator import broken
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.evaluation import decoded_images
from wiseft_jax.evaluation.engine import EngineConfig
from wiseft_jax.evaluation.race_config import RaceConfig
from wiseft_jax.evaluation.racing import race, replay
from wiseft_jax.evaluation.racing_live import LiveRace
from wiseft_jax.evaluation.sweep import sweep

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def config(tiny):
    return EngineConfig.resolve(tiny.theta_0, num_alphas=len(ALPHAS), batch_size=16)


def live_race(tiny, data, config):
    return LiveRace(tiny.classifier, tiny.theta_0, tiny.theta_1, data, ALPHAS, config)


@pytest.fixture(scope="module")
def swept(tiny):
    data = tiny.datasets[1]
    found = sweep(tiny.classifier, tiny.theta_0, tiny.theta_1, [data], ALPHAS, batch_size=16)
    return found.predictions[data.name]


def everything(live, candidates, examples):
    wanted = np.ones((len(candidates), len(examples)), bool)
    return live(np.array(candidates), np.array(examples), wanted)


def test_gives_the_results_of_the_sweep_whatever_is_asked(tiny, config, swept):
    live = live_race(tiny, tiny.datasets[1], config)
    for candidates, examples in (([0, 2, 4], [5, 3, 22]), ([1], [3]), ([3, 4], [*range(20)])):
        cells = np.ix_(candidates, examples)
        right = everything(live, candidates, examples)
        clear = swept.margin[cells] > 1e-5
        np.testing.assert_array_equal(right[clear], swept.correct[cells][clear])
        assert clear.any()


@pytest.mark.parametrize("chunk_size", [1, 2])
def test_each_candidate_runs_on_its_own_images(tiny, swept, chunk_size):
    config = EngineConfig.resolve(tiny.theta_0, batch_size=16, chunk_size=chunk_size)
    live = live_race(tiny, tiny.datasets[1], config)
    wanted = np.random.default_rng(0).random((5, 20)) < 0.3
    right = live(np.arange(5), np.arange(20), wanted)
    clear = wanted & (swept.margin[:, :20] > 1e-5)
    np.testing.assert_array_equal(right[clear], swept.correct[:, :20][clear])
    assert live.forwards == live.packing.forwards(wanted) > wanted.sum()


@pytest.mark.parametrize("chunk_size", [1, 2])
def test_a_race_over_models_is_the_race_over_their_predictions(tiny, swept, chunk_size):
    config = EngineConfig.resolve(tiny.theta_0, batch_size=8, chunk_size=chunk_size)
    live = live_race(tiny, tiny.datasets[1], config)
    options = RaceConfig(batch_size=8, audit=0.2)
    result = race(live, len(ALPHAS), live.order(1), options)
    again = race(replay(swept.correct, live.packing), len(ALPHAS), live.order(1), options)
    assert (result.winner, result.evaluations) == (again.winner, again.evaluations)
    np.testing.assert_array_equal(result.hits, again.hits)
    # What was run, what the race says, and what a replay predicts.
    assert live.forwards == result.forwards == again.forwards > result.evaluations


def test_a_batch_is_decoded_once(tiny, config, monkeypatch):
    decoded = []

    def counted(data, *arguments, **options):
        decoded.append(len(data))
        return eval_batches(data, *arguments, **options)

    monkeypatch.setattr(decoded_images, "eval_batches", counted)
    live = live_race(tiny, tiny.datasets[1], config)
    everything(live, [0], range(8))
    everything(live, [1, 2], [7, 2])
    assert decoded == [8]
    everything(live, [1], [9])
    assert decoded == [8, 1]


def test_no_more_than_a_batch_is_in_memory(tiny, monkeypatch):
    """Neither in a round nor at the end, when the winner's count is completed."""
    config = EngineConfig.resolve(tiny.theta_0, batch_size=8)
    live = live_race(tiny, tiny.datasets[1], config)
    held = []

    def counted(examples):
        skipped = hold(examples)
        held.append(len(live._images))
        return skipped

    hold = live._images.hold
    monkeypatch.setattr(live._images, "hold", counted)
    result = race(live, len(ALPHAS), live.order(1), RaceConfig(batch_size=8, audit=0.0))
    assert result.complete
    assert max(held) == 8 < result.seen[result.winner]


def test_only_labelled_images_race(tiny, config):
    data = dataset(12, "part")
    data.labels[::3] = -1
    live = live_race(tiny, data, config)
    assert sorted(live.order().tolist()) == np.flatnonzero(data.labels >= 0).tolist()
    assert live.order(1).tolist() != live.order(2).tolist()


def test_an_image_that_cannot_be_read_is_wrong_for_all(tiny, config, caplog):
    live = live_race(tiny, broken(tiny.datasets[1], {2}), config)
    assert not everything(live, range(5), [2, 3])[:, 0].any()
    assert "it counts as wrong" in caplog.text


def test_unlabelled_sets_and_several_processes_are_refused(tiny, config, monkeypatch):
    data = dataset(5, "none")
    data.labels[:] = -1
    with pytest.raises(InputError, match="no image has a label"):
        live_race(tiny, data, config)
    monkeypatch.setattr("jax.process_count", lambda: 2)
    with pytest.raises(InputError, match=r"one process, and there are 2: .*--distributed.mode off"):
        live_race(tiny, tiny.datasets[1], config)
