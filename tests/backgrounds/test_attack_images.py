"""What is tried: drawn by class, in turn, from memory or from a release, without bad masks."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.backgrounds.square_cutouts import CLASS_NAMES, SIDE, make_cutouts
from tests.helpers.small_release import write_release
from wiseft_jax.backgrounds.attack_config import AttackConfig
from wiseft_jax.backgrounds.attack_images import (
    AttackImages,
    images_in_memory,
    images_of_release,
    in_turn,
    prepare,
    stratified_sample,
)
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.core.errors import InputError
from wiseft_jax.core.preprocess import Preprocess

CUTOUTS = make_cutouts()
PREPROCESS = Preprocess(size=SIDE, resize=SIDE)
ALL = AttackConfig()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_release(tmp_path / "bg_challenge", CUTOUTS)


def opened(root: Path) -> AttackImages:
    return images_of_release(open_release(root))


def test_a_draw_has_each_class_by_its_share():
    labels = np.repeat([0, 1, 2], [10, 30, 60])
    drawn = stratified_sample(labels, 20, 0, "backgrounds")
    assert np.bincount(labels[drawn]).tolist() == [2, 6, 12]
    assert len(set(drawn.tolist())) == 20
    uneven = stratified_sample(labels, 7, 0, "backgrounds")
    assert np.bincount(labels[uneven]).tolist() == [1, 2, 4]


def test_a_larger_draw_has_the_smaller_one_and_another_seed_others():
    labels = np.arange(90) % 9
    small, large, other = (
        set(stratified_sample(labels, count, seed, "foregrounds").tolist())
        for count, seed in ((18, 0), (36, 0), (18, 1))
    )
    assert small < large
    assert small != other
    assert stratified_sample(labels, None, 0, "foregrounds").tolist() == list(range(90))


def test_a_larger_draw_of_uneven_classes_has_the_smaller_one():
    """By largest remainders 11 of 6, 6 and 2 are 5, 5 and 1, where 10 are 4, 4 and 2."""
    labels = np.repeat([0, 1, 2], [6, 6, 2])
    draws = [
        set(stratified_sample(labels, count, 0, "backgrounds").tolist()) for count in range(1, 15)
    ]
    assert [len(each) for each in draws] == list(range(1, 15))
    assert all(small < large for small, large in itertools.pairwise(draws))


def test_more_than_there_are_is_refused():
    with pytest.raises(InputError, match="--backgrounds: expected at most 4, found 5"):
        stratified_sample(np.zeros(4, int), 5, 0, "backgrounds")


def test_classes_come_in_turn():
    labels = np.asarray([2, 2, 2, 0, 0, 1])
    assert labels[in_turn(labels)].tolist() == [0, 1, 2, 0, 2, 2]
    assert in_turn(labels).tolist() == [3, 5, 0, 4, 1, 2]


def test_a_sample_keeps_rows_in_order_and_columns_in_turn():
    few = AttackConfig(foregrounds=6, backgrounds=9)
    images = images_in_memory(CUTOUTS).sampled(few, PREPROCESS)
    assert (len(images.foregrounds), images.foregrounds.available) == (6, 13)
    assert (np.diff(images.foregrounds.places) > 0).all()
    assert images.backgrounds.labels[:3].tolist() == [0, 1, 2]
    for side in (images.foregrounds, images.backgrounds):
        np.testing.assert_array_equal(side.labels, CUTOUTS.labels[side.places])
        assert side.ids == tuple(CUTOUTS.ids[place] for place in side.places)


def test_a_release_reads_what_memory_has(root: Path):
    images, memory = opened(root).sampled(ALL, PREPROCESS), images_in_memory(CUTOUTS)
    assert images.class_names == CLASS_NAMES
    order = [CUTOUTS.ids.index(each) for each in images.foregrounds.ids]
    np.testing.assert_array_equal(images.foregrounds.labels, memory.foregrounds.labels[order])
    front, masks = images.read_foregrounds([0, 5, 12], PREPROCESS)
    np.testing.assert_array_equal(front, CUTOUTS.images[order][[0, 5, 12]])
    np.testing.assert_array_equal(masks, CUTOUTS.masks[order][[0, 5, 12]])
    columns = [CUTOUTS.ids.index(each) for each in images.backgrounds.ids]
    np.testing.assert_array_equal(
        images.read_backgrounds([3, 1], PREPROCESS), CUTOUTS.tiled[columns][[3, 1]]
    )


def test_the_class_of_a_background_is_its_folder(root: Path):
    folder = root / "only_bg_t" / "val"
    there = next((folder / CLASS_NAMES[0]).iterdir())
    there.rename(there.with_name(f"fg_{CLASS_NAMES[2]}_bg_{CLASS_NAMES[1]}.png"))
    images = opened(root)
    of_class = [each for each in images.backgrounds.ids if each.startswith(CLASS_NAMES[0] + "/")]
    assert len(of_class) == (images.backgrounds.labels == 0).sum() == (CUTOUTS.labels == 0).sum()


def test_bad_masks_leave_their_foregrounds_out_and_are_named(
    root: Path, caplog: pytest.LogCaptureFixture
):
    masks = root / "fg_mask" / "val"
    first, second, third, fourth = sorted(masks.rglob("*.npy"))[:4]
    first.unlink()
    np.save(second, np.zeros((SIDE, SIDE), bool))
    np.save(third, np.ones((SIDE, SIDE), bool))
    np.save(fourth, np.ones((SIDE, SIDE + 1), bool))
    with caplog.at_level(logging.WARNING):
        images = opened(root).sampled(ALL, PREPROCESS)
    assert len(images.foregrounds) == 9
    assert len(images.backgrounds) == 13
    assert "4 of 13 foregrounds are left out" in caplog.text
    reasons = dict(each.split(": ", 1) for each in images.rejected)
    assert f"{first}: no such mask" in reasons[f"{CLASS_NAMES[0]}/{first.stem}"]
    assert reasons[f"{CLASS_NAMES[0]}/{second.stem}"] == "its mask is empty"
    assert reasons[f"{CLASS_NAMES[0]}/{third.stem}"] == "its mask covers the whole image"
    assert "expected a mask of 8 x 8" in reasons[f"{CLASS_NAMES[0]}/{fourth.stem}"]


def test_masks_are_looked_at_as_the_model_gets_them(caplog: pytest.LogCaptureFixture):
    large = make_cutouts(side=3 * SIDE)
    masks = large.masks.copy()
    masks[2] = False
    masks[2, 3, 3] = True  # of three pixels the nearest is the middle one: this one is lost
    masks[5] = ~masks[2]
    masks[7] = False
    images = images_in_memory(dataclasses.replace(large, masks=masks))
    with caplog.at_level(logging.WARNING):
        chosen = images.sampled(ALL, PREPROCESS)
    resized = ", resized and cropped to the model's 8 x 8 pixels"
    assert chosen.rejected == (
        f"{large.ids[2]}: its mask is empty{resized}",
        f"{large.ids[5]}: its mask covers the whole image{resized}",
        f"{large.ids[7]}: its mask is empty",
    )
    assert "3 of 13 foregrounds are left out" in caplog.text
    read = chosen.read_foregrounds(range(10), PREPROCESS)[1]
    assert read.any((1, 2)).all()
    assert not read.all((1, 2)).any()
    same_size = Preprocess(size=3 * SIDE, resize=3 * SIDE)
    assert images.sampled(ALL, same_size).rejected == chosen.rejected[2:]


def test_an_object_that_the_models_crop_leaves_out_is_named():
    masks = np.zeros((len(CUTOUTS), SIDE, 3 * SIDE), bool)
    masks[:, 2:6, 10:14] = True
    masks[4] = False
    masks[4, 2:6, :5] = True
    front, tiled = CUTOUTS.images.repeat(3, 2), CUTOUTS.tiled.repeat(3, 2)
    wide = dataclasses.replace(CUTOUTS, images=front, tiled=tiled, masks=masks)
    images = images_in_memory(wide).sampled(ALL, PREPROCESS)
    (rejected,) = images.rejected
    assert rejected.startswith(f"{CUTOUTS.ids[4]}: its mask is empty, resized and cropped")


def test_without_a_usable_mask_nothing_is_tried():
    empty = dataclasses.replace(CUTOUTS, masks=np.zeros_like(CUTOUTS.masks))
    with pytest.raises(InputError, match="no foreground has a usable mask"):
        images_in_memory(empty).sampled(ALL, PREPROCESS)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("fg_mask", "val: no such folder; an attack needs masks: build with --masks or --seg"),
        ("only_bg_t", "has no variant 'only_bg_t'"),
        ("original", "has no variant 'original'"),
    ],
)
def test_what_a_release_lacks_is_named(gone: str, said: str, root: Path):
    shutil.rmtree(root / gone)
    with pytest.raises(InputError, match=said):
        opened(root)


def test_an_unreadable_background_is_named(root: Path):
    path = sorted((root / "only_bg_t").rglob("*.png"))[0]
    path.write_bytes(b"no picture")
    images = opened(root).sampled(ALL, PREPROCESS)
    with pytest.raises(InputError, match=path.name):
        images.read_backgrounds(range(len(images.backgrounds)), PREPROCESS)


def test_the_fingerprint_tells_images_and_masks(root: Path):
    before = opened(root).fingerprint
    assert opened(root).fingerprint == before
    np.save(sorted((root / "fg_mask").rglob("*.npy"))[0], np.eye(SIDE))
    assert opened(root).fingerprint != before
    other = dataclasses.replace(CUTOUTS, masks=~CUTOUTS.masks)
    assert images_in_memory(other).fingerprint != images_in_memory(CUTOUTS).fingerprint


def test_resizing_is_said(caplog: pytest.LogCaptureFixture):
    images = images_in_memory(CUTOUTS)
    images.warn_of_size(PREPROCESS)
    assert not caplog.records
    images.warn_of_size(Preprocess(size=24, resize=24))
    assert "the first is 8 x 8) aren't of the model's size, 24 x 24" in caplog.text


def test_other_sizes_are_prepared_and_the_models_own_is_left_alone():
    image, mask = CUTOUTS.images[0], CUTOUTS.masks[0]
    resizes_first = Preprocess(size=SIDE, resize=SIDE + 3)
    assert prepare(image, resizes_first) is image
    double = Preprocess(size=2 * SIDE, resize=2 * SIDE)
    assert prepare(image, double).shape == (2 * SIDE, 2 * SIDE, 3)
    np.testing.assert_array_equal(prepare(mask, double), mask.repeat(2, 0).repeat(2, 1))
    wide = np.asarray(Image.fromarray(image).resize((2 * SIDE, SIDE)))
    assert prepare(wide, PREPROCESS).shape == (SIDE, SIDE, 3)
