"""Variants composed while they are read are those that are composed in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wiseft_jax.backgrounds.composed_source import ComposedSource, composed_dataset
from wiseft_jax.backgrounds.masked_images import MaskedImages
from wiseft_jax.backgrounds.release import open_release
from wiseft_jax.backgrounds.tiling import tile_background
from wiseft_jax.core.errors import InputError

CLASSES = ("00_dog", "01_musical box", "02_fish")
BOX = (1, 2, 5, 6)


def masked_images(per_class: int = 3, size: int = 8) -> MaskedImages:
    """Return images of noise in folder order, each with a square for an object."""
    rng = np.random.default_rng(0)
    count = per_class * len(CLASSES)
    images = rng.integers(0, 256, (count, size, size, 3), np.uint8)
    masks = np.zeros((count, size, size), bool)
    masks[:, BOX[1] : BOX[3], BOX[0] : BOX[2]] = True
    tiled = np.stack([tile_background(each, BOX) for each in images])
    labels = np.repeat(np.arange(len(CLASSES)), per_class)
    ids = tuple(f"{CLASSES[label]}/{index:02d}" for index, label in enumerate(labels))
    boxes = np.tile(np.asarray(BOX), (count, 1))
    return MaskedImages(images, masks, tiled, boxes, labels, CLASSES, ids)


def write_release(root: Path, images: MaskedImages, kinds: tuple[str, ...], split: str) -> Path:
    """Write variants as PNG, and the masks, in the published layout."""
    for kind in kinds:
        for image_id, image in zip(images.ids, images.variant(kind), strict=True):
            file = root / kind / split / f"{image_id}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    for image_id, mask in zip(images.ids, images.masks, strict=True):
        file = root / "fg_mask" / split / f"{image_id}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, mask)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_release(tmp_path, masked_images(), ("original", "only_bg_t"), "train")


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
    with pytest.raises(InputError, match=r"1 of 9 originals have no masks \(02_fish/07\)"):
        ComposedSource(release, "only_fg")
    assert len(ComposedSource(release, "original")) == 9
    np.save(root / "fg_mask/train/02_fish/07.npy", np.ones((8, 8), bool))
    with pytest.raises(InputError, match=r"no Only-BG-T images \(00_dog/01\)"):
        ComposedSource(release, "mixed_rand")
    with pytest.raises(InputError, match="only_bg_b is made from boxes"):
        ComposedSource(release, "only_bg_b")


def test_a_background_of_another_size_is_named(root: Path):
    for file in (root / "only_bg_t/train").rglob("*.png"):
        Image.new("RGB", (9, 8)).save(file)
    source = ComposedSource(open_release(root, "train"), "mixed_rand")
    with pytest.raises(InputError, match=r"expected a background of 8 x 8, as .*found 9 x 8"):
        source.read(0)
