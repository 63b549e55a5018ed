"""FLYP and contrastive training: the texts of a batch, the loss, and its gradient on devices."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.training.toy import (
    CLASS_NAMES,
    ToyTokenizer,
    toy_classifier,
    toy_config,
    toy_dataset,
    toy_for,
    toy_train,
)
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, make_mesh
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.problem import Problem, Task, device_batch
from wiseft_jax.training.recipes import RECIPES


def build(recipe: str) -> tuple[Task, Problem]:
    classifier, theta_0 = toy_for(recipe)
    train = toy_train(recipe)
    config = toy_config(recipe=recipe)
    task = Task(classifier, theta_0, train, config, config.plan(len(train)), Layout(make_mesh(1)))
    return task, RECIPES[recipe](task)


def batches(problem: Problem, count: int) -> list[dict[str, Any]]:
    with contextlib.closing(problem.batches(0)) as source:
        return list(itertools.islice(source, count))


def test_flyps_texts_are_prompts_of_the_labels_drawn_anew():
    task, problem = build("flyp")
    seen = set()
    for batch in batches(problem, 6):
        for label, ids in zip(batch["label"], batch["ids"], strict=True):
            own = task.classifier.prompt_ids[2 * label : 2 * label + 2].tolist()
            assert ids.tolist() in own
            seen.add((int(label), own.index(ids.tolist())))
    assert len(seen) == 6  # each of the two prompts of the three classes


def test_contrastive_texts_are_the_images_own_captions():
    task, problem = build("contrastive")
    ids, mask = ToyTokenizer()(task.train.class_names)
    for batch in batches(problem, 2):
        np.testing.assert_array_equal(batch["ids"], ids[batch["label"]])
        np.testing.assert_array_equal(batch["ids_mask"], mask[batch["label"]])


@pytest.mark.parametrize("recipe", ["flyp", "contrastive"])
def test_the_loss_is_clips_over_all_pairs_that_count(recipe: str):
    task, problem = build(recipe)
    batch = device_batch(batches(problem, 1)[0])
    batch["mask"] = np.arange(16) != 3
    assert problem.loss is not None
    loss, (hits, count) = jax.jit(problem.loss)(problem.params, batch)
    rows = np.flatnonzero(batch["mask"])
    theta = problem.params
    images = np.asarray(task.classifier.features(theta, jnp.asarray(batch["image"])))[rows]
    tower = task.classifier.tower
    texts = np.asarray(tower.text_features(theta["text"], batch["ids"], batch["ids_mask"]))[rows]
    images, texts = (
        each.astype(np.float64) / np.linalg.norm(each, axis=1, keepdims=True)
        for each in (images, texts)
    )
    table = np.exp(np.float64(theta["text"]["logit_scale"])) * images @ texts.T
    log_rows = table - np.log(np.exp(table).sum(1, keepdims=True))
    log_columns = table - np.log(np.exp(table).sum(0, keepdims=True))
    expected = -(np.diag(log_rows).mean() + np.diag(log_columns).mean()) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert int(count) == 15
    assert int(hits) == int((np.diag(table) >= table.max(1) - 1e-6).sum())


def test_the_contrastive_scale_is_bounded_as_clips():
    _, problem = build("contrastive")
    assert problem.loss is not None
    batch = jax.tree_util.tree_map(jnp.asarray, device_batch(batches(problem, 1)[0]))
    losses = []
    for scale in (np.log(100), 9.0):
        text = problem.params["text"] | {"logit_scale": jnp.asarray(scale, jnp.float32)}
        losses.append(float(problem.loss(problem.params | {"text": text}, batch)[0]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"accumulation_steps": 2}, "accumulation_steps"), ({"label_smoothing": 0.1}, "label_smooth")],
)
def test_what_a_loss_over_pairs_cannot_do_is_refused(changes: dict[str, Any], field: str):
    with pytest.raises(InputError, match=rf"training\.{field}.* with training\.recipe flyp"):
        TrainConfig(recipe="flyp", **changes)


def test_the_wrong_classifier_or_data_is_refused():
    classifier, theta_0 = toy_classifier()
    with pytest.raises(InputError, match="expected the keys encoder and text"):
        fine_tune(classifier, theta_0, toy_dataset(48), None, toy_config(recipe="flyp"))
    classifier, theta_0 = toy_for("contrastive")
    with pytest.raises(InputError, match="expected images with captions, found squares"):
        fine_tune(classifier, theta_0, toy_dataset(48), None, toy_config(recipe="contrastive"))
    assert toy_dataset(3).class_names == CLASS_NAMES
