"""The race over different models: the race over their stored predictions, images decoded once."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tests.evaluation.test_evaluator import broken
from tests.helpers.compilations import counted_compilations
from tests.helpers.tiny_models import mostly_right, renamed, tiny_candidates
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.pipeline import eval_batches
from wiseft_jax.data.source import Dataset
from wiseft_jax.evaluation import decoded_images
from wiseft_jax.evaluation.candidates import Candidate
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.evaluation.race_config import ModelRaceConfig, RaceConfig
from wiseft_jax.evaluation.racing import RaceResult, race, replay
from wiseft_jax.evaluation.racing_models import LiveModels

COUNT = 90


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Candidate]:
    return tiny_candidates(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def data(models: list[Candidate]) -> Dataset:
    return mostly_right(models[0], COUNT)


@pytest.fixture(scope="module")
def correct(models: list[Candidate], data: Dataset) -> np.ndarray:
    """Which images each model gets right, evaluated alone."""
    found = [evaluate(each.classifier, each.theta, data, batch_size=16) for each in models]
    assert min(each.margin.min() for each in found) > 1e-5  # so rounding turns no prediction
    return np.concatenate([each.correct for each in found])


def test_a_race_over_models_is_the_race_over_their_predictions(models, data, correct):
    with counted_compilations() as compiled:
        live = LiveModels(models, data, batch_size=16)
        for seed in range(3):
            racing = ModelRaceConfig(batch_size=20, seed=seed).build()
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
    assert compiled.count("step") == 2


def test_what_is_not_wanted_is_not_run(models, data, correct):
    live = LiveModels(models, data, batch_size=4)
    wanted = np.random.default_rng(0).random((2, 30)) < 0.4
    right = live(np.array([2, 0]), np.arange(30), wanted)
    np.testing.assert_array_equal(right, correct[[2, 0], :30] & wanted)
    assert live.forwards == live.packing.forwards(wanted)


def test_images_are_decoded_once_for_models_that_take_the_same(models, data, monkeypatch):
    decoded = []

    def counted(subset, preprocess, **options):
        decoded.append((preprocess.size, len(subset)))
        return eval_batches(subset, preprocess, **options)

    monkeypatch.setattr(decoded_images, "eval_batches", counted)
    live = LiveModels(models, data, batch_size=8)
    for examples in (np.arange(8), np.arange(8, 14)):
        live(np.arange(3), examples, np.ones((3, len(examples)), bool))
    assert decoded == [(16, 8), (24, 8), (16, 6), (24, 6)]


def test_an_image_that_cannot_be_read_is_wrong_for_all_and_told_once(models, data, caplog):
    live = LiveModels(models, broken(data, {2}), batch_size=8)
    right = live(np.arange(3), np.arange(5), np.ones((3, 5), bool))
    assert not right[:, 2].any()
    assert right[:, [0, 1, 3, 4]].any()
    said = [line for line in caplog.messages if "it counts as wrong" in line]
    assert len(said) == 1


def test_logits_that_are_not_finite_are_wrong_and_told_once(models, data, caplog):
    theta = {**models[1].theta, "head": {**models[1].theta["head"]}}
    theta["head"]["bias"] = np.array([0, np.inf, 0], np.float32)
    odd = Candidate("odd", models[1].classifier, theta)
    live = LiveModels([models[0], odd], data, batch_size=8)
    with caplog.at_level(logging.WARNING):
        right = live(np.arange(2), np.arange(20), np.ones((2, 20), bool))
    assert not right[1].any()
    assert right[0].any()
    assert [line for line in caplog.messages if "finite" in line] == [
        "set: logits of odd are not finite; such predictions count as wrong"
    ]


def test_only_labelled_images_race(models):
    data = mostly_right(models[0], 12)
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
