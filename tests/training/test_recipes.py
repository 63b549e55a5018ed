"""The contract of every recipe, over the whole table."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.training.toy import toy_config, toy_dataset, toy_for, toy_options, toy_train
from wiseft_jax.core.checkpoint import restore_params
from wiseft_jax.core.checkpoint_config import CheckpointConfig
from wiseft_jax.core.mesh import Layout, make_mesh
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.options import TrainOptions
from wiseft_jax.training.problem import Problem, Task, device_batch
from wiseft_jax.training.recipes import RECIPES
from wiseft_jax.weights.interpolate import lerp

every_recipe = pytest.mark.parametrize("recipe", sorted(RECIPES))


def build(recipe: str, seed: int = 0) -> tuple[Task, Problem]:
    classifier, theta_0 = toy_for(recipe)
    train = toy_train(recipe, 24)
    config = toy_config(recipe=recipe, seed=seed, options=toy_options(recipe))
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


def test_wise_ft_of_a_linear_probe_is_the_ensemble_of_logits():
    """Of one encoder and two heads the logits are linear in alpha, also where heads don't start."""
    classifier, theta_0 = toy_for("linear_probe")
    options = TrainOptions(solver="lbfgs", probe_c=(1.0,))
    config = toy_config(recipe="linear_probe", options=options)
    theta_1 = fine_tune(classifier, theta_0, toy_train("linear_probe"), None, config)
    images = np.stack([toy_dataset(24).source.read(i) for i in range(24)])
    ends = [np.asarray(classifier.logits(theta, images)) for theta in (theta_0, theta_1)]
    assert np.abs(ends[0] - ends[1]).max() > 0.1
    for alpha in (-0.5, 0.25, 0.5, 1.5):
        merged = np.asarray(classifier.logits(lerp(theta_0, theta_1, alpha), images))
        np.testing.assert_allclose(merged, (1 - alpha) * ends[0] + alpha * ends[1], atol=2e-5)


@every_recipe
def test_the_same_seed_gives_the_same_parameters_and_another_gives_others(recipe: str):
    classifier, theta_0 = toy_for(recipe)

    def trained(seed: int) -> Any:
        options = toy_options(recipe, **({"shots": 4} if recipe == "few_shot" else {}))
        config = toy_config(recipe=recipe, epochs=2 / 3, seed=seed, options=options)
        return fine_tune(classifier, theta_0, toy_train(recipe), None, config)

    first = trained(0)
    assert_same(trained(0), first)
    other = flatten_paths(trained(1))
    assert any(not np.array_equal(other[name], leaf) for name, leaf in flatten_paths(first).items())


def test_the_probe_of_lp_ft_is_where_it_starts():
    _, probed = build("lp_ft")
    classifier, theta_0 = toy_for("linear_probe")
    options = TrainOptions(solver="lbfgs", probe_c=(1.0,))
    config = toy_config(recipe="linear_probe", options=options)
    probe = fine_tune(classifier, theta_0, toy_train("lp_ft", 24), None, config)
    assert_same(probed.params, probe)


def test_a_converged_probe_is_saved_and_found_again(tmp_path: Path):
    classifier, theta_0 = toy_for("linear_probe")
    options = TrainOptions(solver="lbfgs", probe_c=(0.1, 10.0))
    config = toy_config(recipe="linear_probe", options=options)
    validation = toy_dataset(30, seed=2, name="held-out")
    arguments = (classifier, theta_0, toy_train("linear_probe"), validation, config)
    theta_1 = fine_tune(*arguments, run_dir=tmp_path)
    saved, step = restore_params(tmp_path)
    assert step == 0
    assert_same(saved, theta_1["head"])
    assert_same(fine_tune(*arguments, run_dir=tmp_path, resume=True), theta_1)


@pytest.mark.parametrize("kept", [True, False])
def test_lp_ft_goes_on_from_its_probe_bit_for_bit(
    kept: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Its penalty pulls towards the probe's head, so another head would show in the weights."""
    classifier, theta_0 = toy_for("lp_ft")
    validation = toy_dataset(30, seed=2, name="held-out")
    train = toy_train("lp_ft", 24)
    options = TrainOptions(probe_c=(0.1, 1.0), l2_to_theta_0=0.1)
    config = toy_config(recipe="lp_ft", epochs=2, options=options)
    saving = CheckpointConfig(save_every_steps=1)
    arguments = (classifier, theta_0, train, validation, config)
    whole = fine_tune(*arguments, run_dir=tmp_path / "whole", checkpoints=saving)
    steps = sorted(
        int(each.name) for each in (tmp_path / "whole/checkpoints").iterdir() if each.name.isdigit()
    )
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    for step in steps[1:]:
        shutil.rmtree(tmp_path / "part/checkpoints" / str(step))
    if not kept:
        (tmp_path / "part/probe.safetensors").write_bytes(b"damaged")
    with caplog.at_level(logging.INFO, "wiseft_jax"):
        again = fine_tune(*arguments, run_dir=tmp_path / "part", resume=True, checkpoints=saving)
    assert_same(again, whole)
    assert ("as it was chosen before" in caplog.text) is kept
    assert ("is computed again" in caplog.text) is not kept
    facts = json.loads((tmp_path / "part/probe.json").read_text())
    assert [each["c"] for each in facts["tried"]] == [0.1, 1.0]
    assert facts["c"] in (0.1, 1.0)
