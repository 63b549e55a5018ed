"""Grad-CAM of a real image tower along alpha: against maps asked for one by one, compiled once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.backgrounds.square_cutouts import make_cutouts
from tests.helpers.compilations import counted_compilations
from tests.helpers.tiny import tiny_clip
from wiseft_jax.clip.classifier import zero_shot_classifier
from wiseft_jax.clip.saliency import class_directions, saliency_maps
from wiseft_jax.studies.backgrounds_alphas_config import AlphasConfig
from wiseft_jax.studies.backgrounds_alphas_data import AlphasData, alphas_data_of_masked
from wiseft_jax.studies.backgrounds_alphas_models import (
    Ends,
    challenge_images,
    energies,
    energies_at,
    saliency_sample,
)
from wiseft_jax.weights.interpolate import lerp

SIDE = 16
NAMES = ("ant", "big bee", "cat")
CONFIG = AlphasConfig(saliency_images=5, foregrounds=7, backgrounds=4)


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    root = tmp_path_factory.mktemp("clips")
    one, other = (
        zero_shot_classifier(tiny_clip(root / f"{seed}", seed=seed, vision_layers=1), NAMES)
        for seed in (0, 1)
    )
    return Ends("tiny", one[0], one[1], other[1])


def data() -> AlphasData:
    return alphas_data_of_masked(make_cutouts(12, side=SIDE), 1).fitted(NAMES)


def test_energies_are_those_of_maps_asked_for_one_by_one(ends: Ends):
    sample = saliency_sample(data(), CONFIG, ends.classifier.preprocess)
    predicted = np.asarray([2, 0, 1, 1, 0])
    with counted_compilations() as names:
        found = {alpha: energies_at(ends, alpha, sample, predicted) for alpha in (0.0, 0.3, 1.0)}
    assert names.count("run") == 1
    facts = ends.classifier.tower, ends.classifier.preprocess
    for alpha, both in found.items():
        theta = lerp(ends.theta_0, ends.theta_1, alpha)
        for name, classes in (("true", sample.labels), ("predicted", predicted)):
            of = class_directions(theta["head"], classes)
            maps = saliency_maps("grad_cam", *facts, theta["encoder"], sample.images, of)
            large = np.asarray(maps).repeat(8, 1).repeat(8, 2)
            total = large.sum((1, 2))
            inside = (large * sample.masks).sum((1, 2))
            expected = np.divide(inside, total, out=np.full(5, np.nan), where=total > 0)
            np.testing.assert_allclose(both[name], expected, rtol=1e-4)
    assert not np.array_equal(found[0.0]["true"], found[1.0]["true"])


def test_only_the_positive_part_of_a_map_counts():
    masks = np.zeros((3, 4, 4), bool)
    masks[:, :2, :2] = True
    maps = np.asarray([[[3, -5], [1, 0]], [[-1, -1], [0, -2]], [[0.5, 0.5], [0.5, 0.5]]], float)
    found = energies(maps, masks)
    np.testing.assert_allclose(found, [0.75, np.nan, 0.25])


def test_samples_are_of_each_class_and_the_same_again(ends: Ends):
    sample = saliency_sample(data(), CONFIG, ends.classifier.preprocess)
    again = saliency_sample(data(), CONFIG, ends.classifier.preprocess)
    assert np.array_equal(sample.rows, again.rows)
    assert sorted(np.bincount(sample.labels).tolist()) == [1, 2, 2]
    other = dataclasses.replace(CONFIG, sample_seed=1)
    assert not np.array_equal(
        sample.rows, saliency_sample(data(), other, ends.classifier.preprocess).rows
    )
    images = challenge_images(data(), CONFIG, ends.classifier.preprocess)
    assert (len(images.foregrounds), len(images.backgrounds)) == (7, 4)
    assert len(set(images.backgrounds.labels.tolist())) == 3


def test_more_than_there_are_is_all_of_them(ends: Ends):
    many = dataclasses.replace(CONFIG, saliency_images=500, foregrounds=500, backgrounds=500)
    images = challenge_images(data(), many, ends.classifier.preprocess)
    assert (len(images.foregrounds), len(images.backgrounds)) == (12, 12)
    assert len(saliency_sample(data(), many, ends.classifier.preprocess).rows) == 12


def test_an_image_without_a_usable_mask_is_left_out_and_named(ends: Ends):
    cutouts = make_cutouts(12, side=SIDE)
    masks = cutouts.masks.copy()
    masks[3] = True
    broken = alphas_data_of_masked(dataclasses.replace(cutouts, masks=masks), 1).fitted(NAMES)
    many = dataclasses.replace(CONFIG, saliency_images=12)
    sample = saliency_sample(broken, many, ends.classifier.preprocess)
    assert sample.rows.tolist() == [0, 1, 2, *range(4, 12)]
    assert sample.rejected == (f"{cutouts.ids[3]}: its mask covers the whole image",)
    labels = broken.sets["original"].labels
    assert np.array_equal(sample.labels, labels[sample.rows])
