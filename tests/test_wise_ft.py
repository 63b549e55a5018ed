"""The paper in one file: its parts fit together, and each is the part itself."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from tests.helpers.tiny import tiny_clip
from wiseft_jax import array_dataset, lerp, zero_shot_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.wise_ft import WiseFT, wise_ft

NAMES = ("red", "green", "blue")
CONFIG = TrainConfig(learning_rate=3e-3, epochs=4, batch_size=16, warmup_fraction=0.1)


def coloured(count: int, seed: int, **facts: str) -> object:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(0, 120, (count, 16, 16, 3))
    images[np.arange(count), :, :, labels] += 120
    return array_dataset(images.astype(np.uint8), labels, NAMES, **facts)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, WiseFT, list]:
    clip = tiny_clip(tmp_path_factory.mktemp("clip"))
    classifier, theta_0 = zero_shot_classifier(clip, NAMES)
    train = coloured(48, 0, name="train", split="train")
    validation = coloured(24, 1, name="validation", split="validation")
    tests = [coloured(30, 2, name="test"), coloured(30, 3, name="odd", role="shift")]
    result = wise_ft(
        classifier, theta_0, train, validation, tests, config=CONFIG, alphas=(0, 0.5, 1)
    )
    return classifier, result, [validation, *tests]


def test_the_ends_are_the_models_themselves(made: tuple) -> None:
    classifier, result, datasets = made
    for dataset in datasets:
        for theta, index in ((result.theta_0, 0), (result.theta_1, 2)):
            alone = evaluate(classifier, theta, dataset)
            swept = result.sweep.predictions[dataset.name]
            np.testing.assert_array_equal(alone.correct[0], swept.correct[index])
            # What the ends share is computed by another program, whose sums may round otherwise.
            np.testing.assert_allclose(alone.margin[0], swept.margin[index], rtol=1e-5, atol=1e-4)


def test_fine_tuning_learned_something(made: tuple) -> None:
    _, result, _ = made
    swept = result.sweep.predictions["test"]
    assert swept.accuracy(2).compute() > max(0.6, swept.accuracy(0).compute())


def test_the_model_to_ship_is_the_interpolation_at_the_chosen_alpha(made: tuple) -> None:
    classifier, result, datasets = made
    assert result.selection.alpha == 0.5
    expected = lerp(result.theta_0, result.theta_1, 0.5)
    jax.tree_util.tree_map(np.testing.assert_array_equal, result.theta_alpha, expected)
    alone = evaluate(classifier, result.theta_alpha, datasets[1])
    swept = result.sweep.predictions["test"]
    assert np.mean(alone.top1[0] == swept.top1[1]) == 1


def test_a_test_set_does_not_choose_unless_named(made: tuple) -> None:
    _, result, _ = made
    assert result.sweep.select("validation_best").dataset == "validation"
    assert result.sweep.select("validation_best", select_on="odd").held_out is False
    with pytest.raises(InputError, match="unknown dataset"):
        result.sweep.select("validation_best", select_on="nothing")


def test_the_file_stays_short() -> None:
    import wiseft_jax.wise_ft as module

    assert len(Path(module.__file__).read_text().splitlines()) <= 150
