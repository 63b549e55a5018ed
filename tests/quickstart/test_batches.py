"""Batches of pre-training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.quickstart.test_bank import tiny_bank
from wiseft_jax.quickstart.batches import RenderConfig, make_batch


def batch(seed: int, size: int = 32, config: RenderConfig = RenderConfig()):  # noqa: B008
    bank = tiny_bank()
    return make_batch(np.random.default_rng(seed), bank, bank.weights(), size, config)


def test_shapes_and_own_captions():
    made = batch(0)
    assert made.images.shape == (32, 32, 32, 3)
    assert made.images.dtype == np.uint8
    assert len(made.captions) == 32
    assert np.diagonal(made.positives).all()
    assert not made.positives.all()


def test_a_batch_depends_on_its_seed_only():
    one, same, other = batch(1), batch(1), batch(2)
    np.testing.assert_array_equal(one.images, same.images)
    assert one.captions == same.captions
    assert not np.array_equal(one.images, other.images)


def test_share_of_digits():
    made = batch(0, size=400, config=RenderConfig(digit_share=0.8))
    assert (made.character < 10).mean() == pytest.approx(0.8, abs=0.06)


def test_the_easiest_pictures_are_plain_and_light_on_dark():
    bank = tiny_bank()
    blank = np.zeros_like(bank.fields)
    blank[:, :, 1] = 255  # far from any outline and from any medial line
    empty = replace(bank, fields=blank)
    config = RenderConfig().eased(0.0)
    made = make_batch(np.random.default_rng(0), empty, bank.weights(), 32, config)
    assert np.all(made.images == made.images[:, :1, :1, :1])
    assert made.images.max() <= 0.2 * 255 + 1
    assert not any(" in " in caption or "background" in caption for caption in made.captions)


def test_full_difficulty_is_the_configuration_itself():
    config = RenderConfig()
    assert config.eased(1.0) == config
    assert config.eased(7.0) == config
