import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wiseft_jax.backgrounds import compose
from wiseft_jax.backgrounds.composition import COMPOSED
from wiseft_jax.core.errors import InputError


@pytest.fixture(scope="module")
def parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images, tiled = rng.integers(0, 256, (2, 5, 7, 9, 3), np.uint8)
    return images, rng.random((5, 7, 9)) < 0.4, tiled


def test_foreground_and_background_add_up_in_bytes(parts: tuple):
    images, masks, _ = parts
    only_fg, no_fg = (compose(images, masks, None, kind) for kind in ("only_fg", "no_fg"))
    assert only_fg.dtype == no_fg.dtype == np.uint8
    assert np.array_equal(only_fg + no_fg, images)
    assert not only_fg[~masks].any()
    assert not no_fg[masks].any()


@pytest.mark.parametrize("kind", ["mixed_same", "mixed_rand", "mixed_next"])
def test_on_its_own_background_an_image_is_itself(parts: tuple, kind: str):
    images, masks, tiled = parts
    assert np.array_equal(compose(images, masks, images, kind), images)
    mixed = compose(images, masks, tiled, kind)
    assert np.array_equal(mixed[masks], images[masks])
    assert np.array_equal(mixed[~masks], tiled[~masks])


def test_an_original_stays_as_it_is(parts: tuple):
    assert compose(parts[0], parts[1], None, "original") is parts[0]


@pytest.mark.parametrize("kind", COMPOSED)
def test_a_device_gives_the_same_bytes(parts: tuple, kind: str):
    images, masks, tiled = parts
    on_device = jax.jit(lambda *arrays: compose(*arrays, kind))(images, masks, tiled)
    assert isinstance(on_device, jax.Array)
    assert on_device.dtype == jnp.uint8
    assert np.array_equal(on_device, compose(images, masks, tiled, kind))


def test_every_pair_by_broadcasting(parts: tuple):
    images, masks, tiled = parts
    pairs = compose(images[:2, None], masks[:2, None], tiled[None], "mixed_rand")
    assert pairs.shape == (2, 5, 7, 9, 3)
    for f in range(2):
        for b in range(5):
            expected = compose(images[f], masks[f], tiled[b], "mixed_rand")
            assert np.array_equal(pairs[f, b], expected)


def test_floats_keep_their_dtype(parts: tuple):
    images, masks, tiled = parts
    made = compose(jnp.asarray(images, jnp.bfloat16), masks, None, "only_fg")
    assert made.dtype == jnp.bfloat16
    assert compose(images / 255, masks, tiled / 255, "mixed_next").dtype == np.float64


@pytest.mark.parametrize("kind", ["only_bg_t", "only_bg_b"])
def test_what_a_box_makes_is_refused(parts: tuple, kind: str):
    with pytest.raises(InputError, match="made from a box"):
        compose(*parts, kind)


def test_a_mixed_kind_without_partners_and_an_unknown_one_are_refused(parts: tuple):
    with pytest.raises(InputError, match="needs partner_tiled"):
        compose(parts[0], parts[1], None, "mixed_same")
    with pytest.raises(InputError, match="Did you mean 'only_fg'"):
        compose(*parts, "only-fg")
