"""Variants composed while they are read are those that are composed in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_release import CLASSES, masked_images, write_release
from wiseft_jax.backgrounds.composed_source import ComposedSource, composed_dataset
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.core.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_release(tmp_path, masked_images(), "train", ("original", "only_bg_t"))


@pytest.mark.parametrize("kind", ["original", "no_fg", "only_fg", "mixed_same", "mixed_next"])
def test_read_one_by_one_or_composed_in_memory_is_the_same(root: Path, kind: str):
    source = ComposedSource(open_release(root, "train"), kind, seed=4)
    expected = masked_images().variant(kind, seed=4)
    found = np.stack([source.read(index) for index in range(len(source))])
    np.testing.assert_array_equal(found, expected)
    assert source.class_names == CLASSES


def test_another_seed_is_another_training_set(root: Path):
    release = open_release(root, "train")
    prints = [
        composed_dataset(release, kind, seed).fingerprint()
        for kind in ("mixed_rand", "mixed_same")
        for seed in (0, 1)
    ]
    assert len(set(prints)) == 4
    assert composed_dataset(release, "mixed_rand", 1).fingerprint() == prints[1]
    fixed = [composed_dataset(release, "only_fg", seed).fingerprint() for seed in (0, 1)]
    assert fixed[0] == fixed[1]  # nothing is drawn


def test_what_is_missing_is_counted(root: Path):
    (root / "fg_mask/train/02_fish/07.npy").unlink()
    (root / "only_bg_t/train/00_dog/01.png").unlink()
    release = open_release(root, "train")
    with pytest.raises(InputError, match=r"1 of 9 originals have no mask \(02_fish/07\)"):
        ComposedSource(release, "only_fg")
    assert len(ComposedSource(release, "original")) == 9
    np.save(root / "fg_mask/train/02_fish/07.npy", np.ones((8, 8), bool))
    with pytest.raises(InputError, match=r"no Only-BG-T image \(00_dog/01\)"):
        ComposedSource(release, "mixed_rand")
    with pytest.raises(InputError, match="only_bg_b is made from boxes"):
        ComposedSource(release, "only_bg_b")


@pytest.mark.parametrize(("fill", "kind"), [(False, "empty"), (True, "full")])
def test_a_mask_without_an_object_or_a_background_is_named(root: Path, fill: bool, kind: str):
    np.save(root / "fg_mask/train/00_dog/01.npy", np.full((8, 8), fill))
    for variant in ("only_fg", "mixed_rand"):
        source = ComposedSource(open_release(root, "train"), variant)
        with pytest.raises(InputError, match=rf"00_dog/01.npy: the mask is {kind}; expected an"):
            source.read(1)
    assert ComposedSource(open_release(root, "train"), "original").read(1).shape == (8, 8, 3)


def test_a_background_of_another_size_is_named(root: Path):
    for file in (root / "only_bg_t/train").rglob("*.png"):
        Image.new("RGB", (9, 8)).save(file)
    source = ComposedSource(open_release(root, "train"), "mixed_rand")
    with pytest.raises(InputError, match=r"expected a background of 8 x 8, as .*found 9 x 8"):
        source.read(0)
