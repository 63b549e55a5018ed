"""The models of a plane against models merged by hand, from one program."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.evaluation.conftest import NAMES, Tiny, dataset, moved
from tests.helpers.compilations import counted_compilations
from tests.helpers.tiny import tiny_clip
from wiseft_jax.clip.two_towers import two_tower_classifier
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.projection import Projection
from wiseft_jax.evaluation.evaluator import evaluate
from wiseft_jax.evaluation.plane_pass import evaluate_points
from wiseft_jax.weights.interpolate import lerp

WEIGHTS = np.array(
    [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [0.4, 0.6, 0],
        [0.2, 0.5, 0.3],
        [-0.5, 0.75, 0.75],
        [1, 1, -1],
    ]
)


def third(tiny: Tiny) -> dict:
    return jax.tree_util.tree_map(
        lambda start, end: np.asarray(start + 0.7 * np.roll(end - start, 1), np.float32),
        tiny.theta_0,
        moved(tiny.theta_0, 0.4),
    )


def test_losses_and_answers_are_those_of_models_merged_by_hand(tiny: Tiny):
    thetas = (tiny.theta_0, tiny.theta_1, third(tiny))
    data = dataset(23, "test")
    with counted_compilations() as compiled:
        found = evaluate_points(tiny.classifier, thetas, WEIGHTS, data, batch_size=8)
    assert compiled.count("step") == 1
    assert found.loss.shape == found.correct.shape == (7, 23)
    assert found.ids == tuple(data.id(position) for position in range(23))
    images = np.stack([np.asarray(data.source.read(index)) for index in range(23)])
    logits_of = jax.jit(tiny.classifier.logits)
    for row, weights in enumerate(WEIGHTS):
        theta = jax.tree_util.tree_map(
            lambda *leaves, w=weights: sum(
                np.float64(share) * leaf for share, leaf in zip(w, leaves, strict=True)
            ).astype(np.float32),
            *thetas,
        )
        logits = np.asarray(logits_of(theta, images), np.float64)
        logs = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1))[:, None]
        logs -= logits.max(1, keepdims=True)
        expected = -logs[np.arange(23), data.labels]
        np.testing.assert_allclose(found.loss[row], expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(found.correct[row], logits.argmax(1) == data.labels)


def test_the_models_themselves_answer_as_an_evaluation_does(tiny: Tiny):
    thetas = (tiny.theta_0, tiny.theta_1, third(tiny))
    data = dataset(23, "test")
    found = evaluate_points(tiny.classifier, thetas, WEIGHTS[:3], data)
    for row, theta in enumerate(thetas):
        alone = evaluate(tiny.classifier, theta, data)
        np.testing.assert_array_equal(found.correct[row], alone.correct[0])


def test_two_towers_make_their_head_at_each_point(tmp_path: Path):
    classifier, theta_0 = two_tower_classifier(tiny_clip(tmp_path, vision_layers=1), NAMES)
    theta_1 = moved(theta_0, 0.1)
    theta_2 = jax.tree_util.tree_map(
        lambda start, end: np.asarray(start - 0.5 * np.flip(end - start), np.float32),
        *(theta_0, theta_1),
    )
    data = dataset(8, "test")
    found = evaluate_points(classifier, (theta_0, theta_1, theta_2), WEIGHTS[2:4], data)
    merged = theta_2, lerp(theta_0, theta_1, 0.6)
    images = np.stack([np.asarray(data.source.read(index)) for index in range(8)])
    for row, theta in enumerate(merged):
        logits = np.asarray(jax.jit(classifier.logits)(theta, images))
        np.testing.assert_array_equal(found.correct[row], logits.argmax(1) == data.labels)


def test_images_without_labels_are_left_out(tiny: Tiny):
    data = dataset(16, "test")
    some = dataclasses.replace(data, labels=np.where(np.arange(16) % 4, data.labels, -1))
    thetas = (tiny.theta_0, tiny.theta_1, third(tiny))
    found = evaluate_points(tiny.classifier, thetas, WEIGHTS, some)
    whole = evaluate_points(tiny.classifier, thetas, WEIGHTS, data)
    kept = np.arange(16) % 4 > 0
    assert found.ids == tuple(name for name, keep in zip(whole.ids, kept, strict=True) if keep)
    np.testing.assert_array_equal(found.loss, whole.loss[:, kept])


def test_what_has_no_loss_is_refused(tiny: Tiny):
    thetas = (tiny.theta_0, tiny.theta_1, third(tiny))
    data = dataset(8, "test")
    unlabelled = dataclasses.replace(data, labels=np.full(8, -1))
    with pytest.raises(InputError, match="no image has a label"):
        evaluate_points(tiny.classifier, thetas, WEIGHTS, unlabelled)
    projection = Projection.of([[0], [1, 2]], ("one", "two"), NAMES)
    mapped = dataclasses.replace(
        data, projection=projection, class_names=("one", "two"), labels=data.labels % 2
    )
    with pytest.raises(InputError, match="name another set for the plane"):
        evaluate_points(tiny.classifier, thetas, WEIGHTS, mapped)
    wild = np.array([[1, 0, 0], [1e38, -1e38, 1]])
    with pytest.raises(InputError, match="leave less margin around the models"):
        evaluate_points(tiny.classifier, thetas, wild, data)
