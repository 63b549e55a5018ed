from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.backgrounds.square_cutouts import make_cutouts, make_predictor
from tests.helpers.small_release import (
    linear_answers,
    linear_predictor,
    small_images,
    write_release,
    write_small_release,
)
from wiseft_jax.backgrounds.challenge import UNTRIED
from wiseft_jax.backgrounds.evaluation import evaluate_backgrounds
from wiseft_jax.backgrounds.in9 import IMAGENET_TO_IN9
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.backgrounds.variants import VARIANTS
from wiseft_jax.core.errors import InputError

IMAGES = small_images()
MODELS = [linear_predictor(0), linear_predictor(1)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_small_release(tmp_path / "set", IMAGES)


def test_every_variant_is_asked_of_every_model():
    answers = evaluate_backgrounds(IMAGES, MODELS, seeds=2, batch_size=7)
    assert list(answers.kinds) == list(VARIANTS)
    for kind, found in answers.kinds.items():
        for model, told in zip(MODELS, found, strict=True):
            assert np.array_equal(told, linear_answers(model, IMAGES.variant(kind, 0)))
    for kind, found in answers.seeds.items():
        for seed in range(2):
            expected = linear_answers(MODELS[1], IMAGES.variant(kind, seed))
            assert np.array_equal(found[seed, 1], expected)
    assert answers.fed == ("fed without resizing (8 x 8)",) * 2


def test_a_release_gives_the_answers_of_what_was_written(root: Path):
    """Mixed files carry wrong backgrounds' ids: images are found by their foregrounds alone."""
    written = evaluate_backgrounds(IMAGES, MODELS, seeds=2)
    read = evaluate_backgrounds(open_release(root), MODELS, seeds=2, batch_size=5)
    assert read.ids == written.ids
    assert read.notes == ()
    assert set(read.origins.values()) == {"files"}
    for found, expected in ((read.kinds, written.kinds), (read.seeds, written.seeds)):
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[kind], expected[kind]) for kind in found)


def test_what_is_missing_is_said_and_composed_where_it_can_be(root: Path):
    import shutil

    shutil.rmtree(root / "mixed_rand")
    shutil.rmtree(root / "mixed_next")
    folder, stem = IMAGES.ids[3].split("/")
    (root / "only_bg_b" / "val" / folder / f"{stem}.png").unlink()
    answers = evaluate_backgrounds(open_release(root), MODELS, seeds=1)
    assert answers.origins["mixed_rand"] == "composed, pairing seed 0"
    expected = linear_answers(MODELS[0], IMAGES.variant("mixed_rand", 0))
    assert np.array_equal(answers.kinds["mixed_rand"][0], expected)
    assert "mixed_next: not there" in answers.notes
    assert f"only_bg_b: 1 of {len(IMAGES)} images aren't there" in answers.notes
    assert np.flatnonzero(answers.kinds["only_bg_b"][0] == UNTRIED).tolist() == [3]


def test_without_masks_the_files_alone_are_asked(root: Path):
    import shutil

    shutil.rmtree(root / "fg_mask")
    answers = evaluate_backgrounds(open_release(root), MODELS, seeds=3, limit=9)
    assert len(answers.ids) == 9
    assert answers.seeds == {}
    assert "pairings can't be composed: there is no fg_mask/val" in answers.notes


@pytest.mark.parametrize("where", ["in memory", "in files"])
def test_a_limit_takes_images_of_the_whole_sets_answers(root: Path, where: str):
    """One of each class: its Mixed-Same partner isn't among those that are taken."""
    images = IMAGES if where == "in memory" else open_release(root)
    whole = evaluate_backgrounds(images, MODELS, seeds=2)
    few = evaluate_backgrounds(images, MODELS, seeds=2, limit=9, batch_size=4)
    places = [whole.ids.index(each) for each in few.ids]
    assert few.labels.tolist() == list(range(9))
    for found, expected in ((few.kinds, whole.kinds), (few.seeds, whole.seeds)):
        assert found.keys() == expected.keys()
        for kind, answers in found.items():
            assert np.array_equal(answers, expected[kind][..., places])
    assert few.notes == ("9 of 18 images are taken (--limit)",)


def test_images_that_are_taken_may_all_lack_masks(tmp_path: Path):
    images = small_images(3)
    root = write_small_release(tmp_path, images)
    taken = evaluate_backgrounds(open_release(root), MODELS, seeds=1, limit=9)
    for each in taken.ids:
        (root / "fg_mask" / "val" / f"{each}.npy").unlink()
    answers = evaluate_backgrounds(open_release(root), MODELS, seeds=1, limit=9)
    assert answers.ids == taken.ids
    assert answers.seeds == {}
    assert any("no image has both a mask and an Only-BG-T" in note for note in answers.notes)
    np.save(root / "fg_mask" / "val" / f"{answers.ids[2]}.npy", np.eye(8, dtype=bool))
    one = evaluate_backgrounds(open_release(root), MODELS, seeds=1, limit=9)
    for made in one.seeds.values():
        assert np.flatnonzero(made[0, 0] != UNTRIED).tolist() == [2]
    assert any("8 of 9 images aren't composed" in note for note in one.notes)


def test_a_batch_is_in_memory_at_a_time(tmp_path: Path):
    """Less than the originals alone take; the models have answered before, and are compiled."""
    images = make_cutouts(48, side=96)
    kinds = ("original", "only_bg_t", "mixed_same")
    release = open_release(write_release(tmp_path, images, kinds=kinds))
    models = [make_predictor(side=96)]
    expected = evaluate_backgrounds(images, models, seeds=2, batch_size=4)
    evaluate_backgrounds(release, models, seeds=1, limit=4, batch_size=4)
    tracemalloc.start()
    try:
        found = evaluate_backgrounds(release, models, seeds=2, batch_size=4)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < images.images.nbytes
    places = [expected.ids.index(each) for each in found.ids]
    assert np.array_equal(found.kinds["original"], expected.kinds["original"][:, places])


def test_a_thousand_classes_are_mapped_after_the_arg_max():
    model = linear_predictor(2, classes=1000, thousand=True)
    answers = evaluate_backgrounds(IMAGES, [model], seeds=0)
    best = linear_answers(model, IMAGES.images)
    assert np.array_equal(answers.kinds["original"][0], IMAGENET_TO_IN9[best])
    assert (answers.kinds["original"] == -1).any()
    before = (IMAGES.images.reshape(len(IMAGES), -1).astype(int) @ model.params.astype(int)).copy()
    before[:, IMAGENET_TO_IN9 == -1] = before.min() - 1
    assert not np.array_equal(IMAGENET_TO_IN9[before.argmax(1)], answers.kinds["original"][0])


@pytest.mark.parametrize(
    ("models", "seeds", "said"), [([], 1, "at least one model"), (MODELS, -1, "--seeds")]
)
def test_mistakes_are_named(models: list, seeds: int, said: str):
    with pytest.raises(InputError, match=said):
        evaluate_backgrounds(IMAGES, models, seeds=seeds)
