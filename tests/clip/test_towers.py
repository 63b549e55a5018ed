from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clip.conftest import Towers
from tests.helpers import numpy_clip
from tests.helpers.tiny import tiny_images
from wiseft_jax.clip.convert import to_hf
from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.towers import l2_normalise, normalise_pixels
from wiseft_jax.core.preprocess import OPENAI_MEAN, OPENAI_STD, Preprocess

TEXTS = ["a photo of a red circle", "x", "digit " * 40]


def pixels_of(clip: Clip, count: int = 4) -> np.ndarray:
    return np.asarray(normalise_pixels(tiny_images(count), clip.preprocess))


@pytest.fixture(params=["towers", "legacy_towers", "scan_towers", "legacy_scan_towers"])
def either(request: pytest.FixtureRequest) -> Towers:
    return request.getfixturevalue(request.param)


def test_image_features_equal_the_numpy_oracle(either: Towers):
    clip, pixels = either.clip, pixels_of(either.clip)
    expected = numpy_clip.image_features(
        to_hf(clip.tower.to_canonical(clip.params)), clip.config.to_dict(), pixels
    )
    found = either.image(clip.params, pixels)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=5e-6)


def test_text_features_equal_the_numpy_oracle(either: Towers):
    clip, (ids, mask) = either.clip, either.clip.tokenizer(TEXTS)
    expected = numpy_clip.text_features(
        to_hf(clip.tower.to_canonical(clip.params)), clip.config.to_dict(), ids
    )
    found = either.text(clip.params, ids, mask)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=5e-6)


def test_features_equal_transformers_own_model(towers: Towers):
    from transformers import FlaxCLIPModel

    clip, pixels = towers.clip, pixels_of(towers.clip)
    ids, mask = clip.tokenizer(TEXTS)
    model = FlaxCLIPModel(clip.config, _do_init=False)
    theirs = jax.jit(lambda p, x: model.get_image_features(x, params=p))
    expected = theirs(clip.params, pixels.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(towers.image(clip.params, pixels), expected, atol=1e-6)
    theirs = jax.jit(lambda p, ids, mask: model.get_text_features(ids, mask, params=p))
    expected = theirs(clip.params, ids, mask)
    np.testing.assert_allclose(towers.text(clip.params, ids, mask), expected, atol=1e-6)


def test_each_tower_needs_its_own_parameters_only(either: Towers):
    clip, pixels, towers = either.clip, pixels_of(either.clip), either
    vision = {key: clip.params[key] for key in ("vision_model", "visual_projection")}
    text = {key: clip.params[key] for key in ("text_model", "text_projection")}
    assert jax.eval_shape(towers.image, vision, pixels).shape == (4, 16)
    assert jax.eval_shape(towers.text, text, *clip.tokenizer(TEXTS)).shape == (3, 16)


def test_shorter_rows_give_the_same_features(either: Towers):
    ids, mask = either.clip.tokenizer(TEXTS[:2] * 2)
    whole = either.text(either.clip.params, ids, mask)
    short = either.text(either.clip.params, ids[:, :10], mask[:, :10])
    np.testing.assert_allclose(short, whole, atol=2e-6)


def test_the_padding_and_its_mask_change_nothing(either: Towers):
    towers = either
    ids, mask = towers.clip.tokenizer(TEXTS)
    other = np.where(mask == 1, ids, 5).astype(np.int32)
    whole = towers.text(towers.clip.params, ids, mask)
    for changed in ((other, mask), (ids, np.ones_like(mask))):
        found = towers.text(towers.clip.params, *changed)
        np.testing.assert_allclose(found, whole, atol=2e-6)


def test_towers_run_mapped_over_models_and_differentiated(either: Towers):
    clip, pixels, towers = either.clip, pixels_of(either.clip), either
    vision = {key: clip.params[key] for key in ("vision_model", "visual_projection")}
    stacked = jax.tree_util.tree_map(lambda x: np.stack([x, 0.5 * x]), vision)

    def total(params: Any) -> Any:
        mapped = jax.vmap(lambda p: clip.tower.image_features(p, pixels))(params)
        return mapped[0].sum(), mapped

    gradient, mapped = jax.jit(jax.grad(total, has_aux=True))(stacked)
    np.testing.assert_allclose(mapped[0], towers.image(clip.params, pixels), atol=2e-6)
    kernel = np.asarray(gradient["visual_projection"]["kernel"])
    assert np.isfinite(kernel).all()
    assert np.abs(kernel[0]).max() > 0
    assert (kernel[1] == 0).all()


def test_bfloat16_computes_near_float32_and_returns_float32(either: Towers):
    clip, pixels, towers = either.clip, pixels_of(either.clip), either
    tower = clip.tower.with_dtype("bfloat16")
    found = jax.jit(tower.image_features)(clip.params, pixels)
    expected = np.asarray(towers.image(clip.params, pixels))
    assert found.dtype == jnp.float32
    difference = np.abs(np.asarray(found) - expected).max()
    assert 0 < difference < 0.05 * np.abs(expected).max()


def test_pixels_are_normalised_by_mean_and_deviation():
    images = tiny_images(2)
    found = normalise_pixels(images, Preprocess(16, 16))
    expected = (images / 255 - np.array(OPENAI_MEAN)) / np.array(OPENAI_STD)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)
    same = normalise_pixels(images.astype(np.float32), Preprocess(16, 16))
    np.testing.assert_array_equal(same, found)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_normalised_features_have_unit_length_and_no_scale(seed: int, scale: float):
    features = np.random.default_rng(seed).standard_normal((3, 8)).astype(np.float32)
    unit = np.asarray(l2_normalise(features))
    np.testing.assert_allclose((unit**2).sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(l2_normalise(np.float32(scale) * features), unit, atol=1e-6)
