from __future__ import annotations

import numpy as np
import pytest

from tests.clip.conftest import Towers
from tests.helpers.tiny import tiny_images
from wiseft_jax.clip.embed import embed_images, embed_texts
from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.towers import normalise_pixels
from wiseft_jax.core.errors import InputError


def unit(features: object) -> np.ndarray:
    values = np.asarray(features)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize("batch_size", [8, 256])
def test_texts_in_any_batches_are_the_same(clip: Clip, towers: Towers, batch_size: int):
    texts = [f"a photo of {number} circles" for number in range(11)]
    expected = unit(towers.text(clip.params, *clip.tokenizer(texts)))
    found = embed_texts(clip, texts, batch_size=batch_size)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("batch_size", [3, 64])
def test_images_in_any_batches_are_the_same(clip: Clip, towers: Towers, batch_size: int):
    images = tiny_images(7)
    pixels = normalise_pixels(images, clip.preprocess)
    expected = unit(towers.image(clip.params, pixels))
    found = embed_images(clip, images, batch_size=batch_size)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_all_batches_share_one_compilation(clip: Clip):
    before = clip.text_encoder._cache_size()
    embed_texts(clip, ["one word"] * 5 + ["two more words"] * 14, batch_size=16)
    assert clip.text_encoder._cache_size() <= before + 1


def test_nothing_to_embed_is_an_error(clip: Clip):
    with pytest.raises(InputError, match="no texts to embed"):
        embed_texts(clip, [])
    with pytest.raises(InputError, match="no images to embed"):
        embed_images(clip, tiny_images(1)[:0])
