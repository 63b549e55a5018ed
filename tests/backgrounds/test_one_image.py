from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.small_release import linear_predictor, small_images, write_small_release
from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9, IN9_CLASSES
from wiseft_jax.backgrounds.one_image import (
    OUTSIDE,
    answers_to,
    image_variants,
    release_partners,
    sized_partners,
)
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.backgrounds.variants import VARIANTS

IMAGES = small_images()


def test_one_image_has_the_variants_that_the_whole_set_has():
    at = 4
    partners = {
        kind: IMAGES.tiled[IMAGES.partners(kind, 0)[at]]
        for kind, variant in VARIANTS.items()
        if variant.partner
    }
    found = image_variants(IMAGES.images[at], IMAGES.masks[at], partners)
    assert list(found) == list(VARIANTS)
    for kind, picture in found.items():
        assert np.array_equal(picture, IMAGES.variant(kind, 0)[at])
    bare = image_variants(IMAGES.images[at], IMAGES.masks[at], {})
    assert [kind for kind in bare if VARIANTS[kind].partner] == []


def test_a_larger_box_is_taken():
    image, mask = IMAGES.images[0], IMAGES.masks[0]
    found = image_variants(image, mask, {}, (0, 0, 7, 7))
    assert not found["only_bg_b"][:7, :7].any()
    assert np.array_equal(found["only_bg_b"][7:], image[7:])


@pytest.mark.parametrize("thousand", [False, True])
def test_a_score_is_the_probability_of_what_was_chosen(thousand: bool):
    count = 1000 if thousand else 9
    model = linear_predictor(3, classes=count, thousand=thousand)
    model = type(model)(**{**vars(model), "params": model.params / 1000})
    found = answers_to(model, list(IMAGES.images), 2)
    logits = IMAGES.images.reshape(len(IMAGES), -1) @ model.params.astype(np.float64)
    for answer, row in zip(found, logits, strict=True):
        assert answer.score == pytest.approx(1 / np.exp(row - row.max()).sum(), rel=1e-3)
        best = row.argmax()
        label = IMAGENET_TO_IN9[best] if thousand else best
        assert answer.predicted == (OUTSIDE if label == -1 else IN9_CLASSES[label])
        assert answer.right == (label == 2)


def test_backgrounds_of_another_size_are_resized_and_told_in_one_line(
    caplog: pytest.LogCaptureFixture,
):
    partners = {
        "mixed_same": ("a", IMAGES.tiled[0]),
        "mixed_rand": ("b", IMAGES.tiled[1][:4, :4]),
        "mixed_next": ("c", IMAGES.tiled[2][:2]),
    }
    with caplog.at_level(logging.INFO):
        found = sized_partners(partners, 8, 8)
    assert {each.shape for each in found.values()} == {(8, 8, 3)}
    assert np.array_equal(found["mixed_same"], IMAGES.tiled[0])
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        "backgrounds are resized to the image's 8 x 8, which changes their proportions: b (4 x 4),"
        " c (8 x 2)"
    )


def test_partners_are_of_the_right_classes(tmp_path: Path):
    release = open_release(write_small_release(tmp_path, IMAGES))
    for seed in range(5):
        found = release_partners(release, 8, IMAGES.ids[-1], seed)
        assert found["mixed_same"][0] == IMAGES.ids[-2]
        assert found["mixed_next"][0].startswith(IN9_CLASSES[0])
        for name, picture in found.values():
            assert np.array_equal(picture, IMAGES.tiled[IMAGES.ids.index(name)])
