"""Training from random weights: it learns, by its seed alone, and stops at a bad loss."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.small_resnet import random_variables, small_resnet
from tests.training.toy import toy_config, toy_dataset
from wiseft_jax.clip.resnet import with_new_head
from wiseft_jax.core.errors import InputError, NonFiniteLossError
from wiseft_jax.core.mesh import make_mesh
from wiseft_jax.core.trees import flatten_paths
from wiseft_jax.mixing import MixingConfig
from wiseft_jax.training import from_scratch
from wiseft_jax.training.from_scratch import train_from_scratch
from wiseft_jax.training.options import TrainOptions
from wiseft_jax.training.sgd_config import SgdConfig

RESNET = small_resnet()
CONFIG = toy_config(epochs=1.0)
PLAIN = MixingConfig()


def train(config: Any = CONFIG, mixing: MixingConfig = PLAIN, devices: int = 1) -> Any:
    return train_from_scratch(
        RESNET, toy_dataset(48), config, mixing=mixing, mesh=make_mesh(devices)
    )


def differing(one: Any, other: Any) -> list[str]:
    """Return the paths of the leaves that aren't bit for bit the same."""
    leaves = flatten_paths(other)
    return [
        path for path, leaf in flatten_paths(one).items() if not np.array_equal(leaf, leaves[path])
    ]


def test_it_learns_and_its_statistics_serve_other_images():
    variables = train(dataclasses.replace(CONFIG, epochs=20.0, learning_rate=0.01))
    held_out = toy_dataset(60, seed=9)
    images = np.stack([held_out.source.read(index) for index in range(60)])
    right = np.argmax(jax.jit(RESNET.logits)(variables, images), 1) == held_out.labels
    assert right.mean() > 0.9


def test_sgd_learns_by_its_own_schedule(caplog: pytest.LogCaptureFixture):
    config = dataclasses.replace(CONFIG, epochs=20.0, learning_rate=0.05, clip_norm=None)
    sgd = SgdConfig(momentum=0.9, drop_every_epochs=10)
    with caplog.at_level(logging.INFO):
        variables = train_from_scratch(RESNET, toy_dataset(48), config, mesh=make_mesh(1), sgd=sgd)
    assert "(0 of warm-up)" in caplog.text
    held_out = toy_dataset(60, seed=9)
    images = np.stack([held_out.source.read(index) for index in range(60)])
    right = np.argmax(jax.jit(RESNET.logits)(variables, images), 1) == held_out.labels
    assert right.mean() > 0.9


@pytest.mark.slow
def test_the_seed_alone_decides():
    mixing = MixingConfig("smoothmix")
    one, again = train(mixing=mixing), train(mixing=mixing)
    assert differing(one, again) == []
    other = train(dataclasses.replace(CONFIG, seed=1), mixing=mixing)
    assert len(differing(one, other)) == len(flatten_paths(one))
    assert differing(one, train())


def test_options_that_are_not_read_are_refused():
    options = TrainOptions(ema_decay=0.9, class_balance=True)
    with pytest.raises(InputError, match=r"none of them; leave out ema_decay, class_balance$"):
        train(dataclasses.replace(CONFIG, options=options))
    for other in ({"recipe": "few_shot"}, {"accumulation_steps": 3}):
        with pytest.raises(InputError, match=r"expected training\.recipe end_to_end and"):
            train(dataclasses.replace(CONFIG, **other))


def test_an_image_alone_can_not_be_mixed():
    alone = dataclasses.replace(CONFIG, batch_size=1)
    with pytest.raises(InputError, match=r"training\.batch_size of 2 or more, found 1"):
        train(alone, MixingConfig("smoothmix"))


def test_runs_that_differ_in_their_seeds_share_a_program():
    from_scratch.scratch_step.cache_clear()
    for seed in (0, 1):
        train(dataclasses.replace(CONFIG, seed=seed))
    assert from_scratch.scratch_step.cache_info().misses == 1


def test_mixing_draws_are_those_of_fine_tuning():
    """A traced seed draws what the number itself draws: ``make_mix`` is one function."""
    from wiseft_jax.core.mesh import Layout
    from wiseft_jax.training.mixed_batch import make_mix

    layout, plan = Layout(make_mesh(1)), CONFIG.plan(48)
    facts = MixingConfig("cutmix"), RESNET.preprocess, 3, plan, layout
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    batch = {"image": images, "label": np.array([0, 1, 2, 0]), "mask": np.ones(4, bool)}
    batch = jax.tree_util.tree_map(jnp.asarray, batch)

    def mixed(seed: Any) -> Any:
        mix = make_mix(*facts, seed)
        assert mix is not None
        return mix(1, batch)["image"]

    fixed = jax.jit(lambda: mixed(3))()
    np.testing.assert_array_equal(fixed, jax.jit(mixed)(np.uint32(3)))
    assert not np.array_equal(fixed, jax.jit(mixed)(np.uint32(4)))


def test_a_loss_that_is_not_finite_stops_the_run():
    config = dataclasses.replace(CONFIG, learning_rate=1e38, epochs=3.0)
    with pytest.raises(NonFiniteLossError, match=r"squares\["):
        train(config)


def test_it_goes_on_from_given_weights_with_a_new_head():
    published = random_variables(small_resnet(5), seed=4)
    resnet, start = with_new_head(small_resnet(5), published, 3)
    tiny = dataclasses.replace(CONFIG, learning_rate=1e-6)
    moved = train_from_scratch(resnet, toy_dataset(48), tiny, mesh=make_mesh(1), start=start)
    for path, leaf in flatten_paths(start["params"]["body"]).items():
        found = flatten_paths(moved["params"]["body"])[path]
        np.testing.assert_allclose(found, leaf, atol=1e-4)  # 1e-6 a step: near where it began
    assert moved["params"]["head"]["kernel"].shape == (8, 3)
    assert np.abs(moved["params"]["head"]["kernel"]).max() > 0
    with pytest.raises(InputError, match=r"start: head/kernel: expected \(8, 3\), found \(8, 5\)"):
        train_from_scratch(RESNET, toy_dataset(48), tiny, mesh=make_mesh(1), start=published)


def test_labels_of_other_classes_are_refused():
    dataset = toy_dataset(12)
    with pytest.raises(InputError, match="its labels count other classes"):
        train_from_scratch(RESNET, dataset, CONFIG, class_names=("a", "b", "c"))


@pytest.mark.slow
def test_two_devices_have_the_statistics_of_one():
    """Batch statistics are of the whole batch, not of a device's part."""
    config = dataclasses.replace(CONFIG, epochs=1 / 3)  # one step: what follows depends on Adam
    one, two = (train(config, devices=devices)["batch_stats"] for devices in (1, 2))
    for path, leaf in flatten_paths(one).items():
        found = flatten_paths(two)[path]
        np.testing.assert_allclose(found, leaf, rtol=1e-4, atol=1e-5, err_msg=path)
