"""The contract of every recipe, over the whole table."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import jax
import numpy as np
import pytest

from tests.training.toy import toy_config, toy_dataset, toy_for, toy_train
from wiseft_jax.core.mesh import Layout, make_mesh
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.options import TrainOptions
from wiseft_jax.training.problem import Problem, Task, device_batch
from wiseft_jax.training.recipes import RECIPES

every_recipe = pytest.mark.parametrize("recipe", sorted(RECIPES))


def build(recipe: str, seed: int = 0) -> tuple[Task, Problem]:
    classifier, theta_0 = toy_for(recipe)
    train = toy_train(recipe, 24)
    config = toy_config(recipe=recipe, seed=seed, options=TrainOptions(probe_c=(1.0,)))
    task = Task(classifier, theta_0, train, config, config.plan(len(train)), Layout(make_mesh(1)))
    return task, RECIPES[recipe](task)


def take(problem: Problem, start: int, count: int) -> list[dict[str, Any]]:
    with contextlib.closing(problem.batches(start)) as batches:
        return list(itertools.islice(batches, count))


@every_recipe
def test_batches_are_a_pure_function_of_seed_and_step(recipe: str):
    _, problem = build(recipe)
    whole = take(problem, 0, 5)
    later = take(build(recipe)[1], 3, 2)
    for expected, found in zip(whole[3:], later, strict=True):
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    other = take(build(recipe, seed=1)[1], 0, 1)[0]
    assert not np.array_equal(other["index"], whole[0]["index"])


@every_recipe
def test_an_epoch_has_every_example_once_and_its_own_order(recipe: str):
    task, problem = build(recipe)
    index = np.concatenate([batch["index"] for batch in take(problem, 0, 3)])
    first, second = index[:24], index[24:48]
    assert sorted(first) == sorted(second) == list(range(24))
    assert not np.array_equal(first, second)
    for batch in take(problem, 0, 3):
        np.testing.assert_array_equal(batch["label"], task.train.labels[batch["index"]])
        assert batch["mask"].all()


@every_recipe
def test_at_the_start_the_logits_are_theta_0s(recipe: str):
    task, problem = build(recipe)
    dataset = toy_dataset(24)
    images = np.stack([dataset.source.read(i) for i in range(24)])
    start = problem.theta(problem.params)
    expected = np.asarray(task.classifier.logits(start, images))
    if recipe != "lp_ft":
        assert_same(start, task.theta_0)
    rows = {}
    with contextlib.closing(problem.eval_batches(dataset)) as batches:
        for batch in batches:
            logits = problem.logits(problem.evaluated(problem.params), device_batch(batch))
            for row, counts, index in zip(logits, batch["mask"], batch["index"], strict=True):
                if counts:
                    assert index not in rows
                    rows[int(index)] = row
    assert sorted(rows) == list(range(24))
    found = np.stack([rows[i] for i in range(24)])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def assert_same(found: Any, expected: Any) -> None:
    found, expected = flatten_paths(found), flatten_paths(expected)
    assert list(found) == list(expected)
    for name, leaf in expected.items():
        assert np.asarray(found[name]).tobytes() == np.asarray(leaf).tobytes(), name


@every_recipe
def test_theta_has_the_structure_of_theta_0_and_holds_what_is_trained(recipe: str):
    task, problem = build(recipe)
    moved = jax.tree_util.tree_map(lambda leaf: leaf + 1, problem.params)
    found, start = flatten_paths(problem.theta(moved)), flatten_paths(task.theta_0)
    assert list(found) == list(start)
    differing = [name for name, leaf in found.items() if leaf is not start[name]]
    assert len(differing) == len(jax.tree_util.tree_leaves(problem.params))
