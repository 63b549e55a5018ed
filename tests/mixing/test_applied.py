"""The masks that are told are the ones that were applied."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.mixing.applied import applied_masks, applied_partners, mix_openly
from wiseft_jax.mixing.config import MixingConfig
from wiseft_jax.mixing.mixer import Pairing

CONFIGS = {
    "circle": MixingConfig("smoothmix"),
    "square": MixingConfig("smoothmix", kind="square", pairing="permutation"),
    "cutmix": MixingConfig("cutmix", pairing="flip"),
    "mixup": MixingConfig("mixup", alpha=1.0, mode="batch"),
    "now and then": MixingConfig("smoothmix", prob=0.5),
}
FILL = 100.0


def images_of(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, 12, 10, 3)).astype(np.float32)


@pytest.mark.parametrize("name", CONFIGS)
def test_sources_mask_and_partner_give_the_result(name: str):
    images, key = images_of(), jax.random.key(3)
    found = mix_openly(CONFIGS[name], key, images)
    masks = found.masks[..., None]
    expected = masks * images + (1 - masks) * images[found.partners]
    np.testing.assert_allclose(found.images, expected, atol=1e-3)  # of numbers up to 255
    np.testing.assert_allclose(found.shares, found.masks.mean((1, 2)), atol=1e-6)
    assert 0 < found.shares.mean() < 1


def test_a_filled_square_has_no_partner_and_keeps_its_target():
    images, key = images_of(), jax.random.key(3)
    found = mix_openly(MixingConfig("cutout"), key, images, FILL)
    masks = found.masks[..., None]
    assert set(np.unique(masks)) == {0, 1}
    np.testing.assert_array_equal(found.images, np.where(masks == 1, images, FILL))
    np.testing.assert_array_equal(found.shares, 1)
    np.testing.assert_array_equal(found.partners, -1)


def test_the_batch_is_the_mixers_own():
    images, key, config = images_of(), jax.random.key(5), CONFIGS["circle"]
    expected, _ = jax.jit(config.build())(key, jnp.asarray(images), jnp.eye(4))
    np.testing.assert_array_equal(mix_openly(config, key, images).images, expected)


def test_what_is_not_mixed_is_all_its_own():
    masks = applied_masks(MixingConfig("smoothmix", prob=0.0).build(), jax.random.key(0), (3, 4, 5))
    np.testing.assert_array_equal(masks, np.ones((3, 4, 5)))


@pytest.mark.parametrize("alpha", [1e-3, 0.2])
@pytest.mark.parametrize("pairing", ["roll", "flip"])
def test_a_partner_with_a_share_of_nothing_is_named_too(alpha: float, pairing: Pairing):
    """With so small an alpha most draws of Mixup round to lambda = 0 or 1."""
    images = images_of(8)
    config = MixingConfig("mixup", alpha=alpha, pairing=pairing)
    found = mix_openly(config, jax.random.key(1), images)
    expected = np.roll(np.arange(8), 1) if pairing == "roll" else np.arange(8)[::-1]
    np.testing.assert_array_equal(found.partners, expected)
    if alpha < 0.1:
        assert (found.shares == 1).any()


def test_what_is_not_mixed_has_no_partner():
    config = MixingConfig("random_choice", choices=("cutmix", "mixup"), prob=0.5)
    found = mix_openly(config, jax.random.key(2), images_of(16))
    mixed = (found.images != images_of(16)).any((1, 2, 3))
    assert 0 < mixed.sum() < 16
    assert (found.partners[mixed] >= 0).all()
    nobody = applied_partners(MixingConfig("mixup", prob=0.0).build(), jax.random.key(0), 3)
    np.testing.assert_array_equal(nobody, -1)
