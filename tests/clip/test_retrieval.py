from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from tests.helpers.tiny import tiny_images
from wiseft_jax.clip.embed import embed_images, embed_texts
from wiseft_jax.clip.load import Clip
from wiseft_jax.clip.retrieval import cosine_similarities, rank_images, text_probabilities
from wiseft_jax.core.errors import InputError

seeds = st.integers(0, 2**32 - 1)


def features(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 6)).astype(np.float32)


@given(seeds)
def test_cosines_equal_the_definition(seed: int):
    images, texts = features(seed, 5), features(seed + 1, 3)
    found = cosine_similarities(images, texts)
    for i, k in np.ndindex(5, 3):
        x, y = images[i].astype(float), texts[k].astype(float)
        expected = x @ y / np.sqrt((x @ x) * (y @ y))
        assert abs(found[i, k] - expected) < 1e-5


@given(seeds)
def test_a_feature_is_nearest_to_itself_whatever_its_length(seed: int):
    images = features(seed, 6)
    similarities = cosine_similarities(images, 3 * images)
    np.testing.assert_allclose(similarities.diagonal(), 1, atol=1e-6)
    np.testing.assert_array_equal(similarities.argmax(1), np.arange(6))
    assert np.abs(similarities).max() <= 1


@given(seeds, st.floats(0, 5))
def test_probabilities_are_the_softmax_with_the_temperature(seed: int, logit_scale: float):
    similarities = cosine_similarities(features(seed, 4), features(seed + 1, 3))
    found = text_probabilities(similarities, logit_scale)
    expected = softmax(np.exp(logit_scale) * similarities.astype(float), axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def test_one_text_has_probability_one():
    assert text_probabilities(np.float32([[0.3], [-0.2]]), 4.6).tolist() == [[1], [1]]


@given(seeds, st.integers(1, 12))
def test_ranking_is_a_sorted_prefix_of_a_permutation(seed: int, top: int):
    scores = np.random.default_rng(seed).integers(0, 4, 8).astype(np.float32)
    whole = rank_images(scores)
    assert sorted(whole.tolist()) == list(range(8))
    assert (np.diff(scores[whole]) <= 0).all()
    ties = np.diff(scores[whole]) == 0
    assert (np.diff(whole)[ties] > 0).all()
    np.testing.assert_array_equal(rank_images(scores, top), whole[:top])


def test_top_must_be_positive():
    with pytest.raises(InputError, match="top is 0; expected at least 1"):
        rank_images(np.zeros(3, np.float32), 0)


def test_the_whole_way_from_texts_and_images(clip: Clip):
    images, texts = embed_images(clip, tiny_images(5)), embed_texts(clip, ["a red x", "a digit"])
    table = cosine_similarities(images, texts)
    assert table.shape == (5, 2)
    swapped = cosine_similarities(images[::-1], texts)
    order = rank_images(table[:, 0])
    np.testing.assert_array_equal(4 - rank_images(swapped[:, 0]), order)
