"""Mixing inside the train step: what is learned from, on any devices, and when it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.helpers.mixers import ALL
from tests.training.toy import toy_classifier, toy_config, toy_dataset
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, make_mesh, put_batch
from wiseft_jax.core.rng import stream
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.experiment import ExperimentConfig
from wiseft_jax.mixing import MixingConfig
from wiseft_jax.training.config import TrainConfig
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.losses import cross_entropy
from wiseft_jax.training.mixed_batch import make_mix
from wiseft_jax.training.problem import Task, device_batch
from wiseft_jax.training.recipes import RECIPES
from wiseft_jax.training.state import init_state
from wiseft_jax.training.step import classification_loss, make_train_step

CONFIG = toy_config(epochs=4.0)
PLAN = CONFIG.plan(48)
SMOOTHMIX = MixingConfig("smoothmix")


def first_batch(padding: int = 0) -> dict[str, Any]:
    classifier, theta_0 = toy_classifier()
    task = Task(classifier, theta_0, toy_dataset(48), CONFIG, PLAN, Layout(make_mesh(1)))
    with contextlib.closing(RECIPES["end_to_end"](task).batches(0)) as batches:
        batch = device_batch(next(itertools.islice(batches, 1)))
    batch["mask"] = np.arange(16) < 16 - padding
    batch["label"] = np.where(batch["mask"], batch["label"], -1)
    return batch


def run_step(
    mixing: MixingConfig, batch: Any, devices: int = 1, step: int = 0, accumulation: int = 1
) -> tuple[Any, dict[str, Any]]:
    classifier, theta_0 = toy_classifier()
    layout = Layout(make_mesh(devices))
    optimizer = optax.sgd(0.1)
    train_step = make_train_step(
        classification_loss(lambda params, batch: classifier.logits(params, batch["image"])),
        optimizer,
        lambda step: 0.1,
        layout,
        accumulation_steps=accumulation,
        mix=make_mix(mixing, classifier.preprocess, 3, PLAN, layout, CONFIG.seed),
    )
    state = init_state(theta_0, optimizer, layout)
    state = dataclasses.replace(state, step=layout.place(np.asarray(step, np.int32)))
    state, metrics = train_step(state, put_batch(batch, layout.mesh))
    return jax.device_get(state.params), jax.device_get(metrics)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("config", ALL, ids=lambda config: config.name)
def test_the_loss_is_that_of_mixed_images_and_soft_targets(config: MixingConfig, padding: int):
    batch = first_batch(padding)
    _, metrics = run_step(config, batch, step=2)
    classifier, theta_0 = toy_classifier()
    fill = 255 * np.asarray(classifier.preprocess.mean, np.float32)
    images, targets = config.build(fill=fill)(
        stream(jax.random.key(CONFIG.seed), "mixing", 2),
        jnp.asarray(batch["image"], jnp.float32),
        jax.nn.one_hot(np.maximum(batch["label"], 0), 3),
        mask=jnp.asarray(batch["mask"]),
    )
    logits = classifier.logits(theta_0, images)
    expected = cross_entropy(logits, targets, 0.0, jnp.asarray(batch["mask"]))
    assert metrics["loss"] == pytest.approx(float(expected), rel=1e-5)
    assert metrics["loss"] != pytest.approx(float(run_step(MixingConfig(), batch)[1]["loss"]))
    assert metrics["count"] == 16 - padding


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.name)
def test_mixed_steps_on_eight_devices_equal_one(config: MixingConfig):
    batch = first_batch()
    one, eight = (run_step(config, batch, devices) for devices in (1, 8))
    np.testing.assert_allclose(one[1]["loss"], eight[1]["loss"], rtol=1e-5)
    for name, leaf in flatten_paths(one[0]).items():
        np.testing.assert_allclose(flatten_paths(eight[0])[name], leaf, atol=1e-5, err_msg=name)


def test_the_whole_batch_is_mixed_before_it_is_cut_into_parts():
    batch = first_batch(padding=3)
    whole, parts = (run_step(SMOOTHMIX, batch, accumulation=count) for count in (1, 4))
    np.testing.assert_allclose(whole[1]["loss"], parts[1]["loss"], rtol=1e-5)
    np.testing.assert_allclose(whole[1]["grad_norm"], parts[1]["grad_norm"], rtol=1e-4)


def test_each_step_draws_anew_and_the_last_epochs_are_as_without_mixing():
    """12 steps of 16 on 48 images: the last 1.5 epochs are the last 4 or 5 steps."""
    config = dataclasses.replace(SMOOTHMIX, off_last_epochs=4 / 3)
    assert PLAN.total_steps == 12
    batch = first_batch()
    plain = float(run_step(MixingConfig(), batch)[1]["loss"])
    losses = [float(run_step(config, batch, step=step)[1]["loss"]) for step in (0, 1, 7, 8, 11)]
    assert len({*losses[:3], plain}) == 4
    assert losses[3:] == pytest.approx([plain, plain], rel=1e-6)


def test_resuming_a_mixed_run_is_exact_and_another_mixing_is_refused_resume(tmp_path: Path):
    classifier, theta_0 = toy_classifier()
    config = toy_config(epochs=4 / 3)
    train = functools.partial(
        fine_tune, classifier, theta_0, toy_dataset(48), None, config, mesh=make_mesh(1)
    )
    whole = train(run_dir=tmp_path / "whole", mixing=SMOOTHMIX)
    stops = iter(range(100))

    def power_cut(theta: Any) -> float:
        if next(stops) == 1:
            raise RuntimeError("power cut")
        return 0.5

    evaluated = dataclasses.replace(config, eval_every_epochs=1 / 3)
    broken = functools.partial(
        fine_tune, classifier, theta_0, toy_dataset(48), None, evaluated, mesh=make_mesh(1)
    )
    with pytest.raises(RuntimeError, match="power cut"):
        broken(run_dir=tmp_path / "broken", mixing=SMOOTHMIX, evaluate=power_cut)
    with pytest.raises(InputError, match=r"can't resume.*mixing"):
        broken(run_dir=tmp_path / "broken", mixing=MixingConfig("cutmix"), resume=True)
    resumed = broken(run_dir=tmp_path / "broken", mixing=SMOOTHMIX, resume=True)
    for name, leaf in flatten_paths(whole).items():
        np.testing.assert_array_equal(flatten_paths(resumed)[name], leaf, err_msg=name)
    plain = train(run_dir=tmp_path / "plain")
    assert not np.array_equal(plain["head"]["kernel"], whole["head"]["kernel"])
    lines = (tmp_path / "broken" / "train.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]


def test_mixing_learns_too():
    classifier, theta_0 = toy_classifier()
    config = toy_config(epochs=40.0)
    held_out = toy_dataset(60, seed=9)
    theta_1 = fine_tune(classifier, theta_0, toy_dataset(48), None, config, mixing=SMOOTHMIX)
    images = np.stack([held_out.source.read(index) for index in range(60)])
    right = np.argmax(classifier.logits(theta_1, images), 1) == held_out.labels
    assert right.mean() > 0.8


def test_a_recipe_that_sees_no_image_mixes_none():
    classifier, theta_0 = toy_classifier()
    config = toy_config(recipe="linear_probe")
    with pytest.raises(InputError, match=r"expected none with training\.recipe linear_probe"):
        fine_tune(classifier, theta_0, toy_dataset(48), None, config, mixing=SMOOTHMIX)
    with pytest.raises(InputError, match=r"use training\.recipe end_to_end"):
        ExperimentConfig(training=TrainConfig(recipe="linear_probe"), mixing=SMOOTHMIX)


def test_an_image_alone_can_not_be_mixed():
    classifier, theta_0 = toy_classifier()
    alone = dataclasses.replace(CONFIG, batch_size=1)
    with pytest.raises(InputError, match=r"training\.batch_size of 2 or more, found 1"):
        fine_tune(
            classifier, theta_0, toy_dataset(48), None, alone, mixing=SMOOTHMIX, mesh=make_mesh(1)
        )
