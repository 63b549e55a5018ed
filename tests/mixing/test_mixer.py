"""What every mixer promises; over the whole table."""

from __future__ import annotations

import functools
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from tests.helpers.mixers import ALL
from wiseft_jax.mixing import MixingConfig
from wiseft_jax.mixing.config import PARAMETERS, MixerName

KEY = jax.random.key(0)
MODES = ("elem", "batch")


def named(config: MixingConfig) -> str:
    return "-".join([config.name, *(config.choices if config.name == "random_choice" else ())])


def constant_batch(size: int = 6, shape: tuple[int, int] = (8, 12), dtype: Any = jnp.float32):
    """Images that are, in each pixel, their one-hot target: channels are classes."""
    targets = jax.nn.one_hot(jnp.arange(size) % 3, 3, dtype=jnp.float32)
    return jnp.broadcast_to(targets[:, None, None, :], (size, *shape, 3)).astype(dtype), targets


def test_the_table_has_every_mixer():
    assert set(PARAMETERS) == set(get_args(MixerName))
    assert {config.name for config in ALL} >= set(PARAMETERS) | {"random_choice"}


def compiled(config: MixingConfig, mode: str) -> Any:
    """Return ``(key, images, targets, prob, mask) -> mixed``, compiled once."""
    mixer = functools.partial(config.build(), mode=mode)
    return jax.jit(
        lambda key, images, targets, prob=1.0, mask=None: mixer(
            key, images, targets, prob=prob, mask=mask
        )
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("config", ALL, ids=named)
def test_pixel_mass_equals_target_mass(config: MixingConfig, mode: str):
    images, targets = constant_batch()
    run = compiled(config, mode)
    for seed, prob in enumerate([0.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0]):
        mixed, soft = run(jax.random.key(seed), images, targets, prob)
        if config.name == "cutout" or "cutout" in config.choices:
            np.testing.assert_array_less(mixed.mean((1, 2)), soft + 1e-6)
        else:
            np.testing.assert_allclose(mixed.mean((1, 2)), soft, atol=2e-6)
        np.testing.assert_allclose(soft.sum(1), 1.0, atol=1e-6)
        assert float(soft.min()) >= 0.0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("config", ALL, ids=named)
def test_nothing_changes_at_probability_zero_whatever_the_pixels_hold(config, mode):
    images, targets = constant_batch()
    images = images.at[1].set(jnp.nan).at[2].set(-0.0)
    mixed, soft = compiled(config, mode)(KEY, images, targets, 0.0)
    assert np.asarray(mixed).tobytes() == np.asarray(images).tobytes()
    assert np.asarray(soft).tobytes() == np.asarray(targets).tobytes()


@pytest.mark.parametrize("config", ALL, ids=named)
def test_the_key_is_the_only_randomness_and_one_program_serves_all_keys(config):
    images = jax.random.normal(jax.random.key(9), (6, 8, 12, 3))
    _, targets = constant_batch()
    traces = []

    @jax.jit
    def run(key: Any, images: Any, targets: Any) -> Any:
        traces.append(1)
        return config.build()(key, images, targets)

    first, again = (run(KEY, images, targets) for _ in range(2))
    other = run(jax.random.key(1), images, targets)
    assert np.asarray(first[0]).tobytes() == np.asarray(again[0]).tobytes()
    assert np.asarray(first[1]).tobytes() == np.asarray(again[1]).tobytes()
    assert not np.array_equal(first[0], other[0])
    assert len(traces) == 1
    assert first[0].shape == images.shape


@pytest.mark.parametrize("config", ALL, ids=named)
def test_images_come_back_in_their_dtype_and_masks_are_float32(config):
    images, targets = constant_batch(dtype=jnp.bfloat16)
    run = compiled(config, config.mode)
    mixed, soft = run(KEY, images, targets)
    assert (mixed.dtype, soft.dtype) == (jnp.bfloat16, jnp.float32)
    wide, exact = run(KEY, images.astype(jnp.float32), targets)
    np.testing.assert_allclose(soft, exact, atol=1e-6)
    np.testing.assert_allclose(
        mixed.astype(jnp.float32), wide.astype(jnp.bfloat16).astype(jnp.float32), rtol=1e-2
    )


@pytest.mark.parametrize("config", ALL, ids=named)
def test_padding_stays_and_is_nobodys_partner(config):
    images, targets = constant_batch()
    images = images.at[5].set(jnp.nan)
    mask = jnp.arange(6) < 5
    mixed, soft = compiled(config, config.mode)(KEY, images, targets, mask=mask)
    assert np.isnan(mixed[5]).all()
    assert np.isfinite(mixed[:5]).all()
    np.testing.assert_array_equal(soft[5], targets[5])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("config", ALL, ids=named)
def test_one_device_equals_eight_devices(config, mode):
    images = jax.random.normal(jax.random.key(3), (16, 8, 12, 3))
    targets = jax.nn.one_hot(jnp.arange(16) % 4, 4)
    run = compiled(config, mode)
    alone = run(KEY, images, targets)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec("data"))
    shared = run(KEY, jax.device_put(images, split), jax.device_put(targets, split))
    for one, eight in zip(alone, shared, strict=True):
        np.testing.assert_allclose(one, eight, atol=1e-6)
    assert shared[0].sharding.is_equivalent_to(split, 4)


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize("config", ALL, ids=named)
def test_what_cannot_be_mixed_is_refused_with_what_to_do(config):
    images, targets = constant_batch()
    mixer = config.build()
    with pytest.raises(ValueError, match=r"images\.astype\(jnp\.float32\)"):
        mixer(KEY, images.astype(jnp.uint8), targets)
    with pytest.raises(ValueError, match=r"jax\.nn\.one_hot\(labels, K\)"):
        mixer(KEY, images, targets.astype(jnp.int32))
    with pytest.raises(ValueError, match="at least two"):
        mixer(KEY, images[:1], targets[:1])
    with pytest.raises(ValueError, match="6 images and 5 targets"):
        mixer(KEY, images, targets[:5])
    with pytest.raises(ValueError, match=r"expected \[B, H, W, C\]"):
        mixer(KEY, images[0], targets)
    with pytest.raises(ValueError, match="mode: expected 'elem' or 'batch', found 'image'"):
        mixer(KEY, images, targets, mode="image")
