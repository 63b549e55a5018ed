"""Options that compose: each field is checked by name, and each does what its formula says."""

from __future__ import annotations

import contextlib
from typing import Any

import jax
import numpy as np
import pytest

from tests.training.toy import (
    toy_classifier,
    toy_config,
    toy_dataset,
    toy_for,
    toy_options,
    toy_train,
)
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.mesh import Layout, make_mesh
from wiseft_jax.core.trees import flatten_paths, unflatten_paths
from wiseft_jax.data.augmentation import AugmentationConfig
from wiseft_jax.training.fine_tune import fine_tune
from wiseft_jax.training.options import TrainOptions
from wiseft_jax.training.problem import Task
from wiseft_jax.training.recipes import RECIPES


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ema_decay", 0.0),
        ("ema_decay", 1.0),
        ("l2_to_theta_0", -1.0),
        ("l1", float("nan")),
        ("distill_to_theta_0", -0.5),
        ("distill_temperature", 0.0),
        ("freeze", ("",)),
        ("layer_decay", 0.0),
        ("layer_decay", 1.5),
        ("shots", 0),
        ("probe_c", ()),
        ("probe_c", (1.0, 0.0)),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, value: Any):
    with pytest.raises(InputError, match=rf"^training\.options\.{field}: expected .*, found "):
        TrainOptions(**{field: value})


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("end_to_end", {"shots": 4}),
        ("paint", {"solver": "lbfgs"}),
        ("flyp", {"probe_c": (1.0,)}),
        ("linear_probe", {"layer_decay": 0.5}),
        ("linear_probe", {"probe_c": (1.0,)}),
        ("contrastive", {"class_balance": True}),
        ("flyp", {"distill_to_theta_0": 1.0}),
        ("contrastive", {"distill_to_theta_0": 1.0}),
        ("end_to_end", {"distill_temperature": 2.0}),
        *(
            ("linear_probe", {"solver": "lbfgs", name: value})
            for name, value in [
                ("ema_decay", 0.9),
                ("l1", 0.1),
                ("l2_to_theta_0", 0.1),
                ("freeze", ("bias",)),
                ("distill_to_theta_0", 1.0),
            ]
        ),
    ],
)
def test_an_option_that_a_recipe_does_not_read_is_refused(recipe: str, options: dict[str, Any]):
    field = list(options)[-1]
    with pytest.raises(InputError, match=rf"^training\.options\.{field}: expected its default"):
        toy_config(recipe=recipe, options=TrainOptions(**options))


def test_whole_numbers_and_floats_are_one_configuration():
    assert TrainOptions(layer_decay=1, probe_c=(1,)) == TrainOptions(probe_c=(1.0,))


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_frozen_parameters_stay_bit_for_bit_and_the_others_move(recipe: str):
    """Weight decay, penalties and an average are on, and a frozen parameter is -0.0."""
    classifier, theta_0 = toy_for(recipe)
    kernel = theta_0["encoder"]["visual_projection"]["kernel"]
    kernel[0, 0] = -0.0
    pattern = "bias" if recipe == "linear_probe" else "encoder/visual_projection/*"
    options = toy_options(recipe, freeze=(pattern,), l1=0.01, l2_to_theta_0=0.1, ema_decay=0.5)
    config = toy_config(recipe=recipe, epochs=2 / 3, weight_decay=0.1, options=options)
    theta_1 = fine_tune(classifier, theta_0, toy_train(recipe), None, config)
    after, before = flatten_paths(theta_1), flatten_paths(theta_0)
    frozen = {
        "linear_probe": ("encoder/", "head/bias"),
        "paint": ("encoder/visual_projection/", "head/"),
    }.get(recipe, ("encoder/visual_projection/",))
    for name, leaf in after.items():
        same = leaf.tobytes() == np.asarray(before[name]).tobytes()
        assert same == name.startswith(frozen), name


def test_a_probe_has_no_encoder_to_freeze():
    classifier, theta_0 = toy_classifier()
    options = TrainOptions(freeze=("encoder/*",))
    config = toy_config(recipe="linear_probe", options=options)
    with pytest.raises(InputError, match=r"freeze: 'encoder/\*' matches no parameter"):
        fine_tune(classifier, theta_0, toy_dataset(48), None, config)


def train(options: TrainOptions, **changes: Any) -> dict[str, np.ndarray]:
    classifier, theta_0 = toy_classifier()
    config = toy_config(options=options, **changes)
    return flatten_paths(fine_tune(classifier, theta_0, toy_dataset(48), None, config))


def distance(theta: dict[str, np.ndarray]) -> float:
    start = flatten_paths(toy_classifier()[1])
    return float(np.sqrt(sum(np.sum((theta[name] - start[name]) ** 2) for name in start)))


def test_the_pull_to_theta_0_keeps_the_model_near():
    far, near = train(TrainOptions()), train(TrainOptions(l2_to_theta_0=3.0))
    assert distance(near) < 0.9 * distance(far)


def divergence(theta: dict[str, np.ndarray]) -> float:
    """Return the mean KL from zero-shot's outputs on the training images."""
    classifier, start = toy_classifier()
    data = toy_dataset(48)
    images = np.stack([data.source.read(index) for index in range(48)])
    log_p, log_q = (
        np.asarray(jax.nn.log_softmax(classifier.logits(each, images)))
        for each in (start, unflatten_paths(theta))
    )
    return float(np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=1)))


@pytest.mark.parametrize("more", [{}, {"l2_to_theta_0": 0.01}, {"ema_decay": 0.5, "l1": 1e-4}])
def test_distillation_keeps_the_outputs_near_with_other_options_too(more: dict[str, Any]):
    far = train(TrainOptions(**more))
    near = train(TrainOptions(distill_to_theta_0=10.0, distill_temperature=2.0, **more))
    assert divergence(near) < 0.3 * divergence(far)


def test_l1_shrinks_what_is_trained():
    plain = train(TrainOptions(), weight_decay=0.0, epochs=6.0)
    shrunk = train(TrainOptions(l1=1.0), weight_decay=0.0, epochs=6.0)
    norms = [sum(float(np.abs(leaf).sum()) for leaf in theta.values()) for theta in (plain, shrunk)]
    assert norms[1] < 0.9 * norms[0]


def test_a_distilled_probe_stays_near_its_zero_shot_head():
    options = TrainOptions(distill_to_theta_0=30.0)
    changes = {"recipe": "linear_probe", "learning_rate": 0.05}
    far, near = train(TrainOptions(), **changes), train(options, **changes)
    assert divergence(near) < 0.3 * divergence(far)


def test_flips_reach_the_batches():
    classifier, theta_0 = toy_for("end_to_end")
    found = []
    for flip in (0.0, 1.0):
        config = toy_config(augmentation=AugmentationConfig((1.0, 1.0), flip=flip))
        data = toy_dataset(16)
        task = Task(classifier, theta_0, data, config, config.plan(16), Layout(make_mesh(1)))
        with contextlib.closing(RECIPES["end_to_end"](task).batches(0)) as batches:
            found.append(next(iter(batches))["image"])
    np.testing.assert_array_equal(found[1], found[0][:, :, ::-1])


def test_augmentation_changes_what_is_seen():
    plain = train(TrainOptions())
    changed = train(TrainOptions(), augmentation=AugmentationConfig(rand_augment=2))
    name = "head/kernel"
    assert not np.allclose(changed[name], plain[name], atol=1e-3)
