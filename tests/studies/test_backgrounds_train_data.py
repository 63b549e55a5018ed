"""The study's images: composed or of files, a pairing for each seed, and what is refused."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_release import CLASSES, masked_images, write_release
from wiseft_jax.backgrounds.class_folders import spoken_names
from wiseft_jax.core.errors import InputError
from wiseft_jax.data.pipeline import load_image
from wiseft_jax.data.source import Dataset
from wiseft_jax.studies.backgrounds_train_data import (
    data_of_masked,
    data_of_release,
    limited,
    load_extras,
)

SPLITS = ("train", "val")


def pixels(dataset: Dataset) -> np.ndarray:
    return np.stack([np.asarray(load_image(dataset, index)) for index in range(len(dataset))])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_release(tmp_path, masked_images(), "train", ("original", "only_bg_t", "mixed_same"))
    return write_release(tmp_path, masked_images(2))


def test_files_and_memory_give_the_same_images(root: Path):
    images = masked_images()
    memory = data_of_masked(images, masked_images(2), ("original", "mixed_rand"))
    files = data_of_release(root, SPLITS, ("original", "mixed_rand"))
    assert files.paired
    assert memory.paired
    assert files.words == ("dog", "musical box", "fish")
    for kind in ("original", "only_bg_t", "only_fg", "mixed_rand"):
        one, other = (data.training_set(kind, 3) for data in (memory, files))
        np.testing.assert_array_equal(pixels(one), pixels(other))
        np.testing.assert_array_equal(one.labels, other.labels)
    for kind, dataset in memory.tests.items():
        np.testing.assert_array_equal(pixels(dataset), pixels(files.tests[kind]))


def test_photographs_that_are_trained_and_tested_on_are_named(
    root: Path, caplog: pytest.LogCaptureFixture
):
    both = "6 of 6 images of original/val (test) are also in original/train (train)"
    tests = data_of_release(root, SPLITS, ("original",)).tests
    assert both in caplog.text
    load_extras({"more": f"folder:{root}/original/val"}, CLASSES, tests["original"])
    assert "6 of 6 images of original (test) are also in more (train)" in caplog.text
    caplog.clear()
    for path in (root / "original" / "train").rglob("*.png"):
        with Image.open(path) as image:
            picture = image.copy()
        picture.putpixel((0, 0), (1, 2, 3))
        picture.save(path)
    data_of_release(root, SPLITS, ("original",))
    assert "are also in" not in caplog.text


def test_prompts_call_classes_as_everywhere():
    names = ("02_wheeled vehicle", "1_polar_bear", "tabby_cat")
    images = dataclasses.replace(masked_images(), class_names=names)
    words = data_of_masked(images, images, ("original",)).words
    assert words == spoken_names(names) == ("wheeled vehicle", "polar bear", "tabby cat")


def test_each_seed_has_its_pairing_unless_files_are_asked_for(root: Path):
    new = data_of_release(root, SPLITS, ("original",))
    built = data_of_release(root, SPLITS, ("original",), "built")
    seeds = [pixels(new.training_set("mixed_same", seed)) for seed in (0, 1)]
    assert not np.array_equal(seeds[0], seeds[1])
    for seed in (0, 1):  # the files were composed with seed 0
        np.testing.assert_array_equal(pixels(built.training_set("mixed_same", seed)), seeds[0])
    with pytest.raises(InputError, match=r"has no variant 'mixed_next'(.|\n)*split train"):
        built.training_set("mixed_next", 0)


def test_what_the_directory_lacks_is_said(root: Path, caplog: pytest.LogCaptureFixture):
    with pytest.raises(InputError, match=r"has no variant 'only_bg_b'; .*split train"):
        data_of_release(root, SPLITS, ("original",)).training_set("only_bg_b", 0)
    (root / "mixed_rand/val/00_dog/00.png").unlink()
    with caplog.at_level(logging.WARNING, "wiseft_jax"):
        data_of_release(root, SPLITS, ("mixed_same", "mixed_rand"))
    assert "1 of 6 originals are left out of the tests: they lack images of mixed_rand" in (
        caplog.text
    )
    with pytest.raises(InputError, match="val would be trained on and tested on"):
        data_of_release(root, ("val", "val"), ("original",))
    with pytest.raises(InputError, match="test"):
        data_of_release(root, ("train", "test"), ("original",))


def test_test_sets_are_of_the_same_foregrounds(root: Path):
    """Even where sets lack as many images, but other ones."""
    (root / "mixed_rand/val/00_dog/00.png").unlink()
    (root / "mixed_same/val/02_fish/05.png").unlink()
    data = data_of_release(root, SPLITS, ("mixed_same", "mixed_rand"))
    assert data.paired
    stems = [
        [Path(dataset.id(index)).stem for index in range(len(dataset))]
        for dataset in data.tests.values()
    ]
    assert stems == [["01", "02", "03", "04"]] * 2
    for dataset in data.tests.values():
        assert dataset.labels.tolist() == [0, 1, 1, 2]
    for kind, names in (("mixed_rand", ("02", "04")), ("mixed_same", ("01", "03"))):
        for name in names:
            next((root / kind / "val").rglob(f"{name}.png")).unlink()
    with pytest.raises(InputError, match="no original has an image of each of mixed_same, mixed_r"):
        data_of_release(root, SPLITS, ("mixed_same", "mixed_rand"))


def test_other_classes_and_one_class_are_refused(root: Path):
    (root / "original/val/02_fish").rename(root / "original/val/02_whale")
    with pytest.raises(InputError, match="02_whale"):
        data_of_release(root, SPLITS, ("original",))
    one = masked_images()
    one = dataclasses.replace(one, labels=np.zeros(len(one), int), class_names=("00_dog",))
    with pytest.raises(InputError, match="two classes or more, found 00_dog"):
        data_of_masked(one, one, ("original",))


def test_further_sets_are_matched_by_name(tmp_path: Path):
    for name in (*CLASSES, "03_cat"):
        (tmp_path / "in9l" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "in9l" / name / "a.png")
    with pytest.raises(InputError, match="03_cat"):
        load_extras({"in9l": f"folder:{tmp_path / 'in9l'}"}, CLASSES)
    (tmp_path / "in9l/03_cat/a.png").unlink()
    (tmp_path / "in9l/03_cat").rmdir()
    found = load_extras({"in9l": f"folder:{tmp_path / 'in9l'}"}, CLASSES)
    assert found["in9l"].labels.tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="that no variant has"):
        load_extras({"original": f"folder:{tmp_path / 'in9l'}"}, CLASSES)


def test_a_limit_leaves_no_class_out():
    dataset = masked_images(10).dataset("original")
    assert np.bincount(limited(dataset, 6).labels).tolist() == [2, 2, 2]
    in_turn = dataset.subset(np.arange(len(dataset)).reshape(3, -1).T.ravel())
    for limit in (3, 5, 10):
        counts = np.bincount(limited(in_turn, limit).labels, minlength=3)
        assert counts.sum() == limit
        assert np.ptp(counts) <= 1
    assert limited(dataset, None) is limited(dataset, 99) is dataset
