"""The race over different models: the race over their stored predictions, images decoded once."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from jax.sharding import Mesh

from tests.evaluation.test_evaluator import broken
from tests.helpers.compilations import counted_compilations
from tests.helpers.tiny_models import TinyModels, mostly_right, renamed
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation import decoded_images
from wiseft_jax.evaluation.candidates import Candidate
from wiseft_jax.evaluation.race_config import ModelRaceConfig, RaceConfig
from wiseft_jax.evaluation.racing import RaceResult, race, replay
from wiseft_jax.evaluation.racing_models import LiveModels


@pytest.fixture(scope="module")
def correct(several: TinyModels, data: Dataset) -> np.ndarray:
    """Which images each model gets right: nothing of what races is used."""
    return several.correct(data, data.source.images)


@pytest.fixture
def live(models: list[Candidate], data: Dataset, one_device: Mesh) -> LiveModels:
    return LiveModels(models, data, batch_size=16, mesh=one_device)


def test_a_race_over_models_is_the_race_over_their_predictions(live, models, correct):
    left_after = set()
    with counted_compilations() as compiled:
        for seed in range(3):
            racing = ModelRaceConfig(batch_size=3, seed=seed).build()
            order, before = live.order(seed), live.forwards
            result = race(live, len(models), order, racing)
            again = race(replay(correct, live.packing), len(models), order, racing)
            for name in RaceResult.__dataclass_fields__:
                np.testing.assert_array_equal(getattr(result, name), getattr(again, name), name)
            assert live.forwards - before == result.forwards > result.evaluations
            assert result.complete
            assert (result.winner, result.stopped) == (0, "one left")
            # It saved something, and what was eliminated wasn't run any more.
            assert result.evaluations == result.seen.sum() < correct.size
            left_after |= set(result.seen.tolist())
    assert len(left_after) > 1  # models leave at different times
    assert compiled.count("step") <= 2  # one for each architecture


def test_what_is_not_wanted_is_not_run(live, correct):
    wanted = np.random.default_rng(0).random((2, 30)) < 0.4
    right = live(np.array([2, 0]), np.arange(30), wanted)
    np.testing.assert_array_equal(right, correct[[2, 0], :30] & wanted)
    assert live.forwards == live.packing.forwards(wanted)


def test_images_are_decoded_once_for_models_that_take_the_same(live, monkeypatch):
    decoded = []

    def counted(subset, preprocess, **options):
        decoded.append((preprocess.size, len(subset)))
        return eval_batches(subset, preprocess, **options)

    monkeypatch.setattr(decoded_images, "eval_batches", counted)
    for examples in (np.arange(8), np.arange(8, 14)):
        live(np.arange(3), examples, np.ones((3, len(examples)), bool))
    assert decoded == [(16, 8), (24, 8), (16, 6), (24, 6)]


def test_an_image_that_cannot_be_read_is_wrong_for_all_and_told_once(
    models, data, one_device, caplog
):
    live = LiveModels(models, broken(data, {2}), batch_size=16, mesh=one_device)
    right = live(np.arange(3), np.arange(5), np.ones((3, 5), bool))
    assert not right[:, 2].any()
    assert right[:, [0, 1, 3, 4]].any()
    said = [line for line in caplog.messages if "it counts as wrong" in line]
    assert len(said) == 1


def test_logits_that_are_not_finite_are_wrong_and_told_once(models, data, one_device, caplog):
    theta = {**models[1].theta, "head": {**models[1].theta["head"]}}
    theta["head"]["bias"] = np.array([0, np.inf, 0], np.float32)
    odd = Candidate("odd", models[1].classifier, theta)
    live = LiveModels([models[0], odd], data, batch_size=16, mesh=one_device)
    with caplog.at_level(logging.WARNING):
        right = live(np.arange(2), np.arange(20), np.ones((2, 20), bool))
    assert not right[1].any()
    assert right[0].any()
    assert [line for line in caplog.messages if "finite" in line] == [
        "set: logits of odd are not finite; such predictions count as wrong"
    ]


def test_only_labelled_images_race(several, models):
    data = mostly_right(several, 12)
    data.labels[::3] = -1
    live = LiveModels(models, data, batch_size=64)
    assert sorted(live.order().tolist()) == np.flatnonzero(data.labels >= 0).tolist()
    assert live.packing.sizes == (8,)  # 8 devices, and no more rows than there are images
    data.labels[:] = -1
    with pytest.raises(InputError, match="no image has a label"):
        LiveModels(models, data)


def test_what_cannot_race(models, data, monkeypatch):
    with pytest.raises(InputError, match="class 0 is 'x' and not 'red circle'"):
        LiveModels([models[0], renamed(models[1], ("x", "y", "z"))], data)
    same = [renamed(each, ("x", "y", "z")) for each in models]
    with pytest.raises(InputError, match="its labels count other classes"):
        LiveModels(same, data)
    monkeypatch.setattr("jax.process_count", lambda: 2)
    said = r"one process, and there are 2: .*wiseft evaluate --race --distributed.mode off"
    with pytest.raises(InputError, match=said):
        LiveModels(models, data)


def test_the_configuration_of_a_race_of_models_fills_nothing_in():
    built = ModelRaceConfig(budget=0.5, seed=3).build()
    assert built == RaceConfig(budget=0.5, seed=3, neighbours=False)
    with pytest.raises(InputError, match=r"racing.confidence: expected between 0 and 1, found 2"):
        ModelRaceConfig(confidence=2)
